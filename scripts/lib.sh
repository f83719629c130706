# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the scripts: how they speak, and what they share.

# Another project's make is not to take our flags and variables for its own.
unset MAKEFLAGS MFLAGS MAKELEVEL ARCH CROSS_COMPILE V

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# die STEP WHAT-TO-DO: the one line of a failure
die() { say "$1; $2"; exit 1; }

# need_space DIR GIB
need_space() {
	local have
	mkdir -p "$1"
	have=$(df --output=avail -BG "$1" | tr -dc '0-9\n' | tail -n 1)
	[ "$have" -ge "$2" ] ||
		die "$1 has $have GiB free, $2 GiB are needed" "free some or set BUILD or CACHE to another disk"
}

# machine FILE: set what FILE says, one of machines/ or the copy of it beside a kernel, and have the kernel's make
# build for it
# shellcheck disable=SC2034 # for whoever calls it
machine() {
	kernel_arch='' image='' cross='' cc='' programs='' runner=qemu qemu=() tcg_cpu='' nic='' console=''
	[ -f "$1" ] || die "$1 does not exist" "set ARCH to the name of a file in machines/, or build the kernel again"
	# shellcheck disable=SC1090 # one of machines/
	. "$1"
	export ARCH=$kernel_arch CROSS_COMPILE=$cross
}

# accel: set $accel to kvm or tcg, what runs guests of the machine here unless ACCEL says it
accel() {
	accel=${ACCEL:-}
	case $accel in
	kvm | tcg) ;;
	'')
		accel=tcg
		# /dev/kvm may be there and hang every guest: only the processor's word counts.
		if [ "${qemu[0]}" = "qemu-system-$(uname -m)" ] && grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
			accel=kvm
		fi
		;;
	*) die "ACCEL=$accel is unknown" "use ACCEL=kvm or ACCEL=tcg" ;;
	esac
}

# uml_host: this machine can run user mode Linux, whose memory is a file in /dev/shm that it executes from
uml_host() {
	[ "$(uname -m)" = x86_64 ] || die "ARCH=um needs an x86-64 machine, this is $(uname -m)" "use another ARCH"
	awk '$2 == "/dev/shm" { options = $4 } END { exit options == "" || options ~ /(^|,)noexec(,|$)/ }' /proc/mounts ||
		die "/dev/shm is not mounted, or noexec" "run as root: mount -o remount,exec /dev/shm"
	[ "$(df --output=avail -B1G /dev/shm | tail -n 1)" -ge 3 ] ||
		die "/dev/shm has less than 3 GiB free, where user mode Linux keeps its memory" \
			"run as root: mount -o remount,size=8G /dev/shm"
	[ -w /dev/shm ] || die "/dev/shm is not writable" "run as root: chmod 1777 /dev/shm"
}

# processor N: print the N-th of the processors that this script may use, from 0; behind the last one comes the first
processor() {
	awk -v n="$1" '/^Cpus_allowed_list:/ {
		for (i = split($2, part, ","); i > 0; i--) {
			last = split(part[i], range, "-")
			for (c = range[last]; c >= range[1]; c--) cpu[nr++] = c
		}
		print cpu[nr - 1 - n % nr]
	}' /proc/self/status
}

# processors OBJ NUMBER SHIFT: guests of the kernel built in OBJ get NUMBER processors. The emulator runs one of them at a
# time then, and takes 2^SHIFT nanoseconds for each instruction.
processors() {
	machine "$1/machine"
	accel
	export ACCEL=$accel QEMU_ARGS="-smp $2 ${QEMU_ARGS:-}"
	[ "$accel" != tcg ] || QEMU_ARGS+=" -icount shift=$3"
}

# one_processor OBJ: they get one processor, whose work can be counted: $unit says in what
# shellcheck disable=SC2034 # for whoever calls it
one_processor() {
	processors "$1" 1 0
	unit=nanoseconds
	[ "$accel" != tcg ] || unit=instructions
}

# copy_libraries ROOT PROGRAM...: ROOT gets the libraries of all PROGRAMs at the paths that they have here
copy_libraries() {
	local root=$1 libraries
	shift
	libraries=$(ldd "$@")
	! grep 'not found' <<< "$libraries" >&2 || die "libraries of $* are missing" "install the packages that have them"
	grep -oP '/\S+(?= \()' <<< "$libraries" | sort -u | xargs cp -L --parents -t "$root"
}

# debian_here: set $codename and $mirror, which Debian this machine runs, and where its apt gets it
# shellcheck disable=SC2034 # for whoever calls it
debian_here() {
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # apt expands it
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		"Codename: $codename" 'Label: Debian' | sort -u | head -n 1)
	[ -n "$mirror" ] ||
		die "apt knows no Debian mirror for '$codename'" "run apt-get update, or check /etc/apt/sources.list.d"
}

# port_is_free PORT: nobody listens at that TCP port of this machine
port_is_free() { [ -z "$(ss -Hltn "sport = :$1")" ]; }

# free_port: print such a port
free_port() {
	local port=$((20000 + RANDOM % 10000))
	until port_is_free "$port"; do port=$((port + 1)); done
	echo "$port"
}

# configure LINUX OBJ ARCH CONFIG...: configure OBJ for the machine that is set. For each CONFIG, use configs/CONFIG,
# configs/CONFIG-RUNNER and configs/CONFIG-ARCH where they exist. A line that does not survive is an error (-s).
configure() {
	local linux=$1 obj=$2 arch=$3 configs name file want fragments=()
	configs=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../configs")
	shift 3
	for name in "$@"; do
		compgen -G "$configs/$name*" > /dev/null || die "there is no configuration $name" "use those of $configs"
		for file in $(printf '%s\n' "$configs/$name" "$configs/$name-$runner" "$configs/$name-$arch" | uniq); do
			[ ! -f "$file" ] || fragments+=("$file")
		done
	done
	want=$(cat "${fragments[@]}" "$linux"/io_uring/Kconfig | sha256sum)
	[ "$want" != "$(cat "$obj/.fragments" 2>/dev/null)" ] || return 0
	(cd "$linux" && scripts/kconfig/merge_config.sh -n -s -O "$obj" "${fragments[@]}") > "$obj/config.log" 2>&1 || {
		grep -A 2 '^WARNING' "$obj/config.log" >&2 || tail -n 5 "$obj/config.log" >&2
		die "the configuration of $obj is not what ${fragments[*]##*/} ask for" "see $obj/config.log"
	}
	echo "$want" > "$obj/.fragments"
}

# uncommitted TREE: the changes there that no commit has. Debian's source has git ignore every file it
# doesn't know, so ignored ones count, too, except what Python leaves behind.
uncommitted() { git -C "$1" status --porcelain --ignored | sed '/\.pyc$/d; /__pycache__/d'; }

# unsaved TREE: the work there that is not in this repository, a line each; a tree that was not assembled has none
unsaved() {
	[ -f "$1/.git/assembled" ] || return 0
	uncommitted "$1" || return
	[ "$(git -C "$1" rev-parse HEAD)" = "$(cat "$1/.git/assembled")" ] || git -C "$1" log -1 --format='commit %h (%s)'
}

# series_files PATCHES [PREFIX]: the new files that the series adds, each with PREFIX ahead of it
series_files() { awk '!/^#/ { $1 = ""; print }' "$1/series" | xargs -r -n 1 printf '%s%s\n' "${2:-}"; }

# series_hash TOP PATCHES [PREFIX]: one hash of all that the series is made of, whose new files are at PREFIX
series_hash() {
	(cd "$1" && { find "$2" -type f ! -name cover && series_files "$2" "${3:-}"; } | sort | xargs sha256sum) |
		sha256sum | cut -d ' ' -f 1
}

# use_ccache CACHE BASE: objects are found again wherever BASE, which paths are relative to, may be
use_ccache() {
	export CCACHE_DIR=$1/ccache CCACHE_BASEDIR=$2 CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=8G
	mkdir -p "$CCACHE_DIR"
}

# kernel_objects OBJ ARCH: OBJ is where a kernel for ARCH is built, OBJ/machine says what that is. It is set.
kernel_objects() {
	local file
	file=$(dirname "${BASH_SOURCE[0]}")/../machines/$2
	mkdir -p "$1"
	machine "$file"
	cp "$file" "$1/machine"
}

# build_kernel LINUX OBJ CACHE TARGET...: have the kernel's make build TARGETs of LINUX in OBJ, as OBJ/.config says
build_kernel() {
	local linux=$1 obj=$2
	use_ccache "$3" "${linux%/*}"
	shift 3
	# No time, user or host gets into objects.
	export KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=user KBUILD_BUILD_HOST=host KBUILD_BUILD_VERSION=1
	say "building $obj, log in $obj/build.log"
	make -C "$linux" O="$obj" CC="ccache ${cross}gcc" HOSTCC='ccache gcc' -j"$(nproc)" "$@" 2>&1 |
		tee "$obj/build.log" | awk 'NR % 200 == 0 { print "  " NR " steps,", $0; fflush() }' >&2 || {
		grep -m 5 -E 'error|Error' "$obj/build.log" >&2
		die "the kernel in $linux does not build" "see $obj/build.log"
	}
}

# configure_liburing TREE HEADERS OBJ CC: have OBJ be where make builds the liburing in TREE with CC against HEADERS
configure_liburing() {
	cmp "$1/src/include/liburing/io_uring/regbuf.h" "$2/linux/io_uring/regbuf.h" ||
		{ echo "Error: liburing's regbuf.h is not the kernel's: copy it"; return 1; }
	[ ! "$3/.configured" -nt "$1/configure" ] || return 0
	(cd "$3" && "$1/configure" --cc="$4 -isystem $2" --cxx="${4/gcc/g++} -isystem $2") && touch "$3/.configured"
}

# SPDX-License-Identifier: GPL-2.0
# Everything from here: assemble the patched kernel and liburing, build, boot, test them. 'make help' lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules

BUILD ?= $(CURDIR)/build
CACHE ?= $(HOME)/.cache/provided-regbuf
PATCHES := patches/linux-7.3
LIBURING_PATCHES := patches/liburing-2.15
# New files mirror the upstream trees: the kernel's here, liburing's there.
LIBURING_FILES := liburing/
# A kernel git tree of your own instead of the release that base/ names.
KDIR ?=
# What is built, and booted: one of machines/.
ARCH ?= x86_64
# kvm or tcg; empty: KVM where the processor has it.
ACCEL ?=
export ACCEL
# What example serves, and at which port of this machine; empty: a few files to try.
DIR ?=
PORT ?= 8080
# The configuration of what deb builds; empty: the kernel's defconfig, and what the selftests need.
CONFIG ?=
# How long torture fuzzes each kernel, in minutes, and from which seed on; empty: the time.
TIME ?= 10
SEED ?=
# What mails are to say: which version of the series it is, and the sender's "Name <address>".
V ?=
SIGNOFF ?=
export V SIGNOFF

override CACHE := $(abspath $(CACHE))
B := $(abspath $(BUILD))$(if $(KDIR),/kdir)
# What differs between the ARCHs.
A := $(B)$(if $(filter-out x86_64,$(ARCH)),/$(ARCH))
LINUX := $(B)/linux
BASE_LINUX := $(B)/base/linux
LIBURING := $(B)/liburing
# User mode Linux runs the programs of this machine.
USER_ARCH := $(if $(filter um,$(ARCH)),x86_64,$(ARCH))
U := $(if $(filter um,$(ARCH)),$(B),$(A))
# BASE=1: the kernel without the series.
KERNEL := $(if $(BASE),$(A)/base/kernel,$(A)/kernel)
# For whom else a kernel runs programs.
COMPAT := $(if $(filter x86_64,$(ARCH)),i386)
# Those that the series adds to liburing.
LIBURING_TESTS := $(U)/liburing-tests $(COMPAT:%=$(U)/liburing-tests-%)

# What bench measures: ways to send that 7.3 has, and those of the series.
WAYS_BEFORE := send send-bundle sendfile msg-zerocopy zc zc-fixed zc-vector limit
WAYS := single in-a-row scattered four-buffers

ARCHS := $(notdir $(wildcard machines/*))
ifneq ($(words $(ARCH))$(filter-out $(ARCHS),$(ARCH)),1)
$(error ARCH=$(ARCH) is unknown; use one of: $(ARCHS))
endif
# These name what they build for themselves, or need a network card.
ifneq ($(ARCH),x86_64)
X86_ONLY := bisect check-deb check-net check-skips cross deb lint bench bench-base bench-time bench-example profile \
	$(if $(filter um,$(ARCH)),demo example check-example,check-liburing coverage mutants torture)
$(foreach goal,$(filter $(X86_ONLY),$(MAKECMDGOALS)),\
	$(error 'make $(goal)' has no ARCH=$(ARCH); leave ARCH out))
endif

ifneq ($(BASE),)
$(foreach goal,$(filter bench bench-base bench-time bench-example profile,$(MAKECMDGOALS)),\
	$(error 'make $(goal)' has no BASE=$(BASE); use make bench-base to compare the kernels))
endif

.DEFAULT_GOAL := demo
.NOTPARALLEL:
.PHONY: help demo example quick quick-check check check-kunit check-net check-liburing check-example check-deb deb torture coverage mutants \
	bench bench-base bench-time bench-example profile run shell fetch tree liburing-tree liburing liburing-tests example-server \
	check-skips save kernel debug-kernel races-kernel selftests compat-selftests bisect cross sender series docs lint \
	deps clean

help: ## this list
	@echo 'usage: make [TARGET] [VARIABLE=value...]'
	@echo
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
	@echo
	@echo '  ARCH=NAME   $(ARCHS): for which machine  now $(ARCH)'
	@echo '  BUILD=DIR   where everything is built    now $(BUILD)'
	@echo '  CACHE=DIR   downloads and ccache         now $(CACHE)'
	@echo '  KDIR=DIR    your own kernel git tree, only read, instead of the release in base/'
	@echo '  ACCEL=kvm|tcg   how QEMU runs the guest; default: KVM where the processor has it'

# check-liburing runs in user mode Linux, which takes minutes, unless ARCH says x86_64.
L_ARCH := $(if $(filter file,$(origin ARCH)),um,$(ARCH))
L := $(B)$(if $(filter um,$(L_ARCH)),/um)
# These run in user mode Linux, whatever ARCH is.
UM_GOALS := quick check-kunit coverage mutants bench-time $(if $(filter um,$(L_ARCH)),check-liburing)
deps:
	@scripts/host $(if $(filter $(UM_GOALS),$(MAKECMDGOALS)),um,$(ARCH))
	@scripts/deps base/packages $(wildcard base/packages-$(ARCH))

fetch: deps ## download what base/ names to the cache
	@scripts/fetch $(CACHE) base/linux base/linux-source
	@scripts/fetch $(CACHE) base/liburing
	@$(if $(wildcard base/busybox-$(ARCH)),scripts/fetch $(CACHE) base/busybox-$(ARCH))

tree: deps ## assemble build/linux, the patched kernel as a git repository, and its headers in build/usr
	@scripts/tree $(LINUX) $(CACHE) $(PATCHES) '' $(KDIR)
	@scripts/headers $(LINUX) $(U) $(USER_ARCH)

liburing-tree: deps ## assemble build/liburing, the patched liburing as a git repository
	@scripts/tree $(LIBURING) $(CACHE) $(LIBURING_PATCHES) $(LIBURING_FILES)

save: tree liburing-tree ## write the commits of build/linux and build/liburing back to patches/ and the plain files
	@scripts/save $(LINUX) $(PATCHES)
	@scripts/save $(LIBURING) $(LIBURING_PATCHES) $(LIBURING_FILES)

liburing: tree liburing-tree ## build the patched liburing in build/liburing-build: library, examples, tests
	@scripts/liburing $(LIBURING) $(B)/usr/include $(B)/liburing-build

kernel: tree ## build the patched kernel (BASE=1: the unpatched one)
	@$(if $(BASE),scripts/base-tree $(LINUX) $(BASE_LINUX))
	@scripts/kernel $(if $(BASE),$(BASE_LINUX),$(LINUX)) $(KERNEL) $(CACHE) $(ARCH) base

debug-kernel: tree
	@scripts/kernel $(LINUX) $(A)/debug $(CACHE) $(ARCH) base test kunit debug memcheck

races-kernel: tree
	@scripts/kernel $(LINUX) $(A)/races $(CACHE) $(ARCH) base test kunit debug kcsan

selftests: tree
	@scripts/selftests $(LINUX) $(U)/usr/include $(U)/selftests $(USER_ARCH)

compat-selftests: tree
	@$(foreach arch,$(COMPAT),scripts/selftests $(LINUX) $(U)/usr/include $(U)/selftests-$(arch) $(arch);)

liburing-tests: tree liburing-tree
	@$(foreach arch,$(USER_ARCH) $(COMPAT),scripts/liburing-tests $(LIBURING) $(U)/usr/include \
		$(U)/liburing-tests$(if $(filter-out $(USER_ARCH),$(arch)),-$(arch)) $(arch);)

example-server: tree liburing-tree
	@scripts/example $(LIBURING) $(U)/usr/include $(U)/example-server $(USER_ARCH)

demo: kernel selftests ## send a file as bundles of provided registered buffers (FILE=path)
	@vm/demo $(KERNEL) $(A)/demo $(U)/selftests/io_uring/regbuf_demo $(FILE)

example: kernel example-server ## an HTTP server in the guest, until Ctrl-C (DIR=path to serve, PORT=number)
	@vm/example $(KERNEL) $(A)/example $(U)/example-server/file-server '$(PORT)' $(if $(DIR),'$(DIR)')

bench: kernel selftests ## what a chunk costs in each way to send: tables, a chart, and whether the goals are met
	@vm/bench $(B)/kernel $(B)/bench $(B)/selftests/io_uring/send_bench $(WAYS_BEFORE) $(WAYS)
	@vm/bench-report $(B)/bench/medians.tsv | tee $(B)/bench/report.txt
	@gnuplot -c vm/bench-chart $(B)/bench/medians.tsv $(B)/bench/chart "$$(cut -d , -f 1 $(B)/bench/conditions)"

bench-base: selftests ## what the ways to send that there are without the series cost, without and with it
	@$(MAKE) kernel BASE=1
	@$(MAKE) kernel BASE=
	@REST=$${REST:-0} vm/bench $(B)/base/kernel $(B)/bench-base/base $(B)/selftests/io_uring/send_bench $(WAYS_BEFORE)
	@REST=$${REST:-0} vm/bench $(B)/kernel $(B)/bench-base/patched $(B)/selftests/io_uring/send_bench $(WAYS_BEFORE)
	@vm/bench-compare $(B)/bench-base/{base,patched}/medians.tsv | tee $(B)/bench-base/report.txt

bench-time: selftests ## how long a chunk takes in each way to send, in user mode Linux, without and with the series
	@$(MAKE) kernel ARCH=um BASE=1
	@$(MAKE) kernel ARCH=um BASE=
	@vm/bench-time $(B)/bench-time $(B)/selftests/io_uring/send_bench \
		$(B)/um/base/kernel '$(WAYS_BEFORE)' $(B)/um/kernel '$(WAYS_BEFORE) $(WAYS)'
	@vm/bench-time-report $(B)/bench-time/{base,patched}/medians.tsv | tee $(B)/bench-time/report.txt

bench-example: kernel selftests example-server ## what the example HTTP server and nginx take for a request
	@scripts/nginx $(CACHE) $(B)/nginx
	@vm/bench-example $(KERNEL) $(B)/bench-example $(B)/example-server/file-server $(B)/selftests/io_uring/busy \
		$(B)/nginx/root

profile: kernel selftests ## by function: make profile WAY='-m 4k udp in-a-row' AGAINST='-m 2m udp in-a-row'
	@$(if $(and $(WAY),$(AGAINST)),,echo 'make profile: set WAY and AGAINST to what send_bench takes, as in `make help`' >&2; exit 2)
	@vm/profile $(B)/kernel $(B)/profile/way $(B)/selftests/io_uring/send_bench $(WAY)
	@vm/profile $(B)/kernel $(B)/profile/against $(B)/selftests/io_uring/send_bench $(AGAINST)
	@vm/profile-compare $(B)/profile/{way,against}/profile | tee $(B)/profile/report.txt

run: kernel ## run a static program in the guest: PROG=path [ARGS=...] [BASE=1]
	@$(if $(PROG),,echo 'make run: PROG is not set; use make run PROG=path/to/static/program' >&2; exit 2)
	@vm/run $(KERNEL) $(A)/run $(PROG) $(ARGS)

shell: kernel ## a prompt in the guest (leave it with 'exit')
	@vm/shell $(KERNEL) $(A)/shell

# With BASE, one of Debian's suites, it is only whether the series applies there.
ifneq ($(BASE),)
check: deps ## all tests on a debug kernel (T=names: some of them); BASE=sid: whether the series applies to Linux there
	@scripts/applies $(CACHE) '$(BASE)' $(PATCHES)
else
check: debug-kernel selftests compat-selftests liburing-tests
	@vm/check $(A)/debug $(A)/check '$(T)' $(U)/selftests $(COMPAT:%=$(U)/selftests-%) $(LIBURING_TESTS)
endif

quick: deps ## KUnit and the selftests in user mode Linux, in about a minute once it is built (T=names: some of them)
	@$(MAKE) quick-check ARCH=um BASE=

quick-check: debug-kernel selftests
	@$(if $(T),vm/check $(A)/debug $(A)/quick '$(T)',vm/quick $(A)/debug $(A)/quick) $(U)/selftests

check-kunit: tree ## the KUnit suite as kernel developers run it: kunit.py in the kernel tree
	@scripts/kunit $(LINUX) $(B)/kunit $(CACHE) io_uring/tests

check-skips: liburing-tests ## that the tests of the patched liburing skip without the series
	@scripts/base-tree $(LINUX) $(BASE_LINUX)
	@scripts/kernel $(BASE_LINUX) $(A)/base/debug $(CACHE) $(ARCH) base test debug memcheck
	@vm/check-skips $(A)/base/debug $(A)/check-skips $(LIBURING_TESTS)

check-net: tree ## the kernel's own test of SEND_ZC, io_uring_zerocopy_tx.sh, without and with the series
	@$(MAKE) kernel BASE=1
	@$(MAKE) kernel BASE=
	@scripts/net-selftest $(LINUX) $(B)
	@vm/check-net $(B)/check-net $(B)/net-selftest $(B)/base/kernel $(B)/kernel

check-liburing: liburing ## liburing's own tests in user mode Linux, without and with the series (T=names, ARCH=x86_64)
	@scripts/base-tree $(LINUX) $(BASE_LINUX)
	@scripts/kernel $(BASE_LINUX) $(L)/base/liburing-kernel $(CACHE) $(L_ARCH) base liburing
	@scripts/kernel $(LINUX) $(L)/liburing-kernel $(CACHE) $(L_ARCH) base liburing
	@vm/check-liburing $(L)/check-liburing $(B)/liburing-build $(L)/base/liburing-kernel $(L)/liburing-kernel $(T)

check-example: kernel example-server ## the example HTTP server, under load and among bad clients
	@vm/check-example $(KERNEL) $(A)/check-example $(U)/example-server/file-server

deb: tree ## Debian packages of the patched kernel in build/deb (CONFIG=/boot/config-...)
	@scripts/deps base/packages-deb
	@scripts/deb $(LINUX) $(B)/deb/kernel $(CACHE) $(ARCH) $(if $(CONFIG),'$(CONFIG)')

check-deb: selftests compat-selftests ## install the packages of 'make deb' in a Debian system, boot, test (T=names), remove them
	@$(MAKE) deb CONFIG=
	@vm/check-deb $(B)/deb/kernel $(B)/check-deb '$(T)' $(B)/selftests $(COMPAT:%=$(B)/selftests-%)

# User mode Linux has no KCSAN.
RACES := $(if $(filter um,$(ARCH)),,$(A)/races)
torture: debug-kernel $(if $(RACES),races-kernel) selftests compat-selftests ## tests and fuzzing on two debug kernels, ARCH=um: one (TIME=minutes, SEED=number)
	@vm/torture $(A)/torture '$(TIME)' '$(SEED)' $(A)/debug '$(RACES)' $(U)/selftests $(COMPAT:%=$(U)/selftests-%)

coverage: selftests ## the lines and branches of the series that the selftests reach in user mode Linux, without KUnit
	@scripts/kernel $(LINUX) $(B)/coverage/kernel $(CACHE) um base test kunit coverage
	@vm/check $(B)/coverage/kernel $(B)/coverage/check selftests $(B)/selftests
	@scripts/coverage $(LINUX) $(B)/coverage/kernel $(B)/coverage/check/data $(B)/coverage/report coverage/unreached

mutants: selftests compat-selftests ## put known bugs back, one at a time, and see the tests find them (M=names: some of them)
	@scripts/mutants $(LINUX) $(B)/mutants $(CACHE) $(B)/selftests $(M)

sender:
	@scripts/sender "$$V" "$$SIGNOFF"

bisect: tree ## build, boot and test each commit of the series (N=numbers: some of them)
	@scripts/sparse $(B) $(CACHE)
	@scripts/base-tree $(LINUX) $(BASE_LINUX)
	@scripts/bisect $(LINUX) $(BASE_LINUX) $(B)/bisect $(CACHE) $(B)/sparse/sparse $(N)

cross: tree ## compile io_uring/ and net/ for each of the other machines with W=1 and sparse
	@scripts/deps $(wildcard $(ARCHS:%=base/packages-%))
	@scripts/sparse $(B) $(CACHE)
	@scripts/base-tree $(LINUX) $(BASE_LINUX)
	@for arch in $(filter-out x86_64,$(ARCHS)); do ALSO=net/ scripts/warnings $(LINUX) $(BASE_LINUX) $(B)/cross/$$arch \
		$(CACHE) $(B)/sparse/sparse $$arch base test kunit options; done

series: sender tree liburing-tree ## mails for git send-email in build/series: kernel, liburing ([V=2] [SIGNOFF='Name <mail>'])
	@scripts/series $(LINUX) $(B)/series/linux $(PATCHES)/cover PATCH "$$V" "$$SIGNOFF"
	@scripts/series $(LIBURING) $(B)/series/liburing $(LIBURING_PATCHES)/cover 'PATCH liburing' "$$V" "$$SIGNOFF"
	@scripts/checkpatch $(LINUX) $(B)/series/linux "$$SIGNOFF"

docs: tree Documentation/design.svg ## the kernel's documentation in build/docs/html, and Documentation/design.svg
	@scripts/docs $(LINUX) $(B)/docs

Documentation/design.svg: Documentation/design.dot
	dot -Tsvg -o $@ $<

lint: series liburing-tree docs ## checkpatch, kernel-doc, Sphinx, W=1, sparse, groff and shellcheck; they are to find nothing
	@shellcheck $$(grep -rlE '^#!.*sh$$|^# shellcheck shell=' scripts vm .ci)
	@scripts/kernel-doc $(LINUX)
	@scripts/man-pages $(LIBURING)
	@scripts/sparse $(B) $(CACHE)
	@scripts/base-tree $(LINUX) $(BASE_LINUX)
	@scripts/warnings $(LINUX) $(BASE_LINUX) $(B)/lint $(CACHE) $(B)/sparse/sparse $(ARCH) base test kunit debug memcheck

clean: ## remove build/, keep the cache
	@scripts/clean $(wildcard $(foreach dir,$(BUILD) $(BUILD)/kdir,$(dir)/linux $(dir)/liburing))
	rm -rf $(BUILD)

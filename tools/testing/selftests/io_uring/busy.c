// SPDX-License-Identifier: GPL-2.0
/*
 * For how long the only processor was busy, whoever kept it so: for each line of
 * standard input, a line with the nanoseconds since the one before (see soaker.h).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "soaker.h"

int main(void)
{
	unsigned long long ns, then;
	unsigned long count, was;
	char line[16];

	if (sysconf(_SC_NPROCESSORS_ONLN) != 1)
		errx(1, "there are several processors, and what the others do would not be seen");
	setlinebuf(stdout);
	set_up_soaker();
	then = now_ns();
	was = soaked();
	while (fgets(line, sizeof(line), stdin)) {
		ns = now_ns();
		count = soaked();
		printf("%.0f\n", ns - then - (count - was) * soaker.ns);
		then = ns;
		was = count;
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For how long the only processor did something else than to wait, system
 * calls, interrupts and softirqs included: a thread counts that hardly ever runs
 * unless there is nothing to do, and what a count takes is measured at first.
 * Where the emulator takes a nanosecond for each instruction, that is a number
 * of instructions.
 */
#ifndef SELFTESTS_IO_URING_SOAKER_H
#define SELFTESTS_IO_URING_SOAKER_H

#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <sys/cdefs.h>

/* what the soaker measures itself by, shorter than the timer's period */
#define SOAKED		200000

static struct {
	pthread_t thread;
	/* when it knows what a count takes */
	pthread_barrier_t ready;
	unsigned long count;
	double ns;
} soaker;

static unsigned long soaked(void)
{
	return __atomic_load_n(&soaker.count, __ATOMIC_RELAXED);
}

static unsigned long long now_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC_RAW, &ts))
		err(1, "clock_gettime");
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Never inline: each count is to take the same time. */
static __attribute_noinline__ void soak_up(unsigned long n)
{
	while (n--)
		__atomic_store_n(&soaker.count, soaked() + 1, __ATOMIC_RELAXED);
}

/* Runs when nothing else does; what little it gets otherwise is taken off, too. */
static void *soak(void *arg)
{
	struct sched_param param = { };
	double least = 1e9;
	unsigned int i;

	if (sched_setscheduler(0, SCHED_IDLE, &param))
		err(1, "SCHED_IDLE");
	/* without an interrupt once at least */
	for (i = 0; i < 20; i++) {
		unsigned long long ns = now_ns();

		soak_up(SOAKED);
		ns = now_ns() - ns;
		if (ns < least)
			least = ns;
	}
	soaker.ns = least / SOAKED;
	pthread_barrier_wait(&soaker.ready);
	for (;;)
		soak_up(-1UL);
	return NULL;
}

static void set_up_soaker(void)
{
	if (pthread_barrier_init(&soaker.ready, NULL, 2) ||
	    pthread_create(&soaker.thread, NULL, soak, NULL))
		errx(1, "pthread_create");
	pthread_barrier_wait(&soaker.ready);
}

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fixture for what has to be the same in whatever way requests get issued.
 * The test that includes this says how to set it up and tear it down.
 */
#ifndef SELFTESTS_IO_URING_ISSUED_H
#define SELFTESTS_IO_URING_ISSUED_H

#include "common.h"

FIXTURE(issued) {
	struct env e;
};

FIXTURE_VARIANT(issued) {
	struct issue issue;
};

FIXTURE_VARIANT_ADD(issued, inline) {
	.issue = { 0 },
};

FIXTURE_VARIANT_ADD(issued, defer_taskrun) {
	.issue.setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(issued, sqpoll) {
	.issue.setup = IORING_SETUP_SQPOLL,
};

FIXTURE_VARIANT_ADD(issued, cqe32) {
	.issue.setup = IORING_SETUP_CQE32,
};

FIXTURE_VARIANT_ADD(issued, async) {
	.issue.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(issued, poll_first) {
	.issue.ioprio = IORING_RECVSEND_POLL_FIRST,
};

#endif

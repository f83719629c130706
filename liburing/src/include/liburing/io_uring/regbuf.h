/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Header file for provided registered buffers: entries of a buffer ring that
 * name a range of a registered buffer.
 */
#ifndef LINUX_IO_URING_REGBUF_H
#define LINUX_IO_URING_REGBUF_H

#include <linux/types.h>

/*
 * With IOSQE_BUFFER_SELECT and IORING_RECVSEND_FIXED_BUF, io_uring_buf::addr
 * is not an address. Its high bits hold the index of a registered buffer, its
 * low bits an offset in bytes from the start of that buffer. In this order
 * addr + n is the same buffer n bytes further on.
 */
#define IOU_BUF_REGBUF_BITS	20
#define IOU_BUF_OFFSET_BITS	44

/* io_uring_buf::addr for byte @offset of registered buffer @index */
#define IOU_BUF_REGBUF_ADDR(index, offset) \
	(((__u64)(index) << IOU_BUF_OFFSET_BITS) | (__u64)(offset))

#endif

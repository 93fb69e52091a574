/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IO_COMPAT_H
#define IO_COMPAT_H

/*
 * What kernels newer than Debian 12's liburing (2.3) can do and its header
 * does not name, and the one thing its functions cannot do: enter the kernel
 * with every kind of wait. For the io floor alone.
 */

#include <assert.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdint.h>

/* io_uring_enter(2), kernel 6.15: do not count waiting as I/O wait. */
#define COMPAT_ENTER_NO_IOWAIT (1u << 7)
#define COMPAT_FEAT_NO_IOWAIT (1u << 17)

/* struct io_uring_getevents_arg as kernel 6.12 reads it; older ones want 0 in min_wait_usec. */
struct compat_getevents_arg {
	uint64_t sigmask;
	uint32_t sigmask_bytes;
	uint32_t min_wait_usec;
	uint64_t ts;
};
static_assert(sizeof(struct compat_getevents_arg) == sizeof(struct io_uring_getevents_arg),
	      "same structure");

/* Kernel 6.17: after so many bytes a multishot receive ends. In the place of file_index. */
static inline void compat_sqe_set_optlen(struct io_uring_sqe *sqe, uint32_t bytes)
{
	sqe->file_index = bytes;
}

/* Maps slot n of the queue to entry n, once and for all, where there is a map. */
static inline void compat_sq_identity(struct io_uring *uring)
{
	unsigned entries = *uring->sq.kring_entries;

	if (!uring->sq.array)
		return;
	for (unsigned n = 0; n < entries; n++)
		uring->sq.array[n] = n;
}

/* Shows the kernel all entries that are filled in; gives their number. */
static inline unsigned compat_sq_flush(struct io_uring *uring)
{
	struct io_uring_sq *sq = &uring->sq;

	sq->sqe_head = sq->sqe_tail;
	atomic_store_explicit((_Atomic unsigned *)sq->ktail, sq->sqe_tail, memory_order_release);
	return sq->sqe_tail - *sq->khead;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_PROCESS_USAGE_H
#define BASE_PROCESS_USAGE_H

/* What this process has of the machine, as the kernel counts it. */

#include <stdint.h>

/* What cannot be found out is 0. */
struct process_usage {
	uint64_t resident_bytes;
	uint64_t cpu_ms;            /* of all threads, in user and kernel mode */
	uint64_t open_fds, fds_max; /* max: what the process may open */
};

/* A few system calls, and with kernels before 6.2 a walk over all open files. */
void process_usage_read(struct process_usage *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_REFUSAL_H
#define PROTO_REFUSAL_H

/* That the first thing a server says is that it takes its client not in. */

enum refusal_kind {
	REFUSAL_NOT_READY, /* it serves nobody now */
	REFUSAL_FULL,      /* it serves nobody more now */
	REFUSAL_OF_CLIENT, /* nor this one, of whom, or of whose settings, it may be the fault */
};

struct refusal {
	enum refusal_kind kind;
	const char *words; /* for the log */
};

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OPENING_STEP_H
#define OPENING_STEP_H

/*
 * What the steps of an opening have in common. A step is told that its turn
 * has come, and what the backend says, and answers: it sends nothing itself.
 * See opening.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/proxyhdr.h"
#include "protocol/protocol.h"
#include "protocol/step.h"
#include "tls/stream.h"

/* One backend's. All that it points to is its owner's, and lives during the call. */
struct opening {
	/* What is to be said. */
	const struct proxyhdr *header;   /* NULL: no PROXY header */
	const struct protocol *protocol; /* whose dialogue in clear comes first, or NULL */
	bool wants_tls;                  /* that is what it asks for */
	struct tls_client *tls;          /* NULL: no TLS of our own */
	struct tls_target tls_target;    /* as tls_stream_connect() wants it */

	/* Where what is said goes, records of TLS among it, and what stays. */
	tls_send_fn *send;
	void *owner;
	struct tls_stream **stream;
	struct step_memory *memory; /* of the dialogue, if there is one */
	uint64_t now_ms;

	/* Of STEP_REFUSE: -EPROTO where the backend is to blame, or another -errno. */
	int err;
	const char *detail; /* or NULL; lives as long as the stream */
};

/* What a step sets of it; it begins with nothing used and nothing said. */
struct opening_answer {
	size_t used; /* bytes of the backend that are done with; one at least */
	size_t say_bytes;
	uint8_t say[PROXYHDR_WRITE_BYTES_MAX]; /* to the backend, unless it is refused */
};

struct opening_step {
	const char *name;
	size_t (*wants)(const struct opening *opening); /* bytes at a time, at most */
	bool is_costly;
	bool (*is_wanted)(const struct opening *opening);
	enum step_verdict (*begin)(struct opening *opening, struct opening_answer *answer);
	/* STEP_MORE with bytes left: it is called again. STEP_NEXT: nothing is left. */
	enum step_verdict (*received)(struct opening *opening, const uint8_t *bytes, size_t n,
				      struct opening_answer *answer);
};

extern const struct opening_step opening_proxy_header;
extern const struct opening_step opening_dialogue;
extern const struct opening_step opening_tls_connect;

static inline enum step_verdict opening_fail(struct opening *opening, int err, const char *detail)
{
	opening->err = err;
	opening->detail = detail;
	return STEP_REFUSE;
}

#endif

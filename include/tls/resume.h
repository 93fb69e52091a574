/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_RESUME_H
#define TLS_RESUME_H

/*
 * Sessions with backends are resumed by their tickets, which saves the costly
 * part of a handshake; those of TLS 1.3, for in TLS 1.2 the library breaks off
 * where a server does not take a ticket that it once gave (DoHandShakeMsgType()
 * of 5.7.2: out of order), as after a restart. The last session of each backend is kept with the
 * context that it was made from, so it is never offered under another name,
 * CA or policy, and goes when a reload replaces that.
 *
 * Who resumes shows no certificate: that it was good is believed for
 * RESUME_LIFE_MS, counted from when it was shown, however many tickets have
 * followed since. For this floor.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

#define RESUME_LIFE_MS (60u * 60 * 1000)

struct WOLFSSL;
struct resume_store;

/* For all threads. NULL without memory; destroy accepts NULL. */
MUST_CHECK struct resume_store *resume_store_create(void);
void resume_store_destroy(struct resume_store *store);

/* What one session with a backend has to do with it. It must not move while its session lives. */
struct resume {
	struct resume_store *store; /* NULL: nothing is offered or kept */
	uint64_t id;                /* of the backend */
	uint64_t verified_ms; /* when the certificate of the session that is offered was shown */
	bool is_offered;
	bool has_ticket; /* one has come that is not kept yet */
};

/* Before the handshake: offers the session of backend @id that is kept, if there is one. */
void resume_begin(struct resume *r, struct resume_store *store, uint64_t id, struct WOLFSSL *ssl);
/* The handshake is done; was the session that was offered resumed? */
void resume_established(struct resume *r, struct WOLFSSL *ssl, bool is_resumed);
/* Keeps what the last ticket belongs to: after each call in which one may have come. */
void resume_keep(struct resume *r, struct WOLFSSL *ssl);
/* The handshake has failed: perhaps for what was offered, which is not offered again. */
void resume_failed(struct resume *r);

#endif

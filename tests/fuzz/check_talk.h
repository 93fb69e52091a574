/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FUZZ_CHECK_TALK_H
#define FUZZ_CHECK_TALK_H

/*
 * A server that says whatever is in the input to a check's protocol, once as
 * it comes and once byte by byte: both must find out the same and say the
 * same, and the password must not get out where it may not.
 */

#include "base/check.h"
#include "check/check_exchange.h"
#include "fuzz/fuzz.h"
#include "tls/library.h"

#include <stdlib.h>
#include <string.h>

#define TALK_PASSWORD "pencil"
#define TALK_SAID_MAX (1u << 20)

struct talk {
	struct check_exchange x;
	size_t heard;     /* of the input */
	size_t tls_at[2]; /* where TLS began, as the bytewise run found it */
	size_t tls_n;
	size_t said_n;
	uint8_t *said;
};

static inline void talk_take(struct talk *t)
{
	CHECK(t->x.out_bytes <= sizeof(t->x.out));
	CHECK(t->said_n + t->x.out_bytes <= TALK_SAID_MAX);
	memcpy(t->said + t->said_n, t->x.out, t->x.out_bytes);
	t->said_n += t->x.out_bytes;
	check_sent(&t->x);
}

static inline enum check_step talk_give(struct talk *t, const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n);
	enum check_step step;

	CHECK(copy);
	memcpy(copy, data, n);
	step = check_receive(&t->x, copy, n);
	free(copy);
	talk_take(t);
	t->heard += n;
	return step;
}

/* The whole of it; @piece 0: as one, but for where TLS begins in @like. */
static inline void talk_run(struct talk *t, const struct check_request *request,
			    const uint8_t *data, size_t size, const struct talk *like)
{
	const struct check_start start = { .random = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
						       14, 15, 16, 17 } };
	const struct check_channel tls = { .is_tls = true };
	enum check_step step;

	memset(t, 0xa5, sizeof(*t));
	t->heard = t->tls_n = t->said_n = 0;
	t->said = malloc(TALK_SAID_MAX);
	CHECK(t->said);
	step = check_begin(&t->x, request, &start);
	talk_take(t);
	while (step != CHECK_STEP_DONE && t->heard < size) {
		size_t n = 1;

		if (step == CHECK_STEP_TLS) {
			CHECK(t->tls_n < 2);
			t->tls_at[t->tls_n++] = t->heard;
			step = check_secured(&t->x, &tls);
			talk_take(t);
			continue;
		}
		if (like)
			n = like->tls_n > t->tls_n ? like->tls_at[t->tls_n] - t->heard
						   : size - t->heard;
		step = talk_give(t, data + t->heard, n > 0 ? n : 1);
	}
	if (t->x.step != CHECK_STEP_DONE)
		check_ended(&t->x, 0);
	CHECK(t->x.step == CHECK_STEP_DONE);
}

static inline void talk_check(const struct check_request *request, const uint8_t *data, size_t size)
{
	static struct talk bytewise, whole;
	const struct check_facts *a, *b;

	if (size > CHECK_RECEIVED_BYTES_MAX)
		return;
	talk_run(&bytewise, request, data, size, NULL);
	talk_run(&whole, request, data, size, &bytewise);
	a = &bytewise.x.facts;
	b = &whole.x.facts;
	CHECK(a->verdict < CHECK_VERDICTS && a->role < CHECK_ROLES);
	CHECK(memchr(a->words, '\0', sizeof(a->words)));
	CHECK(a->verdict == b->verdict && a->role == b->role);
	CHECK(a->is_read_only == b->is_read_only && a->is_detached == b->is_detached);
	CHECK(a->has_position == b->has_position && a->position == b->position);
	CHECK(a->has_lag == b->has_lag && a->lag_ms == b->lag_ms);
	CHECK(a->timeline == b->timeline && a->system_id == b->system_id);
	CHECK(a->started_us == b->started_us);
	if (request->protocol != &check_expect) /* which quotes what it has not understood so far */
		CHECK(strcmp(a->words, b->words) == 0);
	if (a->verdict != CHECK_PASSED)
		CHECK(a->role == CHECK_ROLE_UNKNOWN && !a->has_position && a->system_id == 0);
	CHECK(!memmem(whole.said, whole.said_n, TALK_PASSWORD, strlen(TALK_PASSWORD)));
	CHECK(bytewise.said_n == whole.said_n);
	CHECK(request->protocol == &check_mysql || /* whose encryption is a bit of chance */
	      memcmp(bytewise.said, whole.said, whole.said_n) == 0);
	free(bytewise.said);
	free(whole.said);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return tls_library_start();
}

#endif

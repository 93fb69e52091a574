/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "check_bed.h"

#include <errno.h>

/* A protocol of messages "NN<NN bytes>"; "00" is the end, "TT" begins TLS. */
static enum check_step toy_begin(struct check_exchange *x)
{
	x->out[x->out_bytes++] = '?';
	return CHECK_STEP_MORE;
}

static enum check_step toy_received(struct check_exchange *x)
{
	size_t n;

	if (x->in_bytes < 2)
		return CHECK_STEP_MORE;
	if (x->in[0] == 'T') {
		x->in_bytes -= 2;
		return CHECK_STEP_TLS;
	}
	n = (size_t)(x->in[0] - '0') * 10 + (size_t)(x->in[1] - '0');
	if (x->in_bytes < 2 + n)
		return CHECK_STEP_MORE;
	x->facts.position++;
	memmove(x->in, x->in + 2 + n, x->in_bytes - 2 - n);
	x->in_bytes -= 2 + n;
	if (n > 0)
		return CHECK_STEP_MORE;
	x->facts.verdict = CHECK_PASSED;
	return CHECK_STEP_DONE;
}

static enum check_step toy_secured(struct check_exchange *x)
{
	x->out[x->out_bytes++] = '!';
	return CHECK_STEP_MORE;
}

static const char *toy_awaited(const struct check_exchange *x)
{
	(void)x;
	return "the end";
}

static const struct check_protocol toy = {
	.name = "toy",
	.begin = toy_begin,
	.received = toy_received,
	.secured = toy_secured,
	.awaited = toy_awaited,
};
static const struct check_request request = { .protocol = &toy };

static void messages_may_be_cut_anywhere(void **state)
{
	static const char all[] = "03abc01x10abcdefghij00";

	(void)state;
	for (size_t piece = 1; piece < sizeof(all); piece++) {
		struct talk t;

		talk_begin(&t, &request, NULL);
		talk_expect(&t, LITERAL("?"));
		talk_hear(&t, all, sizeof(all) - 1, piece);
		assert_int_equal(t.step, CHECK_STEP_DONE);
		assert_int_equal(t.x.facts.position, 4);
	}
}

static void an_end_says_what_was_waited_for(void **state)
{
	static const struct {
		int err;
		const char *words;
	} cases[] = {
		{ 0, "connection closed before the end" },
		{ -ECONNRESET, "connection reset before the end" },
		{ -ETIMEDOUT, "connection lost before the end" },
	};
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		talk_begin(&t, &request, NULL);
		talk_hear(&t, LITERAL("03a"), 1);
		check_ended(&t.x, cases[i].err);
		assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
		assert_string_equal(t.x.facts.words, cases[i].words);
		assert_int_equal(t.x.out_bytes, 0);
	}
	talk_begin(&t, &request, NULL);
	check_late(&t.x);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	assert_string_equal(t.x.facts.words, "no answer in time: waited for the end");
	check_late(&t.x); /* again, and it stays as it is */
	check_ended(&t.x, 0);
	check_broken(&t.x, "it is tired");
	assert_string_equal(t.x.facts.words, "no answer in time: waited for the end");
	talk_begin(&t, &request, NULL);
	check_broken(&t.x, "it is tired");
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	assert_string_equal(t.x.facts.words, "TLS: it is tired, before the end");
}

static void nothing_in_clear_passes_for_something_in_tls(void **state)
{
	const struct check_channel tls = { .is_tls = true };
	struct talk t;

	(void)state;
	talk_begin(&t, &request, NULL);
	talk_hear(&t, LITERAL("TT00"), 4);
	assert_int_equal(t.step, CHECK_STEP_DONE);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);

	talk_begin(&t, &request, NULL);
	talk_hear(&t, LITERAL("TT"), 2);
	talk_secure(&t, &tls);
	talk_expect(&t, LITERAL("!"));
	talk_hear(&t, LITERAL("00"), 2);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);

	talk_begin(&t, &request, NULL);
	talk_hear(&t, LITERAL("TT"), 2);
	check_late(&t.x);
	assert_string_equal(t.x.facts.words, "no answer in time: waited for TLS");
}

static void one_who_never_ends_is_cut_off(void **state)
{
	static char endless[4096];
	struct talk t;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i + 4 <= sizeof(endless); i += 4)
		memcpy(endless + i, "02ab", 4);
	talk_begin(&t, &request, NULL);
	while (t.step == CHECK_STEP_MORE) {
		talk_hear(&t, endless, sizeof(endless), sizeof(endless));
		n += sizeof(endless);
		assert_true(n <= CHECK_RECEIVED_BYTES_MAX + sizeof(endless));
	}
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void a_check_of_tcp_asks_nothing(void **state)
{
	const struct check_request tcp = { .protocol = &check_tcp };
	struct talk t;

	(void)state;
	talk_begin(&t, &tcp, NULL);
	assert_int_equal(t.step, CHECK_STEP_DONE);
	assert_int_equal(t.said_n, 0);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_may_be_cut_anywhere),
		cmocka_unit_test(an_end_says_what_was_waited_for),
		cmocka_unit_test(nothing_in_clear_passes_for_something_in_tls),
		cmocka_unit_test(one_who_never_ends_is_cut_off),
		cmocka_unit_test(a_check_of_tcp_asks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

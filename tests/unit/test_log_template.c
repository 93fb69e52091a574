/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/log_template.h"

#include "unit/config_bed.h"

#include <stdio.h>

/* Pieces as "text<client>text<id>", with the byte that ends a field behind it. */
static const char *outline(const char *text)
{
	static char written[512];
	struct log_template_mistake mistake;
	struct log_template *t = log_template_create(text, &mistake);
	size_t n = 0;

	assert_non_null(t);
	assert_string_equal(t->text, text);
	for (size_t i = 0; i < t->pieces_n; i++) {
		const struct log_piece *p = &t->pieces[i];

		if (p->field == LOG_FIELDS)
			n += (size_t)snprintf(written + n, sizeof(written) - n, "%.*s",
					      (int)p->bytes, p->text);
		else
			n += (size_t)snprintf(written + n, sizeof(written) - n, "<%s%s%.*s>",
					      log_field_names[p->field], p->is_quoted ? "!" : "",
					      p->end != '\0', &p->end);
	}
	log_template_destroy(t);
	return written;
}

static void fields_stand_between_texts(void **state)
{
	(void)state;
	assert_string_equal(outline("{client}"), "<client>");
	assert_string_equal(outline("{client} -> {backend}: {bytes_up}"),
			    "<client > -> <backend:>: <bytes_up>");
	assert_string_equal(outline("{id}{msg};"), "<id><msg;>;");
	assert_string_equal(outline("{{"), "{");
	assert_string_equal(outline("{{{id}}} a}b {{{{"), "{<id}>}} a}b {{");
	assert_string_equal(outline("sni=\"{sni}\" {alpn}\""), "sni=\"<sni!\">\" <alpn\">\"");
	assert_string_equal(outline("\"{user} and {database}\" {sni}"),
			    "\"<user! > and <database!\">\" <sni>");
	assert_string_equal(outline("\" {user} \"{sni}\" \""), "\" <user! > \"<sni\">\" \"");
}

static void every_field_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < LOG_FIELDS; a++) {
		char text[64];

		assert_non_null(log_field_names[a]);
		snprintf(text, sizeof(text), "{%s}", log_field_names[a]);
		assert_int_equal(strlen(outline(text)), strlen(text));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(log_field_names[a], log_field_names[b]);
	}
}

static void expect_mistake(const char *text, int kind, size_t at, size_t bytes)
{
	struct log_template_mistake mistake;

	assert_null(log_template_create(text, &mistake));
	assert_int_equal(mistake.kind, kind);
	assert_int_equal(mistake.at, at);
	assert_int_equal(mistake.bytes, bytes);
}

static void mistakes_have_a_place(void **state)
{
	char many[LOG_TEMPLATE_PIECES_MAX * 4 + 8] = "";
	char long_one[LOG_TEMPLATE_BYTES_MAX + 8] = "{id}";
	struct log_template_mistake mistake;
	struct log_template *t;

	(void)state;
	expect_mistake("{id} {clinet}", TEMPLATE_UNKNOWN, 5, 8);
	expect_mistake("{}", TEMPLATE_UNKNOWN, 0, 2);
	expect_mistake("{ID}", TEMPLATE_UNKNOWN, 0, 4);
	expect_mistake("{id} {msg", TEMPLATE_OPEN, 5, 4);
	expect_mistake("a {", TEMPLATE_OPEN, 2, 1);
	for (int n = 0; n <= LOG_TEMPLATE_PIECES_MAX; n++)
		memcpy(many + (size_t)n * 4, "{id}", 5);
	expect_mistake(many, TEMPLATE_MANY, (size_t)LOG_TEMPLATE_PIECES_MAX * 4, 4);
	memset(long_one + strlen(long_one), 'x', LOG_TEMPLATE_BYTES_MAX);
	t = log_template_create(long_one, &mistake);
	assert_non_null(t);
	log_template_destroy(t);
	long_one[strlen(long_one)] = 'x';
	expect_mistake(long_one, TEMPLATE_LONG, 0, LOG_TEMPLATE_BYTES_MAX + 1);
}

#define FIELDS                                                                \
	"ts, level, msg, id, listener, client, backend, backend_resumed, "    \
	"bytes_up, bytes_down, rate_up, rate_down, connect_ms, wait_ms, "     \
	"failed_tries, duration_ms, worker, reason, by, detail, "             \
	"client_rtt_us, client_retransmits, client_unacked, backend_rtt_us, " \
	"backend_retransmits, backend_unacked, tls, cipher, group, resumed, " \
	"sni, alpn, client_cn, client_rule, user, database"

static void expect_said(struct bed *st, const char *value, const char *said)
{
	char text[256], expected[1024];

	snprintf(text, sizeof(text),
		 "[global]\nlog_format = %s\n[listener l]\nbind = :80\npool = p\n[pool p]\n"
		 "backend = b 192.0.2.1:80\n",
		 value);
	snprintf(expected, sizeof(expected), "x.ini:2:%s\n", said);
	bed_load(st, text);
	bed_expect(st, expected);
}

static void a_mistake_says_what_there_is(void **state)
{
	struct bed *st = *state;

	expect_said(st, "a {clinet} b",
		    "16: error: [global] log_format: a session has no field 'clinet', but " FIELDS
		    " (logfmt, json, a text with {FIELD}s); did you mean 'client'?");
	expect_said(st, "\"{client} {id\"",
		    "24: error: [global] log_format: '{id' has no '}'; a brace alone is '{{' "
		    "(logfmt, json, a text with {FIELD}s)");
	expect_said(st, "{id}\nlog = journald",
		    "14: error: [global] log_format: log = journald shows the fields of logfmt, "
		    "which a text has not");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_stand_between_texts),
		cmocka_unit_test(every_field_has_a_name_of_its_own),
		cmocka_unit_test(mistakes_have_a_place),
		bed_test(a_mistake_says_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/secret.h"
#include "unit/config_bed.h"

#include "base/def.h"

#include <stdio.h>

/* The table's texts have their password from HIDDEN on. */
#define HIDDEN "hidden"

static void what_follows_such_a_word_is_found(void **state)
{
	static const struct {
		const char *text;
	} rows[] = {
		{ "check = postgres user=ring password=hidden" },
		{ "PGPASSWORD=hidden" },
		{ "check = mysql user=ring Passwd : \thidden" },
		{ "check postgres user=ring password hidden" },
		{ "\"password\":hidden" },
		{ "auth_pass = hidden and more" },
		{ "my-secret=hidden" },
		{ "pw:hidden" },
		{ "pass=hidden" },
		{ "path=/x?token=hidden" },
		{ "requirepass hidden" },
		{ "check_step = send \"AUTH hidden\\r\\n\"" },
		{ "backend = a redis://ring:hidden@10.0.0.1:6379" },
		{ "did you mean 'check = mysql password=hidden'?" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text = rows[i].text, *hidden = strstr(text, HIDDEN);
		const size_t found = secret_in_line(text, strlen(text));

		while (strchr(" \t", hidden[-1]) && found < (size_t)(hidden - text))
			hidden--;
		if (found != (size_t)(hidden - text))
			print_error("%s: %zu\n", text, found);
		assert_int_equal(found, hidden - text);
	}
}

static void other_words_hide_nothing(void **state)
{
	static const char *const rows[] = {
		"",
		"password",
		"password=",
		"check = redis password_file=/run/pw",
		"tls = passthrough",
		"[pool password]",
		"backend = auth 10.0.0.1:389 weight=2",
		"pool = token 1",
		"proxy_pass = web",
		"backend = a unix:/run/a@b",
		"log = file:/var/log/a:b@c",
		"http://10.0.0.1:80/a@b",
		"tls_ca = /etc/passwords=x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(secret_in_line(rows[i], strlen(rows[i])), strlen(rows[i]));
}

static void of_a_sentence_what_it_quotes_is_found(void **state)
{
	static const struct {
		const char *sentence, *line;
		size_t at;
	} rows[] = {
		{ "its password in clear", NULL, 21 },
		{ "password: no", "password = x", 12 },
		{ "'a password=b'", NULL, 12 },
		{ "did you mean 'check = a password b'?", "check a password b c", 33 },
		{ "value 'a b'", "password = \"a b\"", 7 },
		{ "value 'a'", "password = \"\"", 9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(secret_in_sentence(rows[i].sentence, rows[i].line,
						    rows[i].line ? strlen(rows[i].line) : 0),
				 rows[i].at);
}

/* Wherever it stands, and however it is told: with a suggestion, or by a variable. */
static void no_message_has_it(void **state)
{
	static const char *const keys[] = {
		"check = postgres user=ring password=Geheim-1",
		"check = postgres user=ring password Geheim-1",
		"check = postgres user=ring password: Geheim-1",
		"check = postgres password=\"a b Geheim-1\"",
		"check = \"postgres user=ring password=Geheim-1\";",
		"check postgres user=ring password=Geheim-1",
		"check: postgres user=ring password Geheim-1",
		"check = ${SECRET_CHECK}",
		"password = Geheim-1",
		"check = redis passwd=Geheim-1",
		"check = mysql user=ring pw=Geheim-1 wieght=3",
		"backend = c redis://ring:Geheim-1@127.0.0.1:6379",
		"check_step = sent \"AUTH Geheim-1\"",
		"option redis-check password Geheim-1",
	};
	struct bed *st = *state;

	setenv("SECRET_CHECK", "postgre user=ring password=Geheim-1", 1);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char text[500];

		snprintf(text, sizeof(text), BED_GOOD "%s\n", keys[i]);
		bed_load(st, text);
		if (strstr(bed_said(st), "Geheim-1") || !strstr(bed_said(st), "x.ini:6:"))
			fail_msg("%s:\n%s", keys[i], bed_said(st));
	}
}

static void it_is_said_where_passwords_stand(void **state)
{
	struct bed *st = *state;

	bed_load(st, BED_GOOD "check = postgres user=ring password=Geheim-1\n");
	assert_string_equal(bed_said(st),
			    "x.ini:6:28: error: [pool p] check: unknown option 'password'; here it "
			    "is 'password_file=FILE' for passwords stand in files of their own\n"
			    "    6 | check = postgres user=ring password=...\n"
			    "      |                            ^~~~~~~~~\n");
	bed_load(st, BED_GOOD "password = Geheim-1\n");
	assert_non_null(strstr(bed_said(st), "write password_file=FILE behind check"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(what_follows_such_a_word_is_found),     bed_test(other_words_hide_nothing),
		bed_test(of_a_sentence_what_it_quotes_is_found), bed_test(no_message_has_it),
		bed_test(it_is_said_where_passwords_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

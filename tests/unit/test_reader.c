/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "base/def.h"
#include "config/reader.h"

#define INIH_BYTES 200 /* what inih hands to its reader */

/* Reads all lines; writes what it sees as "LINE:COLUMN KEY=VALUE" or "LINE:COLUMN [HEAD]". */
static void read_all(struct bed *st, const char *text, size_t bytes, char *seen, size_t room)
{
	FILE *to = fmemopen(seen, room, "w");
	struct reader reader;
	struct config_file file;
	char line[INIH_BYTES];

	assert_non_null(to);
	bed_reset(st);
	assert_true(config_file_copy(&file, "x.ini", text, bytes));
	diag_set_files(&st->diag, &file, 1);
	reader_init(&reader, &file, &st->diag);
	while (reader_next(line, sizeof(line), &reader)) {
		const struct config_location *at = &reader.value_location;

		assert_true(strchr(line, '\n') == line + strlen(line) - 1);
		if (line[0] == '\n')
			continue;
		if (reader.is_head)
			fprintf(to, "%u:%u [%s]\n", at->line, at->column, reader.value);
		else
			fprintf(to, "%u:%u %.*s=%s\n", at->line, at->column,
				(int)reader.key_location.width, reader.text, reader.value);
	}
	config_file_finish(&file);
	fputc('\0', to);
	fclose(to);
}

static void lines_are_taken_to_pieces(void **state)
{
	static const struct {
		const char *text, *seen;
	} rows[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ "a = b", "1:5 a=b\n" },
		{ "a = b\n", "1:5 a=b\n" },
		{ "a=b\n", "1:3 a=b\n" },
		{ "a = b\r\nc = d\r\n", "1:5 a=b\n2:5 c=d\n" },
		{ "\xef\xbb\xbf"
		  "a = b\n",
		  "1:8 a=b\n" },
		{ "\xef\xbb\xbf[a]\n", "1:5 [a]\n" },
		{ "a =\n", "1:4 a=\n" },
		{ "a = \n", "1:4 a=\n" },
		{ "a = b = c\n", "1:5 a=b = c\n" },
		{ "a b\t= c d\n", "1:7 a b=c d\n" },
		/* No line continues another, however it is indented. */
		{ "a = b\n  c = d\n\te = f\n", "1:5 a=b\n2:7 c=d\n3:6 e=f\n" },
		{ "[a]\n  [b]\n", "1:2 [a]\n2:4 [b]\n" },
		{ "[ a  b ]\n", "1:3 [a  b]\n" },
		{ "[]\n", "1:2 []\n" },
		/* A comment needs a blank before it, or nothing. */
		{ "; a = b\n# a = b\n  ; a\n\t#\n", "" },
		{ "a = b ; c\na = b # c\na = b\t;c\n", "1:5 a=b\n2:5 a=b\n3:5 a=b\n" },
		{ "a = b;c\na = b#c\n", "1:5 a=b;c\n2:5 a=b#c\n" },
		{ "a = ;b\n", "1:4 a=\n" },
		{ "[a] ; b\n[c]#d\n", "1:2 [a]\n" },
		{ "a = \xc3\xa9 [x]:y\n", "1:5 a=\xc3\xa9 [x]:y\n" },
	};
	struct bed *st = *state;
	char seen[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		read_all(st, rows[i].text, strlen(rows[i].text), seen, sizeof(seen));
		assert_string_equal(seen, rows[i].seen);
	}
}

static void what_is_no_line_is_named(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
		const char *said;
	} rows[] = {
#define ROW(text, said) { text, sizeof(text) - 1, said }
		ROW("a\n", "x.ini:1:1: error: neither 'key = value' nor '[section]'\n"),
		ROW("\n  bind: 80 ; x\n",
		    "x.ini:2:3: error: neither 'key = value' nor '[section]'; did you mean "
		    "'bind = :80'?\n"),
		ROW("timeout client  5s\n",
		    "x.ini:1:1: error: neither 'key = value' nor '[section]'; did you mean "
		    "'idle_timeout = 5s'?\n"),
		ROW("timeout check 5s\n",
		    "x.ini:1:1: error: neither 'key = value' nor '[section]'; did you mean "
		    "'check_timeout = 5s'?\n"),
		ROW("timeout http-request 5s\nmode tcp\n",
		    "x.ini:1:1: error: neither 'key = value' nor '[section]'; there is only "
		    "TCP; see 'tls' and 'protocol'\n"
		    "x.ini:2:1: error: neither 'key = value' nor '[section]'; there is only "
		    "TCP; see 'tls' and 'protocol'\n"),
		ROW("server s1 10.0.0.1:80\n",
		    "x.ini:1:1: error: neither 'key = value' nor '[section]'; did you mean "
		    "'backend = s1 10.0.0.1:80'?\n"),
#define SAID "x.ini:1:1: error: neither 'key = value' nor '[section]'; "
		ROW("server b1 1.2.3.4:80 check inter 2s\n",
		    SAID "did you mean 'backend = b1 1.2.3.4:80', and for all of the pool "
			 "'check = tcp', 'check_interval = 2s'?\n"),
		ROW("server b1 1.2.3.4:80 weight 5 backup cookie x maxconn 9 inter 500 fall\n",
		    SAID "did you mean 'backend = b1 1.2.3.4:80 weight=5 backup max_sessions=9', "
			 "and for all of the pool 'check_interval = 500ms', 'check_fall = N'?\n"),
		ROW("option tcplog\n", SAID "leave it out, each session has its line in the log\n"),
		ROW("option dontlognull\n",
		    SAID "did you mean 'log_empty = no' in a [listener NAME]?\n"),
		ROW("option  pgsql-check user ha\n",
		    SAID "did you mean 'check = postgres user=ha' in a [pool NAME]?\n"),
		ROW("option mysql-check\n",
		    SAID "did you mean 'check = mysql user=NAME' in a [pool NAME]?\n"),
		ROW("option nobody-knows\n",
		    SAID "there is a directive for each, see ringmain.ini(5)\n"),
		ROW("log 127.0.0.1 local0\n",
		    SAID "did you mean 'log = syslog:127.0.0.1' in [global]?\n"),
#undef SAID
		ROW("bind: a = 80\n", "x.ini:1:1: error: neither 'key = value' nor '[section]'\n"),
		ROW("= b\n", "x.ini:1:1: error: neither 'key = value' nor '[section]'\n"),
		ROW("[a\n",
		    "x.ini:1:3: error: a ']' is missing at the end of the section's head\n"),
		ROW("[a ; ]\n",
		    "x.ini:1:3: error: a ']' is missing at the end of the section's head\n"),
		ROW("[a] b = c\n", "x.ini:1:4: error: unexpected text after ']'\n"),
		ROW("[a]]\n", "x.ini:1:4: error: unexpected text after ']'\n"),
		ROW("a = b\0c\n", "x.ini:1:6: error: a NUL byte: this is no text\n"),
		ROW("\0", "x.ini:1:1: error: a NUL byte: this is no text\n"),
		ROW("a = \x1b[1m\n",
		    "x.ini:1:5: error: a control character (byte 0x1b): this is no text\n"),
		ROW("a = b\rc = d\r",
		    "x.ini:1:6: error: a control character (byte 0x0d): this is no text\n"),
		ROW("# \x7f\n",
		    "x.ini:1:3: error: a control character (byte 0x7f): this is no text\n"),
#undef ROW
	};
	struct bed *st = *state;
	char seen[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		read_all(st, rows[i].text, rows[i].bytes, seen, sizeof(seen));
		bed_expect(st, rows[i].said);
	}
}

static void a_line_may_be_long_but_not_longer(void **state)
{
	struct bed *st = *state;
	static char text[CONFIG_LINE_BYTES_MAX + 2], seen[2 * sizeof(text)];

	memset(text, 'x', sizeof(text));
	text[0] = 'k';
	text[1] = '=';
	read_all(st, text, CONFIG_LINE_BYTES_MAX, seen, sizeof(seen));
	bed_expect(st, "");
	assert_int_equal(strlen(seen), strlen("1:3 ") + CONFIG_LINE_BYTES_MAX + strlen("\n"));

	read_all(st, text, CONFIG_LINE_BYTES_MAX + 1, seen, sizeof(seen));
	assert_string_equal(seen, "");
	bed_expect(st, "x.ini:1:4097: error: the line is too long: 4097 bytes (at most 4096)\n");
}

static void the_line_after_a_long_one_is_read(void **state)
{
	struct bed *st = *state;
	static char text[4000], seen[8000];

	memset(text, 'x', sizeof(text));
	memcpy(text, "key", 3);
	text[1000] = '=';
	memcpy(text + sizeof(text) - 7, "\na = b\n", 7);
	read_all(st, text, sizeof(text), seen, sizeof(seen));
	assert_non_null(strstr(seen, "\n2:5 a=b\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(lines_are_taken_to_pieces),
		bed_test(what_is_no_line_is_named),
		bed_test(a_line_may_be_long_but_not_longer),
		bed_test(the_line_after_a_long_one_is_read),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}

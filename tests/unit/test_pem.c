/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * PEM files as people and tools make them: every block is found, or an error
 * names the line. The certificates in here are none; only marks count.
 */

#include "x509/pem.h"

#include "base/def.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define B "-----BEGIN CERTIFICATE-----"
#define E "-----END CERTIFICATE-----"
#define ONE B "\nMIIA\n" E
#define TWO B "\nMIIB\n" E
#define TEXT(literal) literal, sizeof(literal) - 1

static const struct {
	const char *text;
	size_t bytes;
	const char *blocks; /* what they are, joined; NULL: refused */
	const char *problem;
} files[] = {
	{ TEXT(""), "", NULL },
	{ TEXT("nothing\n"), "", NULL },
	{ TEXT(ONE "\n" TWO "\n"), ONE "|" TWO, NULL },
	{ TEXT(ONE "\n" TWO), ONE "|" TWO, NULL },
	{ TEXT(ONE TWO "\n"), ONE "|" TWO, NULL },
	{ TEXT("\xef\xbb\xbf" ONE "\n" TWO "\n"), ONE "|" TWO, NULL },
	{ TEXT("\xef\xbb\xbf" ONE "\xef\xbb\xbf" TWO), ONE "|" TWO, NULL },
	{ TEXT(B "\r\nMIIA\r\n" E "\r\n" B "\r\nMIIB\r\n" E "\r\n"), ONE "|" TWO, NULL },
	{ TEXT(B "\rMIIA\r" E "\r" B "\rMIIB\r" E), ONE "|" TWO, NULL },
	{ TEXT("  " B "  \n\tMIIA \n  " E "\t\n"), ONE, NULL },
	{ TEXT("Root A\n======\n-----\n" ONE "\nsubject: B\n" TWO "\n"), ONE "|" TWO, NULL },
	{ TEXT("# " B "\n# MIIA\n# " E "\n" TWO "\n"), TWO, NULL },
	{ TEXT(B "\nMIIA\n" TWO "\n"), NULL, "line 1: " B " without an end" },
	{ TEXT("x\n" B "\nMIIA\n"), NULL, "line 2: " B " without an end" },
	{ TEXT("MIIA\r\n" E "\r\n" TWO "\n"), NULL, "line 2: " E " without a beginning" },
	{ TEXT(B "\nMIIA\n-----END X509 CRL-----\n"), NULL,
	  "line 3: -----END X509 CRL----- behind " B },
	{ TEXT(ONE "\n----BEGIN CERTIFICATE-----\nMIIB\n----END CERTIFICATE-----\n"), NULL,
	  "line 4: looks like the beginning of a block, but is no line of its own with five "
	  "dashes before and behind" },
	{ TEXT(B "\nMIIA\n-----END CERTIFICATE----\n" TWO), NULL,
	  "line 3: looks like the end of a block, but is no line of its own with five dashes "
	  "before and behind" },
	{ TEXT(B "\nMIIA" E "\n" TWO), NULL,
	  "line 2: looks like the end of a block, but is no line of its own with five dashes "
	  "before and behind" },
	{ TEXT(ONE " " TWO), NULL, "line 3: there is more behind " E },
	{ TEXT(B " MIIA\n" E), NULL, "line 1: there is more behind " B },
	{ TEXT(ONE "\n-----BEGIN TRUSTED CERTIFICATE-----\nMIIB\n-----END TRUSTED "
		   "CERTIFICATE-----\n"),
	  NULL,
	  "line 4: -----BEGIN TRUSTED CERTIFICATE----- is not read, only CERTIFICATE (openssl "
	  "x509 or pkcs7 makes it)" },
	{ TEXT("\x30\x82\x01\x00\x00"), NULL, "is no PEM text (DER, or UTF-16?)" },
};

/* The blocks of a file, joined with |. */
static void join_blocks(const struct pem_file *file, char *out, size_t size)
{
	struct pem_block block;
	size_t at = 0, n = 0;

	out[0] = '\0';
	while (pem_next(file, &at, &block)) {
		assert_true(pem_is(&block, "CERTIFICATE"));
		n += (size_t)snprintf(out + n, size - n, "%s%.*s", n > 0 ? "|" : "",
				      (int)block.bytes, block.at);
		assert_true(n < size);
	}
}

static void write_file(const char *path, const char *text, size_t bytes)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, bytes, file), bytes);
	assert_int_equal(fclose(file), 0);
}

static void expect(const char *path, size_t i)
{
	struct tls_problems problems = { 0 };
	struct pem_file file;
	char blocks[500];
	bool is_good = pem_open(&file, path, "ca", &problems);

	if (files[i].blocks) {
		assert_true(is_good);
		join_blocks(&file, blocks, sizeof(blocks));
		assert_string_equal(blocks, files[i].blocks);
	} else {
		assert_false(is_good);
		assert_int_equal(problems.errors_n, 1);
		assert_string_equal(problems.at[0].text, files[i].problem);
	}
	pem_close(&file);
	tls_problems_finish(&problems);
}

static void no_block_is_lost(void **state)
{
	char path[] = "/tmp/test_pem.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		write_file(path, files[i].text, files[i].bytes);
		expect(path, i);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_block_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

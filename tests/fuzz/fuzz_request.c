/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EVERY_PREFIX */
/*
 * Any bytes as a line of the control protocol. What is accepted must come back
 * the same when its words are written as ringmainctl writes them.
 */
#include "fuzz/fuzz.h"

#include "base/check.h"
#include "admin/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_word(const char *word, FILE *to)
{
	putc('"', to);
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			putc('\\', to);
		putc(*word, to);
	}
	fputs("\" ", to);
}

static void check_again(const struct request *once)
{
	static struct request again;
	const char *why = NULL;
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	CHECK(to);
	for (unsigned i = 0; i < once->words_n; i++)
		write_word(once->words[i], to);
	CHECK(fclose(to) == 0);
	if (request_parse(&again, text, n, &why)) {
		CHECK(again.words_n == once->words_n);
		for (unsigned i = 0; i < once->words_n; i++)
			CHECK(strcmp(again.words[i], once->words[i]) == 0);
	} else { /* quotes take room */
		CHECK(n >= REQUEST_BYTES_MAX);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request request;
	const char *why = NULL;

	/* A line has no newline, and a word no NUL, which is a control character. */
	if (!request_parse(&request, size > 0 ? (const char *)data : "", size, &why)) {
		CHECK(why);
		return 0;
	}
	CHECK(request.words_n <= REQUEST_WORDS_MAX);
	for (unsigned n = 0; n < request.words_n; n++) {
		CHECK(request.words[n] >= request.text);
		CHECK(request.words[n] + strlen(request.words[n]) <
		      request.text + sizeof(request.text));
	}
	check_again(&request);
	return 0;
}

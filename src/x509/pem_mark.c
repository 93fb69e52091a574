/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/pem_mark.h"

#include "base/def.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char dashes[] = "-----", begin_word[] = "-----BEGIN ", end_word[] = "-----END ";
#define DASHES (sizeof(dashes) - 1)

/* Reads a whole mark that stands here: five dashes, word and label, five dashes. */
static bool read_mark(const char *at, struct pem_mark *ret_mark)
{
	bool is_begin = strncmp(at, begin_word, strlen(begin_word)) == 0;
	const char *label = at + strlen(is_begin ? begin_word : end_word);
	size_t n;

	if (!is_begin && strncmp(at, end_word, strlen(end_word)) != 0)
		return false;
	n = strcspn(label, "-\n");
	if (strncmp(label + n, dashes, DASHES) != 0)
		return false;
	*ret_mark = (struct pem_mark){ at, label + n + DASHES, label, n, is_begin };
	return true;
}

bool pem_mark_next(const char *text, const char *from, struct pem_mark *ret_mark)
{
	for (const char *at = from; (at = strstr(at, dashes)); at++) {
		if ((at == from || at == text || at[-1] == '\n') && read_mark(at, ret_mark))
			return true;
	}
	return false;
}

/* ---- what is wrong with them --------------------------------------------- */

static bool found(struct pem_fault *fault, const char *text, const char *at, const char *format,
		  ...) PRINTF_LIKE(4, 5);

/* Notes what is wrong at @at; false, for who says so. */
static bool found(struct pem_fault *fault, const char *text, const char *at, const char *format,
		  ...)
{
	va_list args;

	fault->line = 1;
	for (; text < at; text++)
		fault->line += *text == '\n';
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return false;
}

static bool is_label(const struct pem_mark *mark, const char *label)
{
	return mark->label_bytes == strlen(label) &&
	       memcmp(mark->label, label, mark->label_bytes) == 0;
}

/* Blocks with certificates in them that are not read. */
static bool is_foreign(const struct pem_mark *mark)
{
	static const char *const labels[] = { "X509 CERTIFICATE", "TRUSTED CERTIFICATE", "PKCS7",
					      "PKCS #7 SIGNED DATA", "CMS" };

	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		if (is_label(mark, labels[i]))
			return true;
	}
	return false;
}

static const char *pem_mark_find(const char *from, const char *to, const char *word)
{
	return memmem(from, (size_t)(to - from), word, strlen(word));
}

/* What stands between two marks that is no block: nothing there may look like a mark. */
static bool check_between(const char *text, const char *from, const char *to,
			  struct pem_fault *fault)
{
	static const char *const words[] = { "BEGIN CERTIFICATE", "END CERTIFICATE", "-----BEGIN ",
					     "-----END " };
	const char *at, *line;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		for (at = from; (at = pem_mark_find(at, to, words[i])); at++) {
			for (line = at; line > from && line[-1] != '\n';)
				line--;
			if (!strchr("#;/", *line)) /* a certificate that somebody took out */
				return found(fault, text, at,
					     "looks like the %s of a block, but is no line of its "
					     "own with five dashes before and behind",
					     strstr(words[i], "BEGIN") ? "beginning" : "end");
		}
	}
	return true;
}

/* A mark and the one before it, if that is a beginning: do they go together? */
static bool check_mark(const char *text, const struct pem_mark *open, const struct pem_mark *mark,
		       struct pem_fault *fault)
{
	int n = (int)(mark->end - mark->at);
	bool ends_line = *mark->end == '\n' || *mark->end == '\0';

	if (mark->is_begin && open)
		return found(fault, text, open->at, "%.*s without an end",
			     (int)(open->end - open->at), open->at);
	if (!mark->is_begin && !open)
		return found(fault, text, mark->at, "%.*s without a beginning", n, mark->at);
	if (open && (open->label_bytes != mark->label_bytes ||
		     memcmp(open->label, mark->label, mark->label_bytes) != 0))
		return found(fault, text, mark->at, "%.*s behind %.*s", n, mark->at,
			     (int)(open->end - open->at), open->at);
	if (!ends_line &&
	    (mark->is_begin || strncmp(mark->end, begin_word, strlen(begin_word)) != 0))
		return found(fault, text, mark->at, "there is more behind %.*s", n, mark->at);
	if (is_foreign(mark))
		return found(fault, text, mark->at,
			     "%.*s is not read, only CERTIFICATE (openssl x509 or pkcs7 makes it)",
			     n, mark->at);
	return true;
}

bool pem_marks_are_good(const char *text, struct pem_fault *ret_fault)
{
	const struct pem_mark *open = NULL;
	struct pem_mark mark, begin;
	const char *from = text;

	for (; pem_mark_next(text, from, &mark); from = mark.end) {
		if (!check_between(text, from, mark.at, ret_fault) ||
		    !check_mark(text, open, &mark, ret_fault))
			return false;
		begin = mark;
		open = mark.is_begin ? &begin : NULL;
	}
	if (!check_between(text, from, text + strlen(text), ret_fault))
		return false;
	if (open)
		return found(ret_fault, text, open->at, "%.*s without an end",
			     (int)(open->end - open->at), open->at);
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_PEM_MARK_H
#define X509_PEM_MARK_H

/*
 * The lines of a PEM file that say -----BEGIN and -----END (RFC 7468, 2). A
 * block whose marks are spoiled would be taken for text between blocks, and
 * its certificate be missing without a word; so they are all looked at
 * before any block is read. Pure; for pem.h.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

#define PEM_FAULT_BYTES 160

struct pem_mark {
	const char *at, *end; /* from the first dash to behind the last one */
	const char *label;    /* "CERTIFICATE", not terminated */
	size_t label_bytes;
	bool is_begin;
};

/* What is wrong, and in which line. */
struct pem_fault {
	size_t line;
	char text[PEM_FAULT_BYTES];
};

/*
 * The next mark of @text from @from on: at the start of a line, or at @from itself, where
 * the last one ended. False: none.
 */
MUST_CHECK bool pem_mark_next(const char *text, const char *from, struct pem_mark *ret_mark);

/* Do all marks in @text make blocks? False: *ret_fault says which does not. */
MUST_CHECK bool pem_marks_are_good(const char *text, struct pem_fault *ret_fault);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_DIRECTORY_STRING_H
#define X509_DIRECTORY_STRING_H

/*
 * The types in which certificates write names (RFC 5280, 4.1.2.4; X.680, 41),
 * old ones too, read as UTF-8.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/def.h"

/* Their tags (X.690). */
enum directory_tag {
	DIRECTORY_UTF8 = 0x0c,
	DIRECTORY_NUMERIC = 0x12,
	DIRECTORY_PRINTABLE = 0x13,
	DIRECTORY_TELETEX = 0x14, /* T.61: what is not ASCII, everybody reads in another way */
	DIRECTORY_IA5 = 0x16,
	DIRECTORY_VISIBLE = 0x1a,
	DIRECTORY_UNIVERSAL = 0x1c, /* four bytes a letter */
	DIRECTORY_BMP = 0x1e,       /* two */
};

/*
 * Is it certain what @n bytes of type @tag say? Not where a zero would hide
 * what is behind it, in types that are not listed above, and for what is no
 * letter of its type. UTF-8 is not looked into.
 */
MUST_CHECK bool directory_string_is_clear(uint8_t tag, const uint8_t *bytes, size_t n);

/* Writes what a clear one says. */
void directory_string_write(uint8_t tag, const uint8_t *bytes, size_t n, FILE *to);

#endif

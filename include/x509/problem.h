/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_PROBLEM_H
#define X509_PROBLEM_H

/*
 * What is wrong with certificates, keys and TLS settings, found while loading
 * them: a list, so that all of it can be shown at once. The configuration
 * floor prints it with the line of the file that @key stands in.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

enum tls_severity {
	TLS_ERROR,   /* nothing was created */
	TLS_WARNING, /* it works, but somebody should look */
};

struct tls_problem {
	enum tls_severity severity;
	const char *key; /* of the setting, as in the INI file: "certificate" */
	char *file;      /* the file's name, or the value itself when there is no file */
	char *text;      /* "expired on 2026-01-31", without file and key */
};

/* Zeroed at first. Beyond the maximum problems are only counted. */
#define TLS_PROBLEMS_MAX 64

struct tls_problems {
	struct tls_problem at[TLS_PROBLEMS_MAX];
	size_t n;
	size_t errors_n, warnings_n; /* also those that found no place */
};

/* Adds one. Borrows @file and @format's arguments, keeps @key. */
void tls_problem_add(struct tls_problems *p, enum tls_severity severity, const char *key,
		     const char *file, const char *format, ...) PRINTF_LIKE(5, 6);

/* Frees the texts; the list is empty again. */
void tls_problems_finish(struct tls_problems *p);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tls_problem_add(struct tls_problems *p, enum tls_severity severity, const char *key,
		     const char *file, const char *format, ...)
{
	struct tls_problem *problem = &p->at[p->n];
	va_list args;
	int n;

	if (severity == TLS_ERROR)
		p->errors_n++;
	else
		p->warnings_n++;
	if (p->n == TLS_PROBLEMS_MAX)
		return;

	va_start(args, format);
	n = vasprintf(&problem->text, format, args);
	va_end(args);
	if (n < 0) /* then it is only counted */
		return;
	problem->severity = severity;
	problem->key = key;
	problem->file = strdup(file ? file : "");
	if (!problem->file) {
		free(problem->text);
		return;
	}
	p->n++;
}

void tls_problems_finish(struct tls_problems *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->at[i].file);
		free(p->at[i].text);
	}
	p->n = 0;
	p->errors_n = 0;
	p->warnings_n = 0;
}

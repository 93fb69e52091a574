/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_PEM_H
#define X509_PEM_H

/*
 * PEM files (RFC 7468), read whole: certificates, keys, revocation lists.
 * For this floor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

#include "base/def.h"
#include "x509/problem.h"

#define PEM_FILE_BYTES_MAX (16u << 20) /* bundles of the world's CAs have 0.3 MB */

struct pem_file {
	char *text;
	size_t bytes;
	mode_t mode;
};

/* A stretch of the file, from -----BEGIN to the last dash of -----END. */
struct pem_block {
	const char *at;
	size_t bytes;
	const char *label; /* "CERTIFICATE", not terminated */
	size_t label_bytes;
};

/*
 * Reads the file, whatever ends its lines, and sees to it that no block is lost: each has its
 * beginning and its end. False: an error about @key was added to @problems.
 */
MUST_CHECK bool pem_open(struct pem_file *file, const char *path, const char *key,
			 struct tls_problems *problems);

/* Wipes and frees what was read. Accepts a zeroed one. */
void pem_close(struct pem_file *file);

/* The next block from *at, which is 0 at first and moves on. False: no more. */
MUST_CHECK bool pem_next(const struct pem_file *file, size_t *at, struct pem_block *ret_block);

/* The line in which it begins, from 1. */
size_t pem_line(const struct pem_file *file, const struct pem_block *block);

/* Is the label this one? With "* PRIVATE KEY" any that ends so. */
bool pem_is(const struct pem_block *block, const char *label);

#endif

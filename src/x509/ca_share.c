/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/ca_share.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/hash.h>

#include <stdlib.h>
#include <string.h>

struct shared_context {
	uint8_t digest[CA_SHARE_DIGEST_BYTES];
	WOLFSSL_CTX *ctx;
	struct shared_context *next;
};

struct ca_share {
	struct ca_file *files;
	struct shared_context *contexts;
};

struct ca_share *ca_share_create(void)
{
	return calloc(1, sizeof(struct ca_share));
}

static void free_file(struct ca_file *file)
{
	pem_close(&file->pem);
	free(file->path);
	free(file);
}

void ca_share_destroy(struct ca_share *share)
{
	if (!share)
		return;
	for (struct ca_file *next, *file = share->files; file; file = next) {
		next = file->next;
		free_file(file);
	}
	for (struct shared_context *next, *c = share->contexts; c; c = next) {
		next = c->next;
		wolfSSL_CTX_free(c->ctx);
		free(c);
	}
	free(share);
}

static struct ca_file *read_file(const char *path, const char *key, struct tls_problems *problems)
{
	struct ca_file *file = calloc(1, sizeof(*file));

	if (file)
		file->path = strdup(path);
	if (!file || !file->path)
		tls_problem_add(problems, TLS_ERROR, key, path, "out of memory");
	else if (pem_open(&file->pem, path, key, problems))
		return file;
	if (file)
		free_file(file);
	return NULL;
}

const struct ca_file *ca_share_file(struct ca_share *share, const char *path, const char *key,
				    struct tls_problems *problems)
{
	struct ca_file *file = share->files;

	while (file && strcmp(file->path, path) != 0)
		file = file->next;
	if (file)
		return file;
	file = read_file(path, key, problems);
	if (!file)
		return NULL;
	if (wc_Sha256Hash((const byte *)file->pem.text, (word32)file->pem.bytes, file->digest) !=
	    0) {
		tls_problem_add(problems, TLS_ERROR, key, path, "out of memory");
		free_file(file);
		return NULL;
	}
	file->next = share->files;
	share->files = file;
	return file;
}

WOLFSSL_CTX *ca_share_find(const struct ca_share *share,
			   const uint8_t digest[CA_SHARE_DIGEST_BYTES])
{
	struct shared_context *c = share->contexts;

	while (c && memcmp(c->digest, digest, CA_SHARE_DIGEST_BYTES) != 0)
		c = c->next;
	return c && wolfSSL_CTX_up_ref(c->ctx) == WOLFSSL_SUCCESS ? c->ctx : NULL;
}

void ca_share_add(struct ca_share *share, const uint8_t digest[CA_SHARE_DIGEST_BYTES],
		  WOLFSSL_CTX *ctx)
{
	struct shared_context *c = calloc(1, sizeof(*c));

	if (!c)
		return;
	if (wolfSSL_CTX_up_ref(ctx) != WOLFSSL_SUCCESS) {
		free(c);
		return;
	}
	memcpy(c->digest, digest, sizeof(c->digest));
	c->ctx = ctx;
	c->next = share->contexts;
	share->contexts = c;
}

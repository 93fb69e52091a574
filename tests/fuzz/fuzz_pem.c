/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A file that is to be a certificate and its key. Lines "@ca", "@leaf" and
 * "@key" stand for those of tests/tls/certificates.sh, so that inputs need
 * carry none.
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "x509/certificate.h"
#include "tls/certificates.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	const char *word, *file;
} words[] = {
	{ "@ca\n", "ca.crt" },
	{ "@leaf\n", "ecdsa.crt" },
	{ "@key\n", "ecdsa.key" },
};

static struct pem_file parts[ARRAY_LEN(words)];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct tls_problems problems = { 0 };

	(void)argc;
	(void)argv;
	CHECK(kit_make_certificates("one") == 0);
	CHECK(tls_library_start() == 0);
	for (size_t n = 0; n < ARRAY_LEN(words); n++)
		CHECK(pem_open(&parts[n], kit_path(words[n].file), "x", &problems));
	kit_remove_certificates();
	return 0;
}

/* The word that @data begins with, or -1. */
static int word_at(const uint8_t *data, size_t size)
{
	for (size_t n = 0; n < ARRAY_LEN(words); n++)
		if (size >= strlen(words[n].word) &&
		    memcmp(data, words[n].word, strlen(words[n].word)) == 0)
			return (int)n;
	return -1;
}

/* Writes to @fd what @data says, with words replaced. */
static void expand(int fd, const uint8_t *data, size_t size)
{
	size_t written = 0;

	for (size_t at = 0; at < size; at++) {
		int word = word_at(data + at, size - at);

		if (word < 0)
			continue;
		CHECK(write(fd, data + written, at - written) >= 0);
		CHECK(write(fd, parts[word].text, parts[word].bytes) >= 0);
		at += strlen(words[word].word) - 1;
		written = at + 1;
	}
	CHECK(write(fd, data + written, size - written) >= 0);
}

static void check_block(const struct pem_file *file, const struct pem_block *b, size_t at)
{
	const char *end = file->text + file->bytes;

	CHECK(b->at >= file->text && b->at + b->bytes <= end);
	CHECK(b->label >= b->at && b->label + b->label_bytes <= b->at + b->bytes);
	CHECK(b->at + b->bytes == file->text + at);
	CHECK(b->at == file->text || b->at[-1] == '\n' || b->at[-1] == '-');
	(void)pem_is(b, "CERTIFICATE");
	if (pem_is(b, "RSA PRIVATE KEY"))
		CHECK(pem_is(b, "* PRIVATE KEY"));
}

static void read_blocks(const char *path)
{
	struct tls_problems problems = { 0 };
	struct pem_block block;
	struct pem_file file;
	size_t at = 0, before = 0;

	if (!pem_open(&file, path, "certificate", &problems)) {
		CHECK(problems.errors_n == 1);
		tls_problems_finish(&problems);
		return;
	}
	while (pem_next(&file, &at, &block)) {
		CHECK(at > before);
		before = at;
		check_block(&file, &block, at);
	}
	pem_close(&file);
}

/* Who refuses it says why; what is taken has what a server needs. */
static void load(const char *path)
{
	struct tls_problems problems = { 0 };
	const struct tls_files files = { path, NULL };
	struct certificate c;
	bool is_good =
		certificate_load(&c, &files, &certificate_for_clients, time(NULL), &problems);

	if (is_good) {
		CHECK(c.names_n <= CERTIFICATE_NAMES_MAX);
		CHECK(c.chain_bytes > 0);
		CHECK(pem_is(&c.key, "* PRIVATE KEY"));
		certificate_finish(&c);
	} else {
		CHECK(problems.n > 0);
	}
	tls_problems_finish(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("pem", MFD_CLOEXEC);
	char path[64];

	CHECK(fd >= 0);
	expand(fd, data, size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_blocks(path);
	load(path);
	close(fd);
	return 0;
}

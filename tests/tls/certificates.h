/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_CERTIFICATES_H
#define TLS_CERTIFICATES_H

/*
 * Certificates for tests in C, made with the openssl command in a directory of
 * their own and never kept; tests/tls/certificates.sh says which. Tests in
 * Python have tests/system/kit/certificates.py.
 */

#include "base/def.h"
#include "tls/library.h"

#include <stdio.h>
#include <stdlib.h>

#define KIT_PATH_BYTES 256

static char kit_dir[64] = "/tmp/ringmain-tls-XXXXXX";

/*
 * Makes what tests/tls/certificates.sh lists, or of it the "one" or "large"
 * that @which says. Returns 0, or another number when the openssl command is missing or
 * fails.
 */
static inline int kit_make_certificates(const char *which)
{
	char command[256];

	if (!mkdtemp(kit_dir))
		return -1;
	snprintf(command, sizeof(command), "tests/tls/certificates.sh %s %s", kit_dir, which);
	return system(command);
}

static inline void kit_remove_certificates(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s", kit_dir);
	if (system(command) != 0)
		fprintf(stderr, "%s was left behind\n", kit_dir);
}

/* The path of a file there; a few are valid at a time. */
static inline const char *kit_path(const char *name)
{
	static char paths[16][KIT_PATH_BYTES];
	static unsigned next;
	char *path = paths[next++ % ARRAY_LEN(paths)];

	snprintf(path, KIT_PATH_BYTES, "%s/%s", kit_dir, name);
	return path;
}

/* For a group of cmocka's: the certificates, all or some, and the library. */
static inline int kit_set_up_with(const char *which)
{
	if (kit_make_certificates(which) != 0)
		return -1;
	return tls_library_start();
}

static inline int kit_set_up(void **state)
{
	(void)state;
	return kit_set_up_with("");
}

static inline int kit_set_up_one(void **state)
{
	(void)state;
	return kit_set_up_with("one");
}

static inline int kit_set_up_large(void **state)
{
	(void)state;
	return kit_set_up_with("large");
}

static inline int kit_tear_down(void **state)
{
	(void)state;
	tls_library_stop();
	kit_remove_certificates();
	return 0;
}

#endif

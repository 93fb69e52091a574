/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The referee is the openssl command. */

#include "crypto/rsa_encrypt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/def.h"

static char dir[] = "/tmp/ringmain-rsa-XXXXXX";

static int run(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd %s && (%s) >log 2>&1", dir, command);
	return system(line);
}

static size_t read_file(const char *name, char *out, size_t room)
{
	char path[64];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(out, 1, room, f);
	fclose(f);
	return n;
}

static void write_file(const char *name, const void *bytes, size_t n)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static size_t make_key(const char *bits, char *pem)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:%s -out key &&"
		 "openssl pkey -in key -pubout -out public",
		 bits);
	assert_int_equal(run(command), 0);
	return read_file("public", pem, RSA_ENCRYPT_PEM_BYTES_MAX);
}

static void only_the_keys_owner_can_read_it(void **state)
{
	char pem[RSA_ENCRYPT_PEM_BYTES_MAX], back[32] = "";
	uint8_t out[RSA_ENCRYPT_BYTES_MAX];
	const size_t pem_bytes = make_key("2048", pem);

	(void)state;
	assert_int_equal(rsa_encrypt(pem, pem_bytes, (const uint8_t *)"secret", 7, out), 256);
	write_file("sealed", out, 256);
	assert_int_equal(run("openssl pkeyutl -decrypt -inkey key -in sealed -out plain "
			     "-pkeyopt rsa_padding_mode:oaep"),
			 0);
	assert_int_equal(read_file("plain", back, sizeof(back)), 7);
	assert_memory_equal(back, "secret", 7);
}

static void what_does_not_fit_the_key_is_refused(void **state)
{
	char pem[RSA_ENCRYPT_PEM_BYTES_MAX];
	uint8_t out[RSA_ENCRYPT_BYTES_MAX], plain[256] = { 0 };
	const size_t pem_bytes = make_key("2048", pem);

	(void)state;
	assert_int_equal(rsa_encrypt(pem, pem_bytes, plain, 214, out), 256);
	assert_int_equal(rsa_encrypt(pem, pem_bytes, plain, 215, out), -EMSGSIZE);
}

static void keys_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"no key",
		"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
	};
	char pem[RSA_ENCRYPT_PEM_BYTES_MAX];
	uint8_t out[RSA_ENCRYPT_BYTES_MAX];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(rsa_encrypt(bad[i], strlen(bad[i]), (const uint8_t *)"x", 1, out),
				 -EINVAL);
	n = make_key("1024", pem);
	assert_int_equal(rsa_encrypt(pem, n, (const uint8_t *)"x", 1, out), -EINVAL);
	n = make_key("2048", pem);
	for (size_t cut = 0; cut + 30 < n; cut += 7)
		assert_int_equal(rsa_encrypt(pem, cut, (const uint8_t *)"x", 1, out), -EINVAL);
	assert_int_equal(run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 "
			     "-out key && openssl pkey -in key -pubout -out public"),
			 0);
	n = read_file("public", pem, sizeof(pem));
	assert_int_equal(rsa_encrypt(pem, n, (const uint8_t *)"x", 1, out), -EINVAL);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_keys_owner_can_read_it),
		cmocka_unit_test(what_does_not_fit_the_key_is_refused),
		cmocka_unit_test(keys_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The common name in a peer's certificate, and whom else it names. The input is no certificate: its
 * first byte says what the others are, and the target builds DER around them.
 *
 *   0   the value of a common name, of the string type in the next byte
 *   1   a subject's relative names, from the first SET on
 *   2   a whole subject
 *   3   everything: any DER
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "x509/certificate.h"
#include "x509/identity.h"
#include "tls/library.h"

#include <stdlib.h>
#include <string.h>

#define DER_BYTES 65536
#define SEQUENCE 0x30
#define SET 0x31

/* DER is written from its end to its beginning: lengths are known when they are needed. */
struct der {
	uint8_t bytes[DER_BYTES];
	size_t at;
};

static void put(struct der *d, const void *bytes, size_t n)
{
	CHECK(n <= d->at);
	d->at -= n;
	memcpy(d->bytes + d->at, bytes, n);
}

/* Puts the tag and length of what is between the writing place and @end. */
static void wrap(struct der *d, uint8_t tag, size_t end)
{
	size_t n = end - d->at;
	const uint8_t head[] = { tag, 0x82, (uint8_t)(n >> 8), (uint8_t)n };

	if (n >= 256)
		put(d, head, 4);
	else if (n >= 128)
		put(d, (uint8_t[]){ tag, 0x81, (uint8_t)n }, 3);
	else
		put(d, (uint8_t[]){ tag, (uint8_t)n }, 2);
}

#define PUT(d, ...) \
	put(d, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ECDSA with SHA-256, as an AlgorithmIdentifier. */
#define ECDSA_SHA256 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02

/* A public key that everybody knows: the generator of P-256 (FIPS 186-4, D.1.2.3). */
static void put_public_key(struct der *d)
{
	static const uint8_t generator[] = {
		0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
		0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
		0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
		0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
		0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
	};
	size_t end = d->at;

	put(d, generator, sizeof(generator));
	PUT(d, 0x03, 0x42, 0x00);
	PUT(d, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
	    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07);
	wrap(d, SEQUENCE, end);
}

static void put_common_name(struct der *d, uint8_t type, const uint8_t *data, size_t n)
{
	size_t end = d->at;

	put(d, data, n);
	wrap(d, type, end);
	PUT(d, 0x06, 0x03, 0x55, 0x04, 0x03);
	wrap(d, SEQUENCE, end);
	wrap(d, SET, end);
}

static void put_subject(struct der *d, uint8_t what, const uint8_t *data, size_t n)
{
	size_t end = d->at;

	if (what == 0 && n > 0)
		put_common_name(d, data[0], data + 1, n - 1);
	else
		put(d, data, n);
	if (what != 2)
		wrap(d, SEQUENCE, end);
}

static void put_certificate(struct der *d, uint8_t what, const uint8_t *data, size_t n)
{
	static const char dates[] = "\x17\x0d"
				    "260101000000Z\x17\x0d"
				    "360101000000Z";
	size_t end = d->at, inner;

	PUT(d, 0x03, 0x09, 0x00, 0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01);
	PUT(d, ECDSA_SHA256);
	inner = d->at;
	put_public_key(d);
	put_subject(d, what, data, n);
	put(d, dates, sizeof(dates) - 1);
	wrap(d, SEQUENCE, d->at + sizeof(dates) - 1);
	PUT(d, 0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x02, 'c',
	    'a');
	PUT(d, ECDSA_SHA256);
	PUT(d, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01);
	wrap(d, SEQUENCE, inner);
	wrap(d, SEQUENCE, end);
}

/* Into memory of exactly that size, for the sanitizer. */
static size_t read_name(const uint8_t *der, size_t bytes, size_t size)
{
	char *out = malloc(size);
	size_t n;

	CHECK(out);
	certificate_common_name(der, bytes, out, size);
	n = strnlen(out, size);
	CHECK(n < size);
	for (size_t i = 0; i < n; i++)
		CHECK((uint8_t)out[i] >= 0x20 && out[i] != 0x7f);
	free(out);
	return n;
}

/* Items of known kinds, none empty but those that cannot be read, and an end. */
static void check_identity(const uint8_t *der, size_t bytes)
{
	char *identity = identity_read(der, bytes);

	CHECK(identity);
	for (const char *item = identity; *item; item += strlen(item) + 1) {
		CHECK(strchr("coduf", *item) ? item[1] != '\0'
					     : strchr("CODUF", *item) && !item[1]);
		CHECK(*item != 'f' || strlen(item) == 1 + IDENTITY_FINGERPRINT_HEX);
	}
	(void)!identity_fits(identity, IDENTITY_CN, "db1*");
	free(identity);
}

static void check_certificate(const uint8_t *der, size_t bytes)
{
	uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
	size_t whole;

	CHECK(exact);
	memcpy(exact, der, bytes);
	whole = read_name(exact, bytes, 2 * DER_BYTES);
	CHECK(read_name(exact, bytes, 1) == 0);
	check_identity(exact, bytes);
	CHECK(read_name(exact, bytes, 16) == (whole < 15 ? whole : 15));
	free(exact);
}

/* The frame is one that is read: otherwise nothing would be tried here. */
static void check_frame(void)
{
	static struct der d;

	d.at = DER_BYTES;
	put_certificate(&d, 0,
			(const uint8_t *)"\x0c"
					 "db1",
			4);
	CHECK(read_name(d.bytes + d.at, DER_BYTES - d.at, 64) == 3);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CHECK(tls_library_start() == 0);
	check_frame();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct der d;
	uint8_t what = size > 0 ? data[0] & 3 : 0;

	if (size == 0 || size > DER_BYTES / 2)
		return 0;
	if (what == 3) {
		check_certificate(data + 1, size - 1);
		return 0;
	}
	d.at = DER_BYTES;
	put_certificate(&d, what, data + 1, size - 1);
	check_certificate(d.bytes + d.at, DER_BYTES - d.at);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxyhdr_bed.h"

#include "base/crc32c.h"

/* ---- version 1 ---- */

static void good_lines_are_read(void **state)
{
	static const struct {
		const char *line, *source, *destination; /* NULL: local */
	} cases[] = {
		{ "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1:56324",
		  "192.168.0.11:443" },
		{ "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0", "0.0.0.0:0" },
		{ "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
		  "255.255.255.255:65535", "255.255.255.255:65535" },
		{ "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "[2001:db8::1]:56324",
		  "[2001:db8::2]:443" },
		{ "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
		{ "PROXY TCP6 :: ::1 1 2\r\n", "[::]:1", "[::1]:2" },
		{ "PROXY TCP6 2001:DB8::ABCD ::1 1 2\r\n", "[2001:db8::abcd]:1", "[::1]:2" },
		/* IPv4 clients of IPv6 sockets, as three senders put it. */
		{ "PROXY TCP6 ::ffff:10.0.0.1 ::ffff:10.0.0.2 1 2\r\n", "10.0.0.1:1",
		  "10.0.0.2:2" },
		{ "PROXY TCP6 ::ffff:a00:1 2001:db8::2 1 2\r\n", "10.0.0.1:1", "[2001:db8::2]:2" },
		{ "PROXY TCP6 10.0.0.1 10.0.0.2 1 2\r\n", "10.0.0.1:1", "10.0.0.2:2" },
		{ "PROXY UNKNOWN\r\n", NULL, NULL },
		{ "PROXY UNKNOWN \r\n", NULL, NULL },
		{ "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", NULL, NULL },
		{ "PROXY UNKNOWN anything, even  two spaces \t and %\r\n", NULL, NULL },
		{ "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		  NULL, NULL }, /* 107 bytes, the longest there is */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = strlen(cases[i].line);
		struct proxyhdr hdr = read_good((const uint8_t *)cases[i].line, n);

		assert_int_equal(hdr.version, 1);
		assert_int_equal(hdr.is_local, !cases[i].source);
		assert_addr(&hdr.source, cases[i].source);
		assert_addr(&hdr.destination, cases[i].destination);
		assert_text(hdr.alpn, NULL);
	}
}

struct bad_line {
	const char *line;
	enum proxyhdr_fault fault;
};

static void bad_beginnings_and_ends_are_refused(void **state)
{
	static const struct bad_line cases[] = {
		{ "GET / HTTP/1.1\r\n", PROXYHDR_SIGNATURE },
		{ "proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_SIGNATURE },
		{ " PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_SIGNATURE },
		{ "PROXYjunk\r\n", PROXYHDR_SIGNATURE },
		{ "PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_SIGNATURE },
		{ "PROXY\r\n", PROXYHDR_SIGNATURE },
		{ "PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_SIGNATURE },

		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", PROXYHDR_LINE_END },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX", PROXYHDR_LINE_END },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n", PROXYHDR_LINE_END },
		{ "PROXY TCP4 1.2.3.4\r5.6.7.8 1 2\r\n", PROXYHDR_LINE_END },
		{ "PROXY UNKNOWN\n", PROXYHDR_LINE_END },

		{ "PROXY \r\n", PROXYHDR_LINE_FAMILY },
		{ "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_FAMILY },
		{ "PROXY TCP 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_FAMILY },
		{ "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_FAMILY },
		{ "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_FAMILY },
		{ "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_FAMILY },
		{ "PROXY UNKNOWNX\r\n", PROXYHDR_LINE_FAMILY },
		{ "PROXY TCP4X 1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_FAMILY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_bad((const uint8_t *)cases[i].line, strlen(cases[i].line), cases[i].fault);
}

static void bad_addresses_and_ports_are_refused(void **state)
{
	static const struct bad_line cases[] = {
		{ "PROXY TCP4\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 \r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3.4\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3.4 \r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3.4\t5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3.4.5 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3.00 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 0x1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 +1.2.3.4 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 ::1 ::1 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 1.2.3.4 ::1 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP4 localhost 5.6.7.8 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP6 fe80::1 fe80::2%1 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP6 [::1] [::2] 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP6 ::1::2 ::1 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", PROXYHDR_LINE_ADDRESS },
		{ "PROXY TCP6 12345::1 ::1 1 2\r\n", PROXYHDR_LINE_ADDRESS },

		{ "PROXY TCP4 1.2.3.4 5.6.7.8\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8  1 2\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 080 2\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 00 2\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 +80 2\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 8o 2\r\n", PROXYHDR_LINE_PORT },
		{ "PROXY TCP4 1.2.3.4 5.6.7.8 1 4294967297\r\n", PROXYHDR_LINE_PORT },

		/* 107 bytes and no end: the 108th is not waited for. */
		{ "PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		  PROXYHDR_LINE_LENGTH },
		{ "PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
		  PROXYHDR_LINE_LENGTH },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_bad((const uint8_t *)cases[i].line, strlen(cases[i].line), cases[i].fault);
	assert_bad(BYTES("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"), PROXYHDR_LINE_ADDRESS);
	assert_bad(BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1\0 2\r\n"), PROXYHDR_LINE_PORT);
}

/* ---- version 2 ---- */

static void good_headers_are_read(void **state)
{
	struct proxyhdr hdr;

	(void)state;
	hdr = read_good(BYTES(V2("\x21", "\x11", "\0\x0c") IN4_PAIR));
	assert_int_equal(hdr.version, 2);
	assert_false(hdr.is_local);
	assert_addr(&hdr.source, "10.0.0.1:32769");
	assert_addr(&hdr.destination, "10.0.0.2:443");

	hdr = read_good(
		BYTES(V2("\x21", "\x21", "\0\x24") IN6_HOST "\1" IN6_HOST "\2\x80\1\1\xbb"));
	assert_addr(&hdr.source, "[2001:db8::1]:32769");
	assert_addr(&hdr.destination, "[2001:db8::2]:443");

	hdr = read_good(BYTES(V2("\x21", "\x21", "\0\x24") "\0\0\0\0\0\0\0\0\0\0\xff\xff\12\0\0\1"
							   "\0\0\0\0\0\0\0\0\0\0\xff\xff\12\0\0\2"
							   "\x80\1\1\xbb"));
	assert_addr(&hdr.source, "10.0.0.1:32769");
	assert_addr(&hdr.destination, "10.0.0.2:443");
}

static void unix_addresses_are_read(void **state)
{
	uint8_t bytes[16 + 216];
	char longest[V2_PATH_TEXT];
	struct proxyhdr hdr;

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, V2("\x21", "\x31", "\0\xd8"), 16);
	memcpy(bytes + 16, "/run/a.sock", 11);
	memcpy(bytes + 16 + 108, "\0abstract", 9);
	hdr = read_good(bytes, sizeof(bytes));
	assert_addr(&hdr.source, "unix:/run/a.sock");
	assert_addr(&hdr.destination, "unix:@abstract");

	memset(bytes + 16, 0, 108);
	memset(bytes + 16 + 108, 'x', 108);
	hdr = read_good(bytes, sizeof(bytes));
	assert_addr(&hdr.source, "unix:");
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "unix:", 5);
	longest[5 + 108] = '\0';
	assert_addr(&hdr.destination, longest);
}

static void local_is_skipped_whatever_it_says(void **state)
{
	struct proxyhdr hdr;

	(void)state;
	hdr = read_good(BYTES(V2("\x20", "\0", "\0\0")));
	assert_true(hdr.is_local);
	assert_addr(&hdr.source, NULL);
	hdr = read_good(BYTES(V2("\x20", "\x11", "\0\x0c") IN4_PAIR));
	assert_true(hdr.is_local);
	assert_addr(&hdr.source, NULL);
	/* Too short for its family, unknown family, broken TLVs. */
	hdr = read_good(BYTES(V2("\x20", "\x21", "\0\3") "abc"));
	assert_true(hdr.is_local);
	hdr = read_good(BYTES(V2("\x20", "\xff", "\0\4") "\1\xff\xff\xff"));
	assert_true(hdr.is_local);
}

static void unspecified_families_are_skipped(void **state)
{
	struct proxyhdr hdr;

	(void)state;
	hdr = read_good(BYTES(V2("\x21", "\0", "\0\0")));
	assert_true(hdr.is_local);
	hdr = read_good(BYTES(V2("\x21", "\0", "\0\5") "\1\0\2h2"));
	assert_true(hdr.is_local);
	assert_text(hdr.alpn, NULL);
	hdr = read_good(BYTES(V2("\x21", "\0", "\0\3") "abc")); /* no TLVs */
	assert_true(hdr.is_local);
}

static void datagrams_are_accepted_without_their_addresses(void **state)
{
	struct proxyhdr hdr;

	(void)state;
	hdr = read_good(BYTES(V2("\x21", "\x12", "\0\x11") IN4_PAIR "\1\0\2h2"));
	assert_false(hdr.is_local);
	assert_addr(&hdr.source, NULL);
	assert_addr(&hdr.destination, NULL);
	assert_text(hdr.alpn, "h2");
}

static void bad_headers_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum proxyhdr_fault fault;
	} cases[] = {
#define CASE(literal, why) { literal, sizeof(literal) - 1, why }
		CASE("\r\n\r\n\0\r\nQUIT\r", PROXYHDR_SIGNATURE),
		CASE("\r\n\r\nX", PROXYHDR_SIGNATURE),
		CASE("\r\n\r\n\0\r\nQUIT \n", PROXYHDR_SIGNATURE),
		CASE("\x16\x03\x01", PROXYHDR_SIGNATURE),
		CASE(V2("\x11", "\x11", "\0\x0c") IN4_PAIR, PROXYHDR_VERSION),
		CASE(V2("\x31", "\x11", "\0\x0c") IN4_PAIR, PROXYHDR_VERSION),
		CASE(V2("\1", "\x11", "\0\x0c") IN4_PAIR, PROXYHDR_VERSION),
		CASE(V2("\x22", "\x11", "\0\x0c") IN4_PAIR, PROXYHDR_COMMAND),
		CASE(V2("\x2f", "\x11", "\0\x0c") IN4_PAIR, PROXYHDR_COMMAND),
		CASE(V2("\x21", "\1", "\0\x0c") IN4_PAIR, PROXYHDR_FAMILY),
		CASE(V2("\x21", "\x10", "\0\x0c") IN4_PAIR, PROXYHDR_FAMILY),
		CASE(V2("\x21", "\x13", "\0\x0c") IN4_PAIR, PROXYHDR_FAMILY),
		CASE(V2("\x21", "\x23", "\0\x0c") IN4_PAIR, PROXYHDR_FAMILY),
		CASE(V2("\x21", "\x30", "\0\x0c") IN4_PAIR, PROXYHDR_FAMILY),
		CASE(V2("\x21", "\x41", "\0\x0c") IN4_PAIR, PROXYHDR_FAMILY),
		CASE(V2("\x21", "\xff", "\0\x0c") IN4_PAIR, PROXYHDR_FAMILY),
		CASE(V2("\x21", "\x11", "\0\0"), PROXYHDR_TOO_SHORT),
		CASE(V2("\x21", "\x12", "\0\0"), PROXYHDR_TOO_SHORT),
		CASE(V2("\x21", "\x11", "\0\x0b"), PROXYHDR_TOO_SHORT),
		CASE(V2("\x21", "\x21", "\0\x23"), PROXYHDR_TOO_SHORT),
		CASE(V2("\x21", "\x22", "\0\x0c"), PROXYHDR_TOO_SHORT),
		CASE(V2("\x21", "\x31", "\0\xd7"), PROXYHDR_TOO_SHORT),
		CASE(V2("\x21", "\x11", "\x1f\xf1"), PROXYHDR_TOO_LONG),
		CASE(V2("\x21", "\x11", "\xff\xff"), PROXYHDR_TOO_LONG),
		CASE(V2("\x20", "\0", "\xff\xff"), PROXYHDR_TOO_LONG),
		/* TLVs */
		CASE(V2("\x21", "\x11", "\0\x0d") IN4_PAIR "\4", PROXYHDR_TLV_OVERRUN),
		CASE(V2("\x21", "\x11", "\0\x0e") IN4_PAIR "\4\0", PROXYHDR_TLV_OVERRUN),
		CASE(V2("\x21", "\x11", "\0\x0f") IN4_PAIR "\4\0\1", PROXYHDR_TLV_OVERRUN),
		CASE(V2("\x21", "\x11", "\0\x11") IN4_PAIR "\1\0\3h2", PROXYHDR_TLV_OVERRUN),
		CASE(V2("\x21", "\x11", "\0\x12") IN4_PAIR "\1\xff\xff"
							   "abc",
		     PROXYHDR_TLV_OVERRUN),
		CASE(V2("\x21", "\x11", "\0\x0f") IN4_PAIR "\3\0\0", PROXYHDR_TLV_LENGTH),
		CASE(V2("\x21", "\x11", "\0\x12") IN4_PAIR "\3\0\3"
							   "abc",
		     PROXYHDR_TLV_LENGTH),
		CASE(V2("\x21", "\x11", "\0\x14") IN4_PAIR "\3\0\5"
							   "abcde",
		     PROXYHDR_TLV_LENGTH),
		CASE(V2("\x21", "\x11", "\0\x13") IN4_PAIR "\3\0\4"
							   "abcd",
		     PROXYHDR_CHECKSUM),
		CASE(V2("\x21", "\0", "\0\7") "\3\0\4"
					      "abcd",
		     PROXYHDR_CHECKSUM),
		CASE(V2("\x21", "\x11", "\0\x13") IN4_PAIR "\x20\0\4"
							   "\1\0\0\0",
		     PROXYHDR_TLV_LENGTH),
		CASE(V2("\x21", "\x11", "\0\x15") IN4_PAIR "\x20\0\6"
							   "\1\0\0\0\0\x21",
		     PROXYHDR_TLV_OVERRUN),
		CASE(V2("\x21", "\x11", "\0\x17") IN4_PAIR "\x20\0\x08"
							   "\1\0\0\0\0\x21\0\1",
		     PROXYHDR_TLV_OVERRUN),
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_bad((const uint8_t *)cases[i].bytes, cases[i].n, cases[i].fault);
}

/* A header of TCP4 with @n bytes of TLVs. */
static size_t with_tlvs(uint8_t *out, const void *tlvs, size_t n)
{
	memcpy(out, V2("\x21", "\x11", "\0\0") IN4_PAIR, 28);
	out[14] = (uint8_t)((12 + n) >> 8);
	out[15] = (uint8_t)(12 + n);
	memcpy(out + 28, tlvs, n);
	return 28 + n;
}

static void tlvs_are_read(void **state)
{
	static const char tlvs[] = "\1\0\2h2"
				   "\2\0\x0f"
				   "db1.example.com"
				   "\4\0\3???"
				   "\5\0\4id42"
				   "\x30\0\2ns"
				   "\xe0\0\1x"
				   "\xff\0\0"
				   "\2\0\5later"
				   "\x20\0\x2f"
				   "\7\0\0\0\0"
				   "\x21\0\7TLSv1.3"
				   "\x22\0\5alice"
				   "\x24\0\2xx"
				   "\x23\0\x10TLS_AES_128_GCM_";
	uint8_t bytes[200];
	struct proxyhdr hdr;

	(void)state;
	hdr = read_good(bytes, with_tlvs(bytes, tlvs, sizeof(tlvs) - 1));
	assert_text(hdr.alpn, "h2");
	assert_text(hdr.authority, "db1.example.com"); /* the first counts */
	assert_text(hdr.unique_id, "id42");
	assert_true(hdr.tls.is_said);
	assert_true(hdr.tls.is_on);
	assert_true(hdr.tls.has_cert);
	assert_true(hdr.tls.has_cert_ever);
	assert_true(hdr.tls.is_verified);
	assert_text(hdr.tls.version, "TLSv1.3");
	assert_text(hdr.tls.common_name, "alice");
	assert_text(hdr.tls.cipher, "TLS_AES_128_GCM_");
	assert_false(hdr.has_checksum);
}

static void verified_needs_a_certificate_and_a_zero(void **state)
{
	static const struct {
		const char *tlv;
		bool is_verified;
	} cases[] = {
		{ "\x20\0\5\1\0\0\0\0", false }, { "\x20\0\5\3\0\0\0\0", false },
		{ "\x20\0\5\5\0\0\0\0", true },  { "\x20\0\5\7\0\0\0\0", true },
		{ "\x20\0\5\7\0\0\0\1", false }, { "\x20\0\5\7\1\0\0\0", false },
	};
	uint8_t bytes[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxyhdr hdr = read_good(bytes, with_tlvs(bytes, cases[i].tlv, 8));

		assert_int_equal(hdr.tls.is_verified, cases[i].is_verified);
	}
}

static void texts_have_limits(void **state)
{
	static const struct {
		uint8_t type;
		size_t max;
	} limits[] = { { 1, 255 }, { 2, 255 }, { 5, 128 } };
	uint8_t tlv[3 + 300] = { 0 }, bytes[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		for (size_t n = limits[i].max; n <= limits[i].max + 1; n++) {
			tlv[0] = limits[i].type;
			tlv[1] = (uint8_t)(n >> 8);
			tlv[2] = (uint8_t)n;
			if (n == limits[i].max)
				read_good(bytes, with_tlvs(bytes, tlv, 3 + n));
			else
				assert_bad(bytes, with_tlvs(bytes, tlv, 3 + n),
					   PROXYHDR_TLV_LENGTH);
		}
	}
}

static void checksums_are_verified_over_the_whole_header(void **state)
{
	/* The checksum lies between other TLVs. */
	uint8_t tlvs[] = "\1\0\2h2\3\0\4\0\0\0\0\5\0\2id", bytes[100];
	size_t n = with_tlvs(bytes, tlvs, sizeof(tlvs) - 1);
	uint32_t crc = crc32c(0, bytes, n);

	(void)state;
	for (int i = 0; i < 4; i++)
		bytes[28 + 5 + 3 + i] = (uint8_t)(crc >> (24 - 8 * i));
	assert_true(read_good(bytes, n).has_checksum);
	/* Any byte after the head, but the one that says that there is a checksum. */
	for (size_t i = 16; i < n; i++) {
		struct proxyhdr hdr;

		if (i == 28 + 5)
			continue;
		bytes[i] ^= 1;
		assert_int_equal(read_exact(&hdr, bytes, n) == PARSE_DONE, false);
		bytes[i] ^= 1;
	}
	/* Two of them cannot both be right. */
	n = with_tlvs(bytes, "\3\0\4\0\0\0\0\3\0\4\0\0\0\0", 14);
	crc = crc32c(0, bytes, n);
	for (int i = 0; i < 4; i++)
		bytes[28 + 3 + i] = (uint8_t)(crc >> (24 - 8 * i));
	assert_bad(bytes, n, PROXYHDR_TLV_LENGTH);
}

static void the_longest_header_is_read(void **state)
{
	static uint8_t bytes[PROXYHDR_BYTES_MAX], tlv[PROXYHDR_BYTES_MAX - 28];

	(void)state;
	/* A certificate, say. */
	tlv[0] = 0xe0;
	tlv[1] = (uint8_t)((sizeof(tlv) - 3) >> 8);
	tlv[2] = (uint8_t)(sizeof(tlv) - 3);
	assert_int_equal(with_tlvs(bytes, tlv, sizeof(tlv)), PROXYHDR_BYTES_MAX);
	read_good(bytes, sizeof(bytes));
}

static void every_fault_has_words(void **state)
{
	(void)state;
	for (int i = 0; i < PROXYHDR_FAULTS; i++)
		assert_true(strlen(proxyhdr_fault_text((enum proxyhdr_fault)i)) > 3);
	assert_string_equal(proxyhdr_fault_text(PROXYHDR_FAULTS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines_are_read),
		cmocka_unit_test(bad_beginnings_and_ends_are_refused),
		cmocka_unit_test(bad_addresses_and_ports_are_refused),
		cmocka_unit_test(good_headers_are_read),
		cmocka_unit_test(unix_addresses_are_read),
		cmocka_unit_test(local_is_skipped_whatever_it_says),
		cmocka_unit_test(unspecified_families_are_skipped),
		cmocka_unit_test(datagrams_are_accepted_without_their_addresses),
		cmocka_unit_test(bad_headers_are_refused),
		cmocka_unit_test(tlvs_are_read),
		cmocka_unit_test(verified_needs_a_certificate_and_a_zero),
		cmocka_unit_test(texts_have_limits),
		cmocka_unit_test(checksums_are_verified_over_the_whole_header),
		cmocka_unit_test(the_longest_header_is_read),
		cmocka_unit_test(every_fault_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

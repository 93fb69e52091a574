/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxyhdr_bed.h"

static struct proxyhdr of_addrs(uint8_t version, const char *source, const char *destination)
{
	struct proxyhdr hdr = { .version = version };

	/* A client's unix socket mostly has no name. */
	if (source && strcmp(source, "unix:") == 0)
		addr_from_sockaddr(&hdr.source, &(struct sockaddr){ .sa_family = AF_UNIX },
				   sizeof(sa_family_t));
	else
		assert_true(!source || addr_parse(source, &hdr.source));
	assert_true(!destination || addr_parse(destination, &hdr.destination));
	return hdr;
}

static void lines_are_written(void **state)
{
	static const struct {
		const char *source, *destination, *line;
	} cases[] = {
		{ "192.168.0.1:56324", "192.168.0.11:443",
		  "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n" },
		{ "255.255.255.255:65535", "255.255.255.255:65535",
		  "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n" },
		{ "[2001:db8::1]:1", "[2001:db8::2]:2",
		  "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n" },
		{ "[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:2",
		  "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" },
		{ "[::ffff:10.0.0.1]:1", "10.0.0.2:2", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" },
		{ "10.0.0.1:1", "[2001:db8::2]:2",
		  "PROXY TCP6 ::ffff:10.0.0.1 2001:db8::2 1 2\r\n" },
		{ "[2001:db8::2]:2", "10.0.0.1:1",
		  "PROXY TCP6 2001:db8::2 ::ffff:10.0.0.1 2 1\r\n" },
		{ "[fe80:1111:2222:3333:4444:5555:6666:7777]:65535",
		  "[fe80:1111:2222:3333:4444:5555:6666:7777]:65535",
		  "PROXY TCP6 fe80:1111:2222:3333:4444:5555:6666:7777 "
		  "fe80:1111:2222:3333:4444:5555:6666:7777 65535 65535\r\n" },
		{ "unix:/a", "unix:/b", "PROXY UNKNOWN\r\n" },
		{ "unix:/a", "10.0.0.1:1", "PROXY UNKNOWN\r\n" },
		{ NULL, NULL, "PROXY UNKNOWN\r\n" },
		{ "10.0.0.1:1", NULL, "PROXY UNKNOWN\r\n" },
	};
	uint8_t out[PROXYHDR_WRITE_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxyhdr hdr = of_addrs(1, cases[i].source, cases[i].destination);
		size_t n = proxyhdr_write(&hdr, out, sizeof(out));

		assert_int_equal(n, strlen(cases[i].line));
		assert_memory_equal(out, cases[i].line, n);
		read_good(out, n);
		assert_int_equal(proxyhdr_write(&hdr, out, n), n);
		for (size_t max = 0; max < n; max++)
			assert_int_equal(proxyhdr_write(&hdr, out, max), 0);
	}
}

static void headers_are_written(void **state)
{
	static const struct {
		const char *source, *destination;
		const char *bytes;
		size_t n;
	} cases[] = {
#define CASE(from, to, literal) { from, to, literal, sizeof(literal) - 1 }
		CASE("10.0.0.1:32769", "10.0.0.2:443", V2("\x21", "\x11", "\0\x0c") IN4_PAIR),
		CASE("[::ffff:10.0.0.1]:32769", "[::ffff:10.0.0.2]:443",
		     V2("\x21", "\x11", "\0\x0c") IN4_PAIR),
		CASE("[2001:db8::1]:32769", "[2001:db8::2]:443",
		     V2("\x21", "\x21", "\0\x24") IN6_HOST "\1" IN6_HOST "\2\x80\1\1\xbb"),
		CASE("10.0.0.1:32769", "[2001:db8::2]:443",
		     V2("\x21", "\x21", "\0\x24") "\0\0\0\0\0\0\0\0\0\0\xff\xff\12\0\0\1" IN6_HOST
						  "\2\x80\1\1\xbb"),
		CASE("unix:/a", "10.0.0.2:443", V2("\x21", "\0", "\0\0")),
		CASE(NULL, NULL, V2("\x21", "\0", "\0\0")),
#undef CASE
	};
	uint8_t out[PROXYHDR_WRITE_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxyhdr hdr = of_addrs(2, cases[i].source, cases[i].destination);
		size_t n = proxyhdr_write(&hdr, out, sizeof(out));

		assert_int_equal(n, cases[i].n);
		assert_memory_equal(out, cases[i].bytes, n);
	}
}

static void checks_say_local(void **state)
{
	struct proxyhdr hdr = of_addrs(2, "10.0.0.1:1", "10.0.0.2:2");
	uint8_t out[100];

	(void)state;
	hdr.is_local = true;
	assert_int_equal(proxyhdr_write(&hdr, out, sizeof(out)), 16);
	assert_memory_equal(out, V2("\x20", "\0", "\0\0"), 16);
	hdr.version = 1;
	assert_int_equal(proxyhdr_write(&hdr, out, sizeof(out)), 34);
	assert_memory_equal(out, "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", 34);
}

static struct proxyhdr_text text_of(const char *text)
{
	return (struct proxyhdr_text){ (const uint8_t *)text, (uint16_t)strlen(text) };
}

static struct proxyhdr full_of_facts(const char *source, const char *destination)
{
	struct proxyhdr hdr = of_addrs(2, source, destination);

	hdr.alpn = text_of("postgresql");
	hdr.authority = text_of("db1.example.com");
	hdr.unique_id = text_of("0123456789abcdef");
	hdr.tls = (struct proxyhdr_tls){
		.is_said = true,
		.is_on = true,
		.has_cert = true,
		.has_cert_ever = true,
		.is_verified = true,
		.version = text_of("TLSv1.3"),
		.cipher = text_of("TLS_CHACHA20_POLY1305_SHA256"),
		.common_name = text_of("alice"),
	};
	hdr.has_checksum = true;
	return hdr;
}

static void what_is_written_is_read_again(void **state)
{
	static const char *const pairs[][2] = {
		{ "10.0.0.1:1", "10.0.0.2:2" },
		{ "[2001:db8::1]:65535", "[::1]:1" },
		{ "unix:/run/a.sock", "unix:@b" },
		{ "unix:", "unix:/run/b.sock" },
	};
	uint8_t out[PROXYHDR_WRITE_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct proxyhdr hdr = full_of_facts(pairs[i][0], pairs[i][1]), back;
		size_t n = proxyhdr_write(&hdr, out, sizeof(out));

		back = read_good(out, n);
		assert_addr(&back.source, pairs[i][0]);
		assert_addr(&back.destination, pairs[i][1]);
		assert_text(back.alpn, "postgresql");
		assert_text(back.authority, "db1.example.com");
		assert_text(back.unique_id, "0123456789abcdef");
		assert_text(back.tls.version, "TLSv1.3");
		assert_text(back.tls.cipher, "TLS_CHACHA20_POLY1305_SHA256");
		assert_text(back.tls.common_name, "alice");
		assert_true(back.tls.is_on && back.tls.has_cert && back.tls.has_cert_ever);
		assert_true(back.tls.is_verified);
		assert_true(back.has_checksum);
		for (size_t max = 0; max < n; max++)
			assert_int_equal(proxyhdr_write(&hdr, out, max), 0);
	}
}

static void plain_clients_have_no_tls_part_that_lies(void **state)
{
	struct proxyhdr hdr = of_addrs(2, "10.0.0.1:1", "10.0.0.2:2"), back;
	uint8_t out[100];

	(void)state;
	hdr.tls.is_said = true;
	back = read_good(out, proxyhdr_write(&hdr, out, sizeof(out)));
	assert_true(back.tls.is_said);
	assert_false(back.tls.is_on);
	assert_false(back.tls.is_verified);
}

static void everything_fits_into_the_promised_size(void **state)
{
	static uint8_t longest[300], out[PROXYHDR_WRITE_BYTES_MAX];
	struct proxyhdr hdr = full_of_facts("unix:/run/a.sock", "unix:@b");
	struct proxyhdr_text most = { longest, PROXYHDR_TEXT_MAX }, more = { longest, 256 };
	size_t n;

	(void)state;
	hdr.alpn = hdr.authority = hdr.tls.version = hdr.tls.cipher = hdr.tls.common_name = most;
	hdr.unique_id = (struct proxyhdr_text){ longest, PROXYHDR_UNIQUE_ID_MAX };
	n = proxyhdr_write(&hdr, out, sizeof(out));
	assert_in_range(n, 1500, sizeof(out));
	read_good(out, n);
	/* What cannot be true is left out. */
	hdr.alpn = hdr.authority = hdr.tls.version = hdr.tls.cipher = hdr.tls.common_name = more;
	hdr.unique_id = more;
	hdr = read_good(out, proxyhdr_write(&hdr, out, sizeof(out)));
	assert_text(hdr.alpn, NULL);
	assert_text(hdr.unique_id, NULL);
	assert_text(hdr.tls.common_name, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_written),
		cmocka_unit_test(headers_are_written),
		cmocka_unit_test(checks_say_local),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(plain_clients_have_no_tls_part_that_lies),
		cmocka_unit_test(everything_fits_into_the_promised_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

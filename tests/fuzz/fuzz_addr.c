/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EVERY_PREFIX */
/*
 * Any bytes as an address, as a block of addresses, and as a struct sockaddr.
 * What is accepted must come back the same from its own text.
 */
#include "fuzz/fuzz.h"

#include "base/check.h"
#include "net/addr.h"

#include <stdlib.h>
#include <string.h>

static void check_spec(const char *text)
{
	struct addr_spec spec;
	const char *why = NULL;

	if (!addr_spec_parse(text, &spec, &why)) {
		CHECK(why);
		return;
	}
	CHECK(spec.port_first <= spec.port_last);
	CHECK(strlen(spec.host) < sizeof(spec.host));
	CHECK(!spec.is_unix || spec.port_last == 0);
	CHECK(!(spec.is_unix && spec.is_name));
}

static void check_round_trip(const struct addr *addr)
{
	char once[ADDR_TEXT_BYTES], twice[ADDR_TEXT_BYTES];
	struct addr again;

	CHECK(strlen(addr_format(addr, once)) < sizeof(once));
	CHECK(addr_parse(once, &again));
	CHECK(addr_is_equal(addr, &again));
	CHECK(strcmp(once, addr_format(&again, twice)) == 0);
}

static void check_block(const char *text)
{
	struct sockaddr_in6 first = { .sin6_family = AF_INET6 };
	struct addr_block block;
	struct addr addr;
	const char *why = NULL;

	if (!addr_block_parse(text, &block, &why)) {
		CHECK(why);
		return;
	}
	CHECK(block.bits <= 128);
	memcpy(&first.sin6_addr, block.bytes, sizeof(block.bytes));
	addr_from_sockaddr(&addr, (const struct sockaddr *)&first, sizeof(first));
	CHECK(addr_block_has(&block, &addr));
	addr_unmap(&addr);
	CHECK(addr_block_has(&block, &addr));
}

/* Only what is checked here may be asked of an address that a stranger made up. */
static void check_sockaddr(const uint8_t *data, size_t size)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = (socklen_t)MIN(size, sizeof(sa));
	struct addr addr, plain;
	char text[ADDR_TEXT_BYTES];

	if (size > 0)
		memcpy(&sa, data, len);
	addr_from_sockaddr(&addr, (const struct sockaddr *)&sa, len);
	CHECK(addr.len <= sizeof(addr.un));
	CHECK(addr_is_equal(&addr, &addr));
	CHECK(strlen(addr_format(&addr, text)) < sizeof(text));
	plain = addr;
	addr_unmap(&plain);
	CHECK(addr_port(&plain) == addr_port(&addr));
	addr_set_port(&plain, 4711);
	CHECK(addr_port(&plain) == 4711 || addr_is_unix(&addr) || addr_family(&addr) == AF_UNSPEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup(size > 0 ? (const char *)data : "", size);
	struct addr addr;

	CHECK(text);
	check_spec(text);
	check_block(text);
	if (addr_parse(text, &addr))
		check_round_trip(&addr);
	check_sockaddr(data, size);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/addr.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Where IPv4 begins in the IPv6 form, ::ffff:a.b.c.d. */
#define MAPPED_BITS 96

static const uint8_t mapped_head[MAPPED_BITS / 8] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped_block(const uint8_t bytes[16])
{
	return memcmp(bytes, mapped_head, sizeof(mapped_head)) == 0;
}

/* The bits of byte @i that a prefix of @bits leaves open. */
static uint8_t open_bits(unsigned bits, unsigned i)
{
	if (bits >= (i + 1) * 8)
		return 0;
	return bits <= i * 8 ? 0xff : (uint8_t)(0xff >> (bits - i * 8));
}

static bool read_block_host(const char *text, size_t n, uint8_t ret_bytes[16], bool *ret_is_ipv4)
{
	char host[INET6_ADDRSTRLEN];

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	memcpy(ret_bytes, mapped_head, sizeof(mapped_head));
	*ret_is_ipv4 = inet_pton(AF_INET, host, ret_bytes + sizeof(mapped_head)) == 1;
	return *ret_is_ipv4 || inet_pton(AF_INET6, host, ret_bytes) == 1;
}

static const char *read_block(const char *text, struct addr_block *block)
{
	size_t n = strcspn(text, "/");
	uint64_t bits;
	bool is_ipv4;

	if (!read_block_host(text, n, block->bytes, &is_ipv4))
		return "not an IPv4 or IPv6 address";
	bits = is_ipv4 ? 32 : 128;
	if (text[n] == '/' && (!text_to_u64(text + n + 1, &bits) || bits > (is_ipv4 ? 32 : 128)))
		return is_ipv4 ? "the prefix is not in 0-32" : "the prefix is not in 0-128";
	block->bits = (uint8_t)(is_ipv4 ? bits + MAPPED_BITS : bits);
	for (unsigned i = 0; i < sizeof(block->bytes); i++) {
		if (block->bytes[i] & open_bits(block->bits, i))
			return "bits behind the prefix are set";
	}
	return NULL;
}

bool addr_block_parse(const char *text, struct addr_block *ret_block, const char **ret_why)
{
	struct addr_block block;
	const char *why = read_block(text, &block);

	if (why) {
		*ret_why = why;
		return false;
	}
	*ret_block = block;
	return true;
}

/* "255.255.0.0" as 16; false when it is no netmask. */
static bool read_mask(const char *text, uint64_t *ret_bits)
{
	struct in_addr in4;
	uint32_t mask;

	if (inet_pton(AF_INET, text, &in4) != 1)
		return false;
	mask = ntohl(in4.s_addr);
	*ret_bits = (uint64_t)__builtin_popcount(mask);
	return (mask | (mask - 1)) == UINT32_MAX || mask == 0;
}

/* "10" or "10.1" as "10.0.0.0" or "10.1.0.0": people write so before a prefix. */
static size_t complete_address(const char *text, size_t n, char ret_host[INET6_ADDRSTRLEN])
{
	size_t dots = 0;

	if (n + sizeof(".0.0.0") > INET6_ADDRSTRLEN)
		return 0;
	memcpy(ret_host, text, n);
	ret_host[n] = '\0';
	if (strchr(ret_host, ':'))
		return n;
	for (size_t i = 0; i < n; i++)
		dots += text[i] == '.';
	for (; dots < 3; dots++, n += 2)
		memcpy(ret_host + n, ".0", sizeof(".0"));
	return n;
}

const char *addr_block_format(const struct addr_block *block, char text[ADDR_BLOCK_TEXT_BYTES])
{
	const bool is_ipv4 = block->bits >= MAPPED_BITS && is_mapped_block(block->bytes);
	const unsigned first = is_ipv4 ? MAPPED_BITS : 0;
	size_t n;

	inet_ntop(is_ipv4 ? AF_INET : AF_INET6, block->bytes + first / 8, text, INET6_ADDRSTRLEN);
	n = strlen(text);
	if (block->bits < 128)
		snprintf(text + n, ADDR_BLOCK_TEXT_BYTES - n, "/%u", block->bits - first);
	return text;
}

const char *addr_block_suggest(const char *typed, char text[ADDR_BLOCK_TEXT_BYTES])
{
	const size_t n = strcspn(typed, "/");
	char host[INET6_ADDRSTRLEN];
	struct addr_block block;
	uint64_t bits;
	bool is_ipv4;
	size_t bytes = complete_address(typed, n, host);

	if (typed[n] != '/' || bytes == 0 || !read_block_host(host, bytes, block.bytes, &is_ipv4))
		return NULL;
	if (!text_to_u64(typed + n + 1, &bits) && !(is_ipv4 && read_mask(typed + n + 1, &bits)))
		return NULL;
	if (bits > (is_ipv4 ? 32 : 128))
		return NULL;
	block.bits = (uint8_t)(is_ipv4 ? bits + MAPPED_BITS : bits);
	for (unsigned i = 0; i < sizeof(block.bytes); i++)
		block.bytes[i] &= (uint8_t)~open_bits(block.bits, i);
	return addr_block_format(&block, text);
}

bool addr_block_has(const struct addr_block *block, const struct addr *addr)
{
	uint8_t bytes[16];
	unsigned difference = 0;

	if (!addr_bytes(addr, bytes))
		return false;
	if (is_mapped_block(bytes) && block->bits < MAPPED_BITS)
		return false;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		difference |= (bytes[i] ^ block->bytes[i]) & ~open_bits(block->bits, i) & 0xff;
	return difference == 0;
}

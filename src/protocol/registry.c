/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "protocol/registry.h"

#include "protocol/mysql.h"
#include "protocol/postgres.h"

static const struct protocol *const protocols[PROTOCOLS] = {
	[PROTOCOL_ANY] = NULL,
	[PROTOCOL_POSTGRES] = &protocol_postgres,
};

const struct protocol *protocol_of(enum protocol_kind kind)
{
	return protocols[kind];
}

static const struct protocol *const checked[CHECK_KINDS] = {
	[CHECK_POSTGRES] = &protocol_postgres,
	[CHECK_MYSQL] = &protocol_mysql,
};

const struct protocol *protocol_of_servers(const struct pool_config *config)
{
	return checked[config->check.kind];
}

const struct refusal *protocol_guess_refusal(const uint8_t *bytes, size_t n)
{
	const struct refusal *refusal = NULL;

	for (size_t i = 0; i < ARRAY_LEN(checked) && !refusal; i++)
		if (checked[i] && checked[i]->read_refusal(bytes, n, &refusal) != PARSE_DONE)
			refusal = NULL;
	return refusal;
}

size_t protocol_watch_bytes_max(void)
{
	size_t max = 1;

	for (size_t n = 0; n < ARRAY_LEN(protocols); n++)
		if (protocols[n])
			max = MAX(max, protocols[n]->watch_bytes);
	return max;
}

bool protocol_is_opaque(const struct listener_config *config)
{
	const struct protocol *protocol = protocol_of(config->protocol);

	return protocol && protocol->watch &&
	       (config->tls == TLS_MODE_PASSTHROUGH || config->tls == TLS_MODE_AUTO);
}

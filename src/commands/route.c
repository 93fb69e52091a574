/* SPDX-License-Identifier: GPL-2.0-or-later */

/* route: which backend a client gets now, where its key decides. */

#include <stdio.h>
#include <string.h>

#include "balance/stick.h"
#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "balance/client_key.h"
#include "io/loop.h"
#include "proto/hello.h"

/* A client, as it was typed. */
struct subject {
	struct addr addr; /* len 0: a name */
	bool has_port;
	struct hello hello;
};

/* An address, with or without a port. */
static bool read_addr(const char *text, struct subject *s)
{
	char with_port[ADDR_TEXT_BYTES];
	int n;

	s->has_port = addr_parse(text, &s->addr) && !addr_is_unix(&s->addr);
	if (s->has_port)
		return true;
	n = snprintf(with_port, sizeof(with_port), strchr(text, ':') ? "[%s]:0" : "%s:0", text);
	if (n > 0 && (size_t)n < sizeof(with_port) && addr_parse(with_port, &s->addr) &&
	    !addr_is_unix(&s->addr))
		return true;
	s->addr = (struct addr){ 0 };
	return false;
}

static bool read_subject(struct call *call, struct subject *s)
{
	const char *text = call->words[0];

	if (read_addr(text, s)) {
		addr_unmap(&s->addr);
		return true;
	}
	if (hello_set_name(&s->hello, text, strlen(text)))
		return true;
	call_fail(call, REPLY_USAGE, NULL, "'%.60s' is no address and no server name", text);
	return false;
}

/* False: clients are told apart by something else. */
static bool key_of(const struct subject *s, const struct key_config *config, uint64_t *ret_key)
{
	if (config->kind == CLIENT_KEY_DESTINATION)
		return s->has_port && client_key_of_destination(&s->addr, ret_key);
	if (s->addr.len > 0)
		return client_key_of_addr(&s->addr, config, ret_key);
	*ret_key = client_key_of_name(s->hello.name);
	return config->kind == CLIENT_KEY_SNI;
}

static const char *name_of(struct pool *pool, int index)
{
	return index < 0 ? NULL : pool_backend(pool, (size_t)index)->config->name;
}

static void tell_hashed(struct call *call, struct pool *pool, const struct pool_route *route)
{
	reply_row(call->reply, "route");
	reply_text(call->reply, "pool", pool_config(pool)->name);
	reply_text(call->reply, "by", "hash");
	reply_text(call->reply, "backend", name_of(pool, route->chosen));
	reply_text(call->reply, "home", name_of(pool, route->home));
	reply_u64(call->reply, "steps", route->steps);
	reply_u64(call->reply, "slot", route->slot);
	reply_row_end(call->reply);
}

static bool tell_hash(struct call *call, struct pool *pool, const struct subject *s)
{
	struct pool_route route;
	struct pool_ask ask = { 0 };

	if (pool_config(pool)->balance != BALANCE_MAGLEV ||
	    !key_of(s, &pool_config(pool)->hash, &ask.key) || !pool_route(pool, &ask, &route))
		return false;
	tell_hashed(call, pool, &route);
	return true;
}

/* The backend that a session of the client is or was on last. */
static bool tell_stick(struct call *call, struct pool *pool, const struct subject *s)
{
	const struct control_context *x = call->context;
	struct stick *stick = runtime_sticky(x->runtime, pool);
	const char *name = NULL;
	uint64_t key, id;

	if (!stick || pool_config(pool)->stick.kind == CLIENT_KEY_NONE ||
	    !key_of(s, &pool_config(pool)->stick, &key))
		return false;
	id = stick_find(stick, stick_key(stick, &key, sizeof(key)), x->loop->now_ms);
	for (size_t n = 0; id != 0 && !name && n < pool_backends(pool); n++)
		if (pool_backend(pool, n) && pool_backend(pool, n)->id == id)
			name = pool_backend(pool, n)->config->name;
	reply_row(call->reply, "route");
	reply_text(call->reply, "pool", pool_config(pool)->name);
	reply_text(call->reply, "by", "stick");
	reply_text(call->reply, "backend", name ? name : "(no entry)");
	reply_row_end(call->reply);
	return true;
}

void cmd_route(struct call *call)
{
	const struct runtime *runtime = call->context->runtime;
	struct subject subject = { 0 };
	unsigned said = 0;

	if (!read_subject(call, &subject))
		return;
	runtime_for_each_pool(runtime, n)
	{
		said += tell_stick(call, runtime->pools[n], &subject);
		said += tell_hash(call, runtime->pools[n], &subject);
	}
	if (said > 0)
		call_ok(call);
	else
		call_fail(call, REPLY_UNKNOWN, NULL, "no pool chooses by such a key");
}

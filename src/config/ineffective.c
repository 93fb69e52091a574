/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/ineffective.h"

#include <string.h>

#include "base/check.h"
#include "config/check_channel.h"
#include "config/directive.h"
#include "config/protocol_facts.h"
#include "config/setting.h"

/* ---- what is needed ---- */

static bool has_keepalive(const void *section)
{
	return ((const struct listener_config *)section)->keepalive.is_on;
}

static bool accepts_proxy(const void *section)
{
	return ((const struct listener_config *)section)->proxy_protocol == PROXY_HEADER_ACCEPT;
}

static bool has_preread(const void *section)
{
	const struct listener_config *l = section;

	return l->tls != TLS_MODE_OFF || l->protocol != PROTOCOL_ANY;
}

static bool reads_hellos(const void *section)
{
	return listener_reads_hello(section);
}

static bool passes_through(const void *section)
{
	return ((const struct listener_config *)section)->tls == TLS_MODE_PASSTHROUGH;
}

static bool terminates(const void *section)
{
	return ((const struct listener_config *)section)->tls == TLS_MODE_TERMINATE;
}

static bool may_be_asked_for_tls(const void *section)
{
	const struct listener_config *l = section;

	return protocol_facts[l->protocol].tls_request && listener_reads_hello(l);
}

static bool limits_sources(const void *section)
{
	const struct listener_config *l = section;

	return l->source_sessions_max > 0 || l->source_sessions_per_s_max > 0;
}

static bool hashes(const void *section)
{
	return ((const struct pool_config *)section)->balance == BALANCE_MAGLEV;
}

static bool weighs(const void *section)
{
	const struct pool_config *p = section;

	return p->balance != BALANCE_MAGLEV && p->balance != BALANCE_FIRST;
}

static bool sticks(const void *section)
{
	return ((const struct pool_config *)section)->stick.kind != CLIENT_KEY_NONE;
}

static bool has_tiers(const void *section)
{
	const struct pool_config *p = section;

	for (size_t i = 1; i < p->backends_n; i++) {
		if (p->backends[i].tier != p->backends[0].tier)
			return true;
	}
	return false;
}

static bool may_be_full(const void *section)
{
	const struct pool_config *p = section;

	if (p->check.kind == CHECK_POSTGRES || p->check.kind == CHECK_MYSQL ||
	    p->check.kind == CHECK_REDIS || p->check.kind == CHECK_SSH)
		return true; /* servers tell them when they are */
	for (size_t i = 0; i < p->backends_n; i++) {
		if (p->backends[i].sessions_max > 0)
			return true;
	}
	return false;
}

static bool pool_has_queue(const void *section)
{
	return ((const struct pool_config *)section)->queue_max > 0;
}

static bool sends_v2(const void *section)
{
	return ((const struct pool_config *)section)->send_proxy == PROXY_V2;
}

static bool has_check(const void *section)
{
	return ((const struct pool_config *)section)->check.kind != CHECK_NONE;
}

static bool talks_to(const void *section)
{
	const struct pool_config *p = section;

	return p->check.kind != CHECK_NONE && p->check.kind != CHECK_TCP;
}

static bool has_script(const void *section)
{
	return ((const struct pool_config *)section)->check.kind == CHECK_EXPECT;
}

static bool wants_role(const void *section)
{
	const struct pool_config *p = section;

	return p->role.wanted != ROLE_ANY || p->role.lag.max > 0;
}

static bool holds(const void *section)
{
	return ((const struct pool_config *)section)->hold.ms > 0;
}

static bool ends_sessions(const void *section)
{
	return ((const struct pool_config *)section)->on_down != ON_DOWN_KEEP;
}

static bool ejects(const void *section)
{
	const struct pool_config *p = section;

	return p->eject.in_a_row > 0 || p->eject.failure_percent > 0;
}

static bool speaks_tls(const void *section)
{
	return ((const struct pool_config *)section)->tls ||
	       check_channel_kind(section) != CHECK_CHANNEL_CLEAR;
}

static bool sessions_speak_tls(const void *section)
{
	return ((const struct pool_config *)section)->tls;
}

static bool asks_for_tls(const void *section)
{
	const struct pool_config *p = section;

	return p->tls && protocol_facts[p->protocol].tls_request;
}

/* What is missing, in words; who needs it. */
static const struct need {
	enum config_section section;
	bool (*has)(const void *section);
	const char *missing;
	const char *const keys[13];
} needs[] = {
	{ SECTION_LISTENER,
	  accepts_proxy,
	  "without proxy_protocol = accept",
	  { "proxy_protocol_from", "proxy_protocol_timeout" } },
	{ SECTION_LISTENER,
	  terminates,
	  "without tls = terminate",
	  { "certificate", "unknown_sni", "alpn", "tls_min", "tls_max", "ciphers", "groups",
	    "tickets", "client_verify", "client_ca", "client_crl", "handshake_rate" } },
	{ SECTION_LISTENER, passes_through, "without tls = passthrough", { "not_tls" } },
	{ SECTION_LISTENER, reads_hellos, "without tls = passthrough or terminate", { "no_sni" } },
	{ SECTION_LISTENER,
	  may_be_asked_for_tls,
	  "without protocol = postgres and tls = passthrough or terminate",
	  { "plaintext" } },
	{ SECTION_LISTENER, has_preread, "without tls or protocol", { "handshake_timeout" } },
	{ SECTION_LISTENER,
	  limits_sources,
	  "without max_sessions_per_source or session_rate_per_source",
	  { "source_prefix4", "source_prefix6", "source_table", "over_limit" } },
	{ SECTION_LISTENER,
	  has_keepalive,
	  "with keepalive = no",
	  { "keepalive_idle", "keepalive_interval", "keepalive_count" } },
	{ SECTION_POOL,
	  hashes,
	  "without balance = maglev",
	  { "hash", "hash_balance", "hash_table" } },
	{ SECTION_POOL, weighs, "with balance = maglev or first", { "slow_start" } },
	{ SECTION_POOL, sticks, "without stick", { "stick_table", "stick_time" } },
	{ SECTION_POOL, has_tiers, "without backends of another tier", { "min_ready" } },
	{ SECTION_POOL, has_tiers, "without backends of another tier", { "overflow" } },
	{ SECTION_POOL, may_be_full, "while no backend has max_sessions", { "queue" } },
	{ SECTION_POOL, pool_has_queue, "without queue", { "queue_timeout" } },
	{ SECTION_POOL, sends_v2, "without send_proxy = v2", { "send_proxy_tlvs" } },
	{ SECTION_POOL,
	  has_check,
	  "without check",
	  { "check_interval", "check_fast_interval", "check_timeout", "check_fall", "check_rise",
	    "check_port", "check_address" } },
	{ SECTION_POOL, has_check, "without check", { "on_down" } },
	{ SECTION_POOL, wants_role, "without role or max_lag", { "fence", "failback" } },
	{ SECTION_POOL, holds, "without hold", { "hold_max", "hold_rate" } },
	{ SECTION_POOL, ends_sessions, "with on_down = keep", { "on_down_rate" } },
	{ SECTION_POOL, has_script, "without check = expect", { "check_step" } },
	{ SECTION_POOL, talks_to, "without a check that says something", { "check_tls" } },
	{ SECTION_POOL,
	  ejects,
	  "with eject_after = 0 and eject_percent = 0",
	  { "eject_time", "eject_max_percent" } },
	{ SECTION_POOL,
	  speaks_tls,
	  "without tls = yes",
	  { "tls_verify", "tls_ca", "tls_crl", "tls_name", "tls_sni", "tls_certificate",
	    "tls_key" } },
	{ SECTION_POOL, sessions_speak_tls, "without tls = yes", { "tls_alpn", "tls_tickets" } },
	{ SECTION_POOL,
	  asks_for_tls,
	  "without protocol = postgres and tls = yes",
	  { "direct_tls", "tls_shared" } },
};

/* ---- looking ---- */

/* One section, whatever its kind. */
struct subject {
	enum config_section section;
	const void *fields;
	const char *name;
	const struct config_location *set_at;
};

static bool print_to(char *text, size_t room, const struct directive *d, const void *section)
{
	FILE *to = fmemopen(text, room, "w");

	if (!to)
		return false;
	d->type->print(d, section, 0, to);
	return fclose(to) == 0;
}

/* Its value was no good, which is reported. */
static bool is_missing(const struct directive *d, const void *section)
{
	return (d->type->count && d->type->count(section) == 0) ||
	       (d->type->has && !d->type->has(d, section));
}

/* A dumped configuration has every default in it, and they hurt nobody. */
static bool is_default(const struct directive *d, const void *section, struct diag *diag)
{
	union {
		struct listener_config listener;
		struct pool_config pool;
	} fresh = { 0 };
	char now[128] = "", then[128] = "";

	if (!d->fallback)
		return false;
	setting_default(d, &fresh, diag);
	return print_to(now, sizeof(now), d, section) && print_to(then, sizeof(then), d, &fresh) &&
	       strcmp(now, then) == 0;
}

/* Where it was given a good value other than its default; NULL: nowhere. */
static const struct config_location *find_given(const struct subject *s, const char *key,
						struct diag *diag)
{
	const struct directive *d = directive_find(s->section, key);
	const struct config_location *location;

	CHECK(d);
	location = &s->set_at[d - directives];
	if (!location->line || location->origin != ORIGIN_OWN || is_missing(d, s->fields) ||
	    is_default(d, s->fields, diag))
		return NULL;
	return location;
}

static void check_need(const struct need *need, const struct subject *s, struct diag *diag)
{
	for (size_t i = 0; i < ARRAY_LEN(need->keys) && need->keys[i]; i++) {
		const struct config_location *location = find_given(s, need->keys[i], diag);

		if (location)
			diag_warning(diag, location, "[%s %s] %s: means nothing %s",
				     config_section_names[s->section], s->name, need->keys[i],
				     need->missing);
	}
}

static void check_subject(const struct subject *s, struct diag *diag)
{
	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (needs[i].section == s->section && !needs[i].has(s->fields))
			check_need(&needs[i], s, diag);
	}
}

/* ---- times of which one is over before the other ---- */

static void check_keepalive(const struct subject *s, struct diag *diag)
{
	static const char *const keys[] = { "keepalive_idle", "keepalive_interval",
					    "keepalive_count" };
	const struct listener_config *l = s->fields;
	uint64_t takes_ms = l->keepalive.idle_ms + l->keepalive.count * l->keepalive.interval_ms;
	char takes[TEXT_NUMBER_BYTES], idle[TEXT_NUMBER_BYTES];

	if (!l->keepalive.is_on || l->idle_timeout_ms == 0 || takes_ms < l->idle_timeout_ms)
		return;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct config_location *location = find_given(s, keys[i], diag);

		if (!location)
			continue;
		diag_warning(diag, location,
			     "[listener %s] %s: keepalive can end nothing: it takes %s "
			     "(keepalive_idle + keepalive_count * keepalive_interval), and "
			     "idle_timeout = %s is over by then",
			     s->name, keys[i], text_from_ms(takes_ms, takes),
			     text_from_ms(l->idle_timeout_ms, idle));
		return;
	}
}

/* Its time runs from the beginning, and a byte for the backend comes after all these. */
static void check_first_byte(const struct subject *s, struct diag *diag)
{
	const struct listener_config *l = s->fields;
	const struct {
		const char *key;
		uint64_t ms;
		bool is_used; /* else it is said that it means nothing */
	} before[] = { { "proxy_protocol_timeout", l->proxy_protocol_timeout_ms, accepts_proxy(l) },
		       { "handshake_timeout", l->handshake_timeout_ms, has_preread(l) } };
	char own[TEXT_NUMBER_BYTES], all[TEXT_NUMBER_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(before) && l->first_byte_timeout_ms > 0; i++) {
		const struct config_location *location = find_given(s, before[i].key, diag);

		if (!location || !before[i].is_used || before[i].ms <= l->first_byte_timeout_ms)
			continue;
		diag_warning(diag, location,
			     "[listener %s] %s: longer (%s) than all the time for a first byte "
			     "(first_byte_timeout = %s)",
			     s->name, before[i].key, text_from_ms(before[i].ms, own),
			     text_from_ms(l->first_byte_timeout_ms, all));
	}
}

void config_check_ineffective(const struct config *config, struct diag *diag)
{
	for (size_t i = 0; i < config->listeners_n; i++) {
		const struct listener_config *l = &config->listeners[i];

		const struct subject s = { SECTION_LISTENER, l, l->name, l->set_at };

		check_subject(&s, diag);
		check_keepalive(&s, diag);
		check_first_byte(&s, diag);
	}
	for (size_t i = 0; i < config->pools_n; i++) {
		const struct pool_config *p = &config->pools[i];

		check_subject(&(struct subject){ SECTION_POOL, p, p->name, p->set_at }, diag);
	}
}

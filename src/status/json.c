/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include <string.h>

#include "admin/context.h"
#include "base/label_counter.h"
#include "changes.h"
#include "config/config.h"
#include "io/loop.h"
#include "process/sockets.h"
#include "reload/reload.h"
#include "metrics/metrics.h"
#include "metrics/snapshot.h"
#include "tls/server.h"

struct json {
	struct out *out;
	bool has_member; /* of what is open */
};

static void json_begin(struct json *j, const char *sign)
{
	out_text(j->out, sign);
	j->has_member = false;
}

static void end(struct json *j, const char *sign)
{
	out_text(j->out, sign);
	j->has_member = true;
}

/* The comma between two. */
static void next(struct json *j)
{
	if (j->has_member)
		out_text(j->out, ",");
	j->has_member = true;
}

static void key(struct json *j, const char *name)
{
	next(j);
	out_json(j->out, name);
	out_text(j->out, ":");
}

/* One that is NULL or empty is left out. */
static void put_text(struct json *j, const char *name, const char *value)
{
	if (!value || !value[0])
		return;
	key(j, name);
	out_json(j->out, value);
}

static void put_u64(struct json *j, const char *name, uint64_t value)
{
	key(j, name);
	out_u64(j->out, value);
}

/* ---- what the table has --------------------------------------------------- */

/* {"ms": all together, "n": [how many in each bucket]} */
static void put_histogram(struct json *j, const struct metric *m, const void *values)
{
	key(j, m->key);
	json_begin(j, "{");
	put_u64(j, "ms", metric_value(m, values, HISTOGRAM_BUCKETS));
	key(j, "n");
	json_begin(j, "[");
	for (size_t n = 0; n < HISTOGRAM_BUCKETS; n++) {
		next(j);
		out_u64(j->out, metric_value(m, values, n));
	}
	end(j, "]");
	end(j, "}");
}

static void put_metric(struct json *j, const struct metric *m, const void *values)
{
	if (m->kind == METRIC_HISTOGRAM) {
		put_histogram(j, m, values);
		return;
	}
	for (size_t n = 0; n < metric_values_n(m); n++)
		if (metric_key(m, n) && metric_value(m, values, n) != METRIC_NONE)
			put_u64(j, metric_key(m, n), metric_value(m, values, n));
}

static void put_metrics(struct json *j, enum metric_scope scope, const void *values,
			const struct listener *listener)
{
	for (size_t n = 0; n < metrics_n; n++)
		if (metrics[n].scope == scope && metric_is_of(&metrics[n], listener))
			put_metric(j, &metrics[n], values);
}

/* ---- a listener ------------------------------------------------------------ */

static void put_routes(struct json *j, const struct listener_config *config)
{
	key(j, "routes");
	json_begin(j, "[");
	for (size_t n = 0; n < config->routes_n; n++) {
		const struct route_config *route = &config->routes[n];

		next(j);
		json_begin(j, "{");
		put_text(j, "kind", route_kind_names[route->kind]);
		put_text(j, "pattern", route->pattern);
		put_text(j, "pool", route->pool ? route->pool->name : NULL);
		end(j, "}");
	}
	end(j, "]");
}

static void put_ciphers(struct json *j, const struct runtime *runtime,
			const struct listener *listener)
{
	struct label_counter ciphers;

	memset(&ciphers, 0, sizeof(ciphers));
	metrics_add_ciphers(runtime, listener, &ciphers);
	key(j, "ciphers");
	json_begin(j, "{");
	for (unsigned n = 0; n < label_counter_rows(&ciphers); n++)
		put_u64(j, ciphers.rows[n].word, counters_get(&ciphers.rows[n].n));
	end(j, "}");
}

static void put_certificates(struct json *j, const struct listener_config *config,
			     const struct tls_server *tls)
{
	key(j, "certificates");
	json_begin(j, "[");
	for (size_t n = 0; n < config->certificates_n; n++) {
		next(j);
		json_begin(j, "{");
		put_text(j, "file", config->certificates[n].chain);
		put_u64(j, "expiry_s", (uint64_t)tls_server_certificate(tls, n).until);
		end(j, "}");
	}
	end(j, "]");
}

static void put_listener(struct json *j, const struct sample_listener *l,
			 const struct control_context *context)
{
	const struct listener_config *config = l->listener->config;
	char addrs[SOCKETS_TEXT_BYTES];

	next(j);
	json_begin(j, "{");
	put_text(j, "listener", config->name);
	put_text(j, "addresses", sockets_describe(context->sockets, l->listener, addrs));
	put_text(j, "pool", config->pool ? config->pool->name : NULL);
	put_text(j, "tls", tls_mode_names[config->tls]);
	put_text(j, "pause", listener_pause_names[atomic_load(&l->listener->pause)]);
	put_routes(j, config);
	put_metrics(j, METRIC_LISTENER, &l->values, l->listener);
	if (listener_reads_hello(config))
		put_ciphers(j, context->runtime, l->listener);
	if (runtime_tls_server(context->runtime, l->listener))
		put_certificates(j, config, runtime_tls_server(context->runtime, l->listener));
	end(j, "}");
}

/* ---- a pool ---------------------------------------------------------------- */

/* What the operator has set, which the state may hide. */
static void put_override(struct json *j, const struct sample_backend *b,
			 const struct control_context *context)
{
	const struct override *override = overrides_find(&context->overrides, b->pool, b->backend);
	char text[OVERRIDE_TEXT_BYTES];

	if (override)
		put_text(j, "override", override_describe(override, text));
}

static void put_backend(struct json *j, const struct sample_backend *b,
			const struct control_context *context)
{
	struct backend_snapshot s;
	char addr[ADDR_TEXT_BYTES];

	snapshot_backend(context->runtime, b->pool, b->backend, context->loop->now_ms, &s);
	next(j);
	json_begin(j, "{");
	put_text(j, "backend", s.name);
	put_text(j, "address", addr_format(s.addr, addr));
	put_text(j, "state", backend_state_names[s.facts.state]);
	put_text(j, "role", s.role);
	put_text(j, "by", s.why_by);
	put_text(j, "why", s.why);
	put_metrics(j, METRIC_BACKEND, &b->values, NULL);
	if (s.facts.ramp_percent < 100)
		put_u64(j, "slow_start_percent", s.facts.ramp_percent);
	put_override(j, b, context);
	end(j, "}");
}

static void put_pool(struct json *j, const struct sample_pool *p,
		     const struct control_context *context)
{
	const struct pool_config *config = pool_config(p->pool);

	next(j);
	json_begin(j, "{");
	put_text(j, "pool", config->name);
	put_text(j, "balance", balance_kind_names[config->balance]);
	put_text(j, "check", check_kind_names[config->check.kind]);
	put_metrics(j, METRIC_POOL, &p->values, NULL);
	key(j, "backends");
	json_begin(j, "[");
	for (size_t n = 0; n < p->backends_n; n++)
		put_backend(j, &p->backends[n], context);
	end(j, "]");
	end(j, "}");
}

/* ---- all of it -------------------------------------------------------------- */

static void put_worker(struct json *j, const struct worker_values *values)
{
	next(j);
	json_begin(j, "{");
	put_metrics(j, METRIC_WORKER, values, NULL);
	end(j, "}");
}

static void put_process(struct json *j, const struct sample *s,
			const struct control_context *context)
{
	const struct reload_report *last = history_last(&context->reload->history);

	put_text(j, "version", RINGMAIN_VERSION);
	put_text(j, "state", context->state);
	put_u64(j, "now_ms", context->loop->now_ms);
	put_metrics(j, METRIC_PROCESS, &s->process, NULL);
	put_text(j, "last_reload_error", last ? report_why(last) : NULL);
}

static void put_session(struct json *j, const struct session_facts *f)
{
	char text[ADDR_TEXT_BYTES];
	struct addr client;

	addr_lengthen(&client, &f->client);
	next(j);
	json_begin(j, "{");
	put_u64(j, "id", f->id);
	put_text(j, "client", addr_format(&client, text));
	put_text(j, "listener", f->listener);
	put_text(j, "pool", f->pool);
	put_text(j, "backend", f->backend);
	put_text(j, "phase", f->phase);
	put_u64(j, "age_ms", f->age_ms);
	put_u64(j, "bytes_up", f->bytes[LANE_UP]);
	put_u64(j, "bytes_down", f->bytes[LANE_DOWN]);
	put_u64(j, "bytes_up_per_s", f->rates[LANE_UP]);
	put_u64(j, "bytes_down_per_s", f->rates[LANE_DOWN]);
	put_text(j, "user", f->user);
	put_text(j, "database", f->database);
	put_text(j, "sni", f->sni);
	end(j, "}");
}

static void put_sessions(struct json *j, const struct busiest *busiest)
{
	key(j, "busiest");
	json_begin(j, "[");
	for (unsigned n = 0; n < busiest->n; n++)
		put_session(j, &busiest->rows[n]);
	end(j, "]");
}

static void put_attention(struct json *j, const struct attention *attention)
{
	key(j, "attention");
	json_begin(j, "[");
	for (size_t n = 0; n < attention->n; n++) {
		const struct attention_note *note = &attention->notes[n];

		next(j);
		json_begin(j, "{");
		put_text(j, "kind", attention_kind_names[note->kind]);
		put_text(j, "severity", note->is_bad ? "bad" : "warning");
		put_text(j, "what", note->what);
		put_text(j, "why", note->why);
		put_text(j, "now", note->now);
		end(j, "}");
	}
	end(j, "]");
}

static void put_changes(struct json *j, const struct sample *s,
			const struct control_context *context)
{
	struct change changes[CHANGES_MAX];
	const size_t changes_n = changes_take(s, context, changes);

	key(j, "changes");
	json_begin(j, "[");
	for (size_t n = 0; n < changes_n; n++) {
		next(j);
		json_begin(j, "{");
		put_u64(j, "ago_ms", changes[n].ago_ms);
		put_text(j, "what", changes[n].what);
		put_text(j, "state", changes[n].state);
		put_text(j, "role", changes[n].role);
		put_text(j, "by", changes[n].by);
		put_text(j, "why", changes[n].why);
		end(j, "}");
	}
	end(j, "]");
}

void json_write(const struct sample *s, const struct control_context *context,
		const struct busiest *busiest, struct out *out)
{
	struct json j = { .out = out };
	struct attention attention;

	reload_attention(context, &attention);
	json_begin(&j, "{");
	put_process(&j, s, context);
	put_attention(&j, &attention);
	attention_finish(&attention);
	put_changes(&j, s, context);
	key(&j, "each_worker");
	json_begin(&j, "[");
	for (size_t n = 0; n < s->workers_n; n++)
		put_worker(&j, &s->workers[n]);
	end(&j, "]");
	key(&j, "listeners");
	json_begin(&j, "[");
	for (size_t n = 0; n < s->listeners_n; n++)
		put_listener(&j, &s->listeners[n], context);
	end(&j, "]");
	key(&j, "pools");
	json_begin(&j, "[");
	for (size_t n = 0; n < s->pools_n; n++)
		put_pool(&j, &s->pools[n], context);
	end(&j, "]");
	if (busiest)
		put_sessions(&j, busiest);
	end(&j, "}");
	out_text(out, "\n");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "answer.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "admin/context.h"
#include "pool/pool.h"
#include "io/loop.h"
#include "json.h"
#include "page.h"
#include "prometheus.h"
#include "metrics/snapshot.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

/* The page brings all that it needs, and asks nobody but us. */
#define PAGE_POLICY                                                                   \
	"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " \
	"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "    \
	"frame-ancestors 'none'"

void answers_init(struct answers *a, struct control_context *context)
{
	*a = (struct answers){ .context = context };
	busiest_init(&a->busiest, context);
}

void answers_stop(struct answers *a)
{
	busiest_stop(&a->busiest);
}

static void forget(struct answers *a, enum answer_kind kind)
{
	if (a->kept[kind].response)
		MHD_destroy_response(a->kept[kind].response);
	a->kept[kind].response = NULL;
}

void answers_finish(struct answers *a)
{
	for (int kind = 0; kind < ANSWER_KINDS; kind++)
		forget(a, kind);
	busiest_finish(&a->busiest);
}

/* ---- short ones ----------------------------------------------------------- */

static bool queue_response(struct MHD_Connection *connection, unsigned status,
			   struct MHD_Response *response)
{
	return MHD_queue_response(connection, status, response) == MHD_YES;
}

/* @text is static. */
static bool queue_text(struct MHD_Connection *connection, unsigned status, const char *text,
		       const char *allow)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
	bool is_queued;

	if (!response)
		return false;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, TEXT_TYPE);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (allow)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	is_queued = queue_response(connection, status, response);
	MHD_destroy_response(response);
	return is_queued;
}

bool answer_method(struct MHD_Connection *connection)
{
	return queue_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n",
			  "GET, HEAD");
}

/* ---- those that take a sample ---------------------------------------------- */

/* The bytes of an answer whose last reader has gone. */
struct owned {
	struct answers *answers;
	struct out out;
};

static void drop_owned(void *cls)
{
	struct owned *owned = cls;

	owned->answers->bytes -= owned->out.room;
	out_finish(&owned->out);
	free(owned);
}

static bool write_answer(struct answers *a, enum answer_kind kind, struct out *out)
{
	const bool is_for_people = kind == ANSWER_JSON || kind == ANSWER_PAGE;
	const struct busiest *busiest = NULL;
	struct sample sample;

	if (!sample_take(&sample, a->context->runtime))
		return false;
	if (is_for_people && busiest_is_on(&a->busiest)) {
		busiest_ask(&a->busiest);
		busiest = &a->busiest;
	}
	if (kind == ANSWER_JSON)
		json_write(&sample, a->context, busiest, out);
	else if (kind == ANSWER_PAGE)
		page_write(&sample, a->context, busiest, out);
	else
		prometheus_write(&sample, kind == ANSWER_OPENMETRICS, out);
	sample_finish(&sample);
	return !out->has_failed;
}

static const char *const types[ANSWER_KINDS] = {
	[ANSWER_PAGE] = "text/html; charset=utf-8",
	[ANSWER_JSON] = "application/json",
	[ANSWER_PROMETHEUS] = PROMETHEUS_TYPE,
	[ANSWER_OPENMETRICS] = OPENMETRICS_TYPE,
};

static void add_headers(struct MHD_Response *response, enum answer_kind kind)
{
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, types[kind]);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (kind == ANSWER_PAGE)
		(void)MHD_add_response_header(response, "Content-Security-Policy", PAGE_POLICY);
}

/* Gives what there is to send, a reference of its maker's; or NULL. */
static struct MHD_Response *make_response(struct answers *a, enum answer_kind kind)
{
	struct owned *owned = calloc(1, sizeof(*owned));
	struct MHD_Response *response = NULL;

	if (!owned)
		return NULL;
	owned->answers = a;
	if (a->bytes + a->kept[kind].room <= ANSWERS_BYTES_MAX &&
	    write_answer(a, kind, &owned->out) && a->bytes + owned->out.room <= ANSWERS_BYTES_MAX)
		response = MHD_create_response_from_buffer_with_free_callback_cls(
			owned->out.n, owned->out.bytes, drop_owned, owned);
	if (!response) {
		out_finish(&owned->out);
		free(owned);
		return NULL;
	}
	a->bytes += owned->out.room;
	a->kept[kind].room = owned->out.room;
	add_headers(response, kind);
	return response;
}

static bool is_fresh(const struct answers *a, enum answer_kind kind)
{
	return a->kept[kind].is_made &&
	       a->context->loop->now_ms - a->kept[kind].made_ms < ANSWER_FRESH_MS;
}

static bool answer_sample(struct answers *a, struct MHD_Connection *connection,
			  enum answer_kind kind)
{
	if (!is_fresh(a, kind)) {
		forget(a, kind);
		a->kept[kind].response = make_response(a, kind);
		a->kept[kind].is_made = true;
		a->kept[kind].made_ms = a->context->loop->now_ms;
	}
	if (!a->kept[kind].response)
		return queue_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				  "too much is waiting to be read\n", NULL);
	return queue_response(connection, MHD_HTTP_OK, a->kept[kind].response);
}

/* By name, and not with a quality of 0 (RFC 9110, 12.4.2). */
static bool accepts_openmetrics(const char *accepted)
{
	static const char type[] = "application/openmetrics-text";
	const char *at = strcasestr(accepted, type), *end, *quality;

	if (!at)
		return false;
	at += strlen(type);
	end = strchrnul(at, ',');
	quality = strcasestr(at, "q=");
	if (!quality || quality > end)
		return true;
	return strtod(quality + strlen("q="), NULL) > 0;
}

static bool answer_metrics(struct answers *a, struct MHD_Connection *connection)
{
	const char *accepted =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

	return answer_sample(a, connection,
			     accepted && accepts_openmetrics(accepted) ? ANSWER_OPENMETRICS
								       : ANSWER_PROMETHEUS);
}

/* ---- is it healthy? -------------------------------------------------------- */

/* Of the process, or with ?pool=NAME of that pool. */
static bool answer_health(struct answers *a, struct MHD_Connection *connection)
{
	const char *name = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "pool");
	struct pool *pool = name ? snapshot_find_pool(a->context->runtime, name) : NULL;

	if (strcmp(a->context->state, "running") != 0)
		return queue_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "draining\n", NULL);
	if (name && (!pool || runtime_pool_leaves(a->context->runtime, pool_slot(pool))))
		return queue_text(connection, MHD_HTTP_NOT_FOUND, "no such pool\n", NULL);
	if (pool && pool_ready(pool) == 0)
		return queue_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "no backend\n", NULL);
	return queue_text(connection, MHD_HTTP_OK, "ready\n", NULL);
}

/* As for a proxy, which servers have to take, too (RFC 9112, 3.2.2): http://HOST/PATH. */
static const char *without_host(const char *path)
{
	static const char scheme[] = "http://";

	if (strncasecmp(path, scheme, strlen(scheme)) != 0)
		return path;
	path = strchr(path + strlen(scheme), '/');
	return path ? path : "/";
}

bool answer_path(struct answers *a, struct MHD_Connection *connection, const char *uri)
{
	const char *path = without_host(uri);

	if (strcmp(path, "/") == 0)
		return answer_sample(a, connection, ANSWER_PAGE);
	if (strcmp(path, "/status.json") == 0)
		return answer_sample(a, connection, ANSWER_JSON);
	if (strcmp(path, "/metrics") == 0)
		return answer_metrics(a, connection);
	if (strcmp(path, "/healthz") == 0)
		return answer_health(a, connection);
	return queue_text(connection, MHD_HTTP_NOT_FOUND,
			  "there is /, /status.json, /metrics and /healthz\n", NULL);
}

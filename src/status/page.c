/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/context.h"
#include "base/text.h"
#include "changes.h"
#include "io/loop.h"
#include "metrics/snapshot.h"
#include "reload/reload.h"
#include "tls/server.h"

/* Where in page.html the table goes. */
#define MARK "<!--table-->"

/* More of what needs attention is folded. */
#define NOTES_SHOWN 6

#define COLUMN "<th scope=col>"
#define COLUMN_N "<th scope=col class=n>" /* of numbers */

extern const char status_page_html[]; /* of the Makefile's */

static void cell(struct out *out, const char *text)
{
	out_text(out, "<td>");
	out_html(out, text ? text : "");
	out_text(out, "</td>");
}

/* What the row is about. */
static void row_head(struct out *out, const char *text)
{
	out_text(out, "<th scope=row>");
	out_html(out, text);
	out_text(out, "</th>");
}

static void number(struct out *out, uint64_t value)
{
	out_text(out, "<td class=n>");
	out_u64(out, value);
	out_text(out, "</td>");
}

static void age(struct out *out, uint64_t ms)
{
	char text[TEXT_NUMBER_BYTES];

	out_text(out, "<td class=n>");
	out_text(out, text_age(ms, text));
	out_text(out, "</td>");
}

/* Tables that are wider than the window are scrolled by themselves, by keys as well. */
static void table_begin(struct out *out, const char *caption, const char *columns)
{
	out_text(out, "<div class=scroll tabindex=0 role=region aria-label=\"");
	out_text(out, caption);
	out_text(out, "\"><table><caption>");
	out_text(out, caption);
	out_text(out, "</caption><thead><tr>");
	out_text(out, columns);
	out_text(out, "</tr></thead><tbody>\n");
}

static void table_end(struct out *out)
{
	out_text(out, "</tbody></table></div>\n");
}

/* ---- what needs attention --------------------------------------------------- */

static void write_note(const struct attention_note *note, struct out *out)
{
	out_text(out, note->is_bad ? "<li class=bad><strong>✖ " : "<li class=warn><strong>▲ ");
	out_html(out, note->what);
	out_text(out, "</strong><span>");
	out_text(out, note->why[0] ? " — " : "");
	out_html(out, note->why);
	out_text(out, note->now[0] ? ", " : "");
	out_html(out, note->now);
	out_text(out, "</span></li>\n");
}

static void write_notes(const struct attention *a, size_t from, size_t to, struct out *out)
{
	out_text(out, from == 0 ? "<ul class=notes aria-label=\"What needs attention\">\n"
				: "<ul class=notes aria-label=\"What needs attention, too\">\n");
	for (size_t n = from; n < MIN(to, a->n); n++)
		write_note(&a->notes[n], out);
	out_text(out, "</ul>\n");
}

/* The gravest, and the others behind a line that opens them. */
static void write_attention(const struct control_context *context, struct out *out)
{
	struct attention a;

	reload_attention(context, &a);
	if (a.n > 0)
		write_notes(&a, 0, NOTES_SHOWN, out);
	if (a.n > NOTES_SHOWN) {
		out_text(out, "<details><summary>and ");
		out_u64(out, a.n - NOTES_SHOWN);
		out_text(out, " more</summary>\n");
		write_notes(&a, NOTES_SHOWN, a.n, out);
		out_text(out, "</details>\n");
	}
	attention_finish(&a);
}

static void write_changes(const struct sample *s, const struct control_context *context,
			  struct out *out)
{
	struct change changes[CHANGES_MAX];
	const size_t changes_n = changes_take(s, context, changes);

	table_begin(out, "Last changes",
		    COLUMN_N "ago" COLUMN "what" COLUMN "since then" COLUMN "by" COLUMN "why");
	for (size_t n = 0; n < changes_n; n++) {
		const struct change *c = &changes[n];

		out_text(out, "<tr>");
		age(out, c->ago_ms);
		row_head(out, c->what);
		cell(out, c->state);
		cell(out, c->by);
		cell(out, c->why);
		out_text(out, "</tr>\n");
	}
	table_end(out);
}

/* ---- tables ------------------------------------------------------------------ */

/* Sessions, and how many there may be. */
static void write_load(const struct listener_snapshot *l, struct out *out)
{
	out_text(out, "<td class=n>");
	out_u64(out, l->sessions);
	if (l->sessions_max > 0) {
		out_text(out, " / ");
		out_u64(out, l->sessions_max);
	}
	out_text(out, "</td>");
}

/* In a word; where it is none, there is nothing to say. */
static const char *state_of(const struct listener *listener, const struct listener_snapshot *l)
{
	if (atomic_load(&listener->pause) != LISTENER_OPEN)
		return atomic_load(&listener->pause) == LISTENER_WAITS
			       ? "paused: new clients wait"
			       : "paused: new clients are refused";
	return l->sessions_max > 0 && l->sessions >= l->sessions_max ? "full: new clients wait"
								     : "";
}

static void write_listeners(const struct sample *s, struct out *out)
{
	table_begin(out, "Listeners",
		    COLUMN "listener" COLUMN "state" COLUMN "pool" COLUMN_N "sessions" COLUMN_N
			   "bytes up" COLUMN_N "bytes down");
	for (size_t n = 0; n < s->listeners_n; n++) {
		struct listener_snapshot l;

		snapshot_listener(s->runtime, s->listeners[n].listener, &l);
		out_text(out, "<tr>");
		row_head(out, l.name);
		cell(out, state_of(s->listeners[n].listener, &l));
		cell(out, l.pool);
		write_load(&l, out);
		number(out, l.bytes[LANE_UP]);
		number(out, l.bytes[LANE_DOWN]);
		out_text(out, "</tr>\n");
	}
	table_end(out);
}

/* How far it is behind its primary, in time where it says so. */
static void lag(struct out *out, const struct backend_snapshot *s)
{
	if (s->lag_ms != BACKEND_LAG_UNKNOWN) {
		age(out, s->lag_ms);
		return;
	}
	out_text(out, "<td class=n>");
	if (s->lag_bytes != BACKEND_LAG_UNKNOWN) {
		out_u64(out, s->lag_bytes);
		out_text(out, " bytes");
	}
	out_text(out, "</td>");
}

static void write_pool(const struct sample_pool *p, struct out *out)
{
	struct pool_snapshot s;

	snapshot_pool(p->pool, &s);
	out_text(out, "<tr>");
	row_head(out, s.name);
	cell(out, s.ready == 0 ? "no backend: its clients are turned away or held" : "serves");
	number(out, s.ready);
	number(out, s.standby);
	number(out, s.backends);
	number(out, s.sessions);
	number(out, s.queue.waiting - s.queue.held);
	number(out, s.queue.held);
	out_text(out, "</tr>\n");
}

static void write_pools(const struct sample *s, struct out *out)
{
	table_begin(out, "Pools",
		    COLUMN "pool" COLUMN "state" COLUMN_N "ready" COLUMN_N "standby" COLUMN_N
			   "backends" COLUMN_N "sessions" COLUMN_N "waiting: all are full" COLUMN_N
			   "held: no backend");
	for (size_t n = 0; n < s->pools_n; n++)
		write_pool(&s->pools[n], out);
	table_end(out);
}

static void write_backend(const struct sample_backend *b, const struct control_context *context,
			  struct out *out)
{
	const struct override *override = overrides_find(&context->overrides, b->pool, b->backend);
	char addr[ADDR_TEXT_BYTES], text[OVERRIDE_TEXT_BYTES];
	struct backend_snapshot s;

	snapshot_backend(context->runtime, b->pool, b->backend, context->loop->now_ms, &s);
	out_text(out, "<tr>");
	cell(out, s.pool);
	row_head(out, s.name);
	cell(out, addr_format(s.addr, addr));
	cell(out, backend_state_names[s.facts.state]);
	cell(out, s.role);
	lag(out, &s);
	age(out, s.since_ms);
	cell(out, s.why_by);
	cell(out, s.why);
	cell(out, override ? override_describe(override, text) : "");
	number(out, s.sessions);
	number(out, s.connects);
	number(out, s.failures);
	out_text(out, "</tr>\n");
}

static void write_backends(const struct sample *s, const struct control_context *context,
			   struct out *out)
{
	table_begin(out, "Backends",
		    COLUMN "pool" COLUMN "backend" COLUMN "address" COLUMN "state" COLUMN
			   "role" COLUMN_N "behind" COLUMN_N "for" COLUMN "by" COLUMN "why" COLUMN
			   "set by the operator" COLUMN_N "sessions" COLUMN_N "connects" COLUMN_N
			   "failures");
	for (size_t n = 0; n < s->backends_n; n++)
		write_backend(&s->backends[n], context, out);
	table_end(out);
}

/* A day, and how far away it is. */
static void write_expiry(struct out *out, time_t expiry)
{
	char day[sizeof("2026-11-26")], text[TEXT_NUMBER_BYTES];
	const time_t now = time(NULL);
	struct tm tm;

	out_text(out, "<td>");
	if (expiry != 0 && strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&expiry, &tm)) > 0) {
		out_text(out, day);
		out_text(out, expiry > now ? ", in " : ", expired for ");
		out_text(out, text_age((uint64_t)llabs(expiry - now) * 1000, text));
	}
	out_text(out, "</td>");
}

static void write_certificates_of(const struct runtime *runtime, const struct listener *listener,
				  struct out *out)
{
	const struct tls_server *tls = runtime_tls_server(runtime, listener);

	for (size_t n = 0; tls && n < listener->config->certificates_n; n++) {
		out_text(out, "<tr>");
		cell(out, listener->config->name);
		row_head(out, listener->config->certificates[n].chain);
		write_expiry(out, tls_server_certificate(tls, n).until);
		out_text(out, "</tr>\n");
	}
}

static void write_certificates(const struct sample *s, struct out *out)
{
	table_begin(out, "Certificates", COLUMN "listener" COLUMN "file" COLUMN "expires");
	for (size_t n = 0; n < s->listeners_n; n++)
		write_certificates_of(s->runtime, s->listeners[n].listener, out);
	table_end(out);
}

static void write_sessions(const struct busiest *busiest, struct out *out)
{
	if (busiest->n == 0) {
		out_text(out, "<p>No sessions.</p>\n");
		return;
	}
	table_begin(out, "Busiest sessions",
		    COLUMN "client" COLUMN "listener" COLUMN "backend" COLUMN_N
			   "bytes/s up" COLUMN_N "bytes/s down" COLUMN_N "bytes up" COLUMN_N
			   "bytes down");
	for (unsigned n = 0; n < busiest->n; n++) {
		const struct session_facts *f = &busiest->rows[n];
		char text[ADDR_TEXT_BYTES];
		struct addr client;

		addr_lengthen(&client, &f->client);
		out_text(out, "<tr>");
		row_head(out, addr_format(&client, text));
		cell(out, f->listener);
		cell(out, f->backend);
		number(out, f->rates[LANE_UP]);
		number(out, f->rates[LANE_DOWN]);
		number(out, f->bytes[LANE_UP]);
		number(out, f->bytes[LANE_DOWN]);
		out_text(out, "</tr>\n");
	}
	table_end(out);
}

void page_write(const struct sample *s, const struct control_context *context,
		const struct busiest *busiest, struct out *out)
{
	const char *mark = strstr(status_page_html, MARK);

	out_bytes(out, status_page_html, (size_t)(mark - status_page_html));
	out_text(out, "<p>ringmain " RINGMAIN_VERSION ", ");
	out_html(out, context->state);
	out_text(out, ", ");
	out_u64(out, s->process.sessions);
	out_text(out, " sessions.</p>\n");
	write_attention(context, out);
	write_listeners(s, out);
	write_pools(s, out);
	write_backends(s, context, out);
	write_certificates(s, out);
	if (busiest)
		write_sessions(busiest, out);
	write_changes(s, context, out);
	out_text(out, mark + strlen(MARK));
}

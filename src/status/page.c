/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page.h"

#include <string.h>

#include "admin/context.h"
#include "io/loop.h"
#include "metrics/snapshot.h"

/* Where in page.html the table goes. */
#define MARK "<!--table-->"

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

static void write_listeners(const struct sample *s, struct out *out)
{
	out_text(out, "<table><caption>Listeners</caption><thead><tr>" COLUMN "listener" COLUMN
		      "pool" COLUMN_N "sessions" COLUMN_N "bytes up" COLUMN_N "bytes down"
		      "</tr></thead><tbody>\n");
	for (size_t n = 0; n < s->listeners_n; n++) {
		struct listener_snapshot l;

		snapshot_listener(s->runtime, s->listeners[n].listener, &l);
		out_text(out, "<tr>");
		row_head(out, l.name);
		cell(out, l.pool);
		number(out, l.sessions);
		number(out, l.bytes[LANE_UP]);
		number(out, l.bytes[LANE_DOWN]);
		out_text(out, "</tr>\n");
	}
	out_text(out, "</tbody></table>\n");
}

static void write_backend(const struct sample_backend *b, const struct control_context *context,
			  struct out *out)
{
	struct backend_snapshot s;
	char addr[ADDR_TEXT_BYTES];

	snapshot_backend(context->runtime, b->pool, b->backend, context->loop->now_ms, &s);
	out_text(out, "<tr>");
	cell(out, s.pool);
	row_head(out, s.name);
	cell(out, addr_format(s.addr, addr));
	cell(out, backend_state_names[s.facts.state]);
	cell(out, sample_role(b) ? sample_role(b) : "");
	out_text(out, "<td class=n>");
	out_seconds(out, s.since_ms);
	out_text(out, " s</td>");
	cell(out, s.why);
	number(out, s.sessions);
	number(out, s.connects);
	number(out, s.failures);
	out_text(out, "</tr>\n");
}

static void write_backends(const struct sample *s, const struct control_context *context,
			   struct out *out)
{
	out_text(out,
		 "<table><caption>Backends</caption><thead><tr>" COLUMN "pool" COLUMN
		 "backend" COLUMN "address" COLUMN "state" COLUMN "role" COLUMN_N "since" COLUMN
		 "why" COLUMN_N "sessions" COLUMN_N "connects" COLUMN_N "failures"
		 "</tr></thead><tbody>\n");
	for (size_t n = 0; n < s->backends_n; n++)
		write_backend(&s->backends[n], context, out);
	out_text(out, "</tbody></table>\n");
}

static void write_sessions(const struct busiest *busiest, struct out *out)
{
	out_text(out,
		 "<table><caption>Busiest sessions</caption><thead><tr><th>client<th>listener"
		 "<th>backend<th class=n>bytes/s up<th class=n>bytes/s down<th class=n>bytes up"
		 "<th class=n>bytes down</tr></thead><tbody>\n");
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
	out_text(out, "</tbody></table>\n");
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
	write_listeners(s, out);
	write_backends(s, context, out);
	if (busiest)
		write_sessions(busiest, out);
	out_text(out, mark + strlen(MARK));
}

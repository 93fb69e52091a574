/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/top_detail.h"

#include <stdio.h>
#include <string.h>

#include "base/def.h"
#include "ctl/cell.h"
#include "ctl/top_rows.h"

static const char *cell(const json_t *row, const char *key, char text[CELL_BYTES])
{
	return cell_write(key, json_object_get(row, key), text);
}

/* What there is to say of a backend, also where its columns have no room. */
static void write_backend(const json_t *row, char detail[TOP_DETAIL_BYTES])
{
	static const struct {
		const char *before, *key;
	} parts[] = {
		{ " at ", "address" },
		{ ": ", "state" },
		{ " for ", "since_ms" },
		{ ", by ", "by" },
		{ ": ", "why" },
		{ "; ", "role" },
		{ ", behind by ", "lag_ms" },
		{ ", behind by ", "lag_bytes" },
		{ "; the operator's override: ", "override" },
		{ ", for another ", "override_ends_ms" },
		{ "; its sessions end within ", "drain_ends_ms" },
	};
	size_t n = (size_t)snprintf(detail, TOP_DETAIL_BYTES, "%.60s/%.60s",
				    top_rows_text(row, "pool"), top_rows_text(row, "backend"));
	char text[CELL_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(parts) && n < TOP_DETAIL_BYTES; i++)
		if (json_object_get(row, parts[i].key))
			n += (size_t)snprintf(detail + n, TOP_DETAIL_BYTES - n, "%s%s",
					      parts[i].before, cell(row, parts[i].key, text));
}

/* How many could serve, and who waits for what. */
static void write_pool(const json_t *row, char detail[TOP_DETAIL_BYTES])
{
	long long standby = top_rows_number(row, "standby"), held = top_rows_number(row, "held");

	snprintf(detail, TOP_DETAIL_BYTES,
		 "%.60s: %lld of %lld ready, %lld standby; %lld waiting because all are full, "
		 "%lld held because no backend serves",
		 top_rows_text(row, "pool"), top_rows_number(row, "ready"),
		 top_rows_number(row, "backends") - standby, standby,
		 top_rows_number(row, "queued") - held, held);
}

static void write_listener(const json_t *row, char detail[TOP_DETAIL_BYTES])
{
	snprintf(detail, TOP_DETAIL_BYTES, "%.60s on %.250s", top_rows_text(row, "listener"),
		 top_rows_text(row, "addresses"));
}

static void write_attention(const json_t *row, char detail[TOP_DETAIL_BYTES])
{
	top_detail_note(row, detail);
}

static void write_change(const json_t *row, char detail[TOP_DETAIL_BYTES])
{
	char name[CELL_BYTES], ago[CELL_BYTES], state[CELL_BYTES], why[CELL_BYTES];

	snprintf(detail, TOP_DETAIL_BYTES, "%.130s: %.20s since %.20s%s%.180s",
		 cell(row, "change", name), cell(row, "state", state), cell(row, "ago_ms", ago),
		 json_object_get(row, "why") ? ": " : "",
		 json_object_get(row, "why") ? cell(row, "why", why) : "");
}

void top_detail_note(const json_t *row, char text[TOP_DETAIL_BYTES])
{
	const bool is_bad = strcmp(top_rows_text(row, "severity"), "bad") == 0;
	static const char *const keys[] = { "attention", "why", "now" };
	static const char *const before[] = { "", " - ", ", " };
	int n = snprintf(text, TOP_DETAIL_BYTES, "%s", is_bad ? "!! " : "!  ");
	char value[CELL_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(keys) && n < TOP_DETAIL_BYTES; i++)
		if (json_object_get(row, keys[i]))
			n += snprintf(text + n, TOP_DETAIL_BYTES - (size_t)n, "%s%s", before[i],
				      cell(row, keys[i], value));
}

void top_detail_write(const json_t *row, char detail[TOP_DETAIL_BYTES])
{
	static const struct {
		const char *kind;
		void (*write)(const json_t *row, char detail[TOP_DETAIL_BYTES]);
	} kinds[] = {
		{ "backend", write_backend },   { "pool", write_pool },
		{ "listener", write_listener }, { "attention", write_attention },
		{ "change", write_change },
	};

	detail[0] = '\0';
	for (size_t n = 0; row && n < ARRAY_LEN(kinds); n++)
		if (strcmp(kinds[n].kind, top_rows_text(row, "row")) == 0)
			kinds[n].write(row, detail);
}

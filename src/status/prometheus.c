/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A family for each row of the table, with a line for each thing that it is measured of. */
#include "prometheus.h"

#include <stdio.h>
#include <string.h>

#include "base/label_counter.h"
#include "metrics/metrics.h"
#include "state/reason.h"
#include "tls/server.h"

/* Labels of one thing: enough for two names, which have no more than 63 bytes each. */
#define LABELS_BYTES (4 * CONFIG_NAME_BYTES)

struct writer {
	struct out *out;
	const struct metric *metric;
	const void *values;
	char labels[LABELS_BYTES]; /* of the thing, without braces; "" for the process */
};

/* Names of sections are letters, digits and a few signs: nothing to escape. */
static void name_worker(struct writer *w, size_t n)
{
	snprintf(w->labels, sizeof(w->labels), "worker=\"%zu\"", n);
}

static void name_listener(struct writer *w, const struct listener *listener)
{
	snprintf(w->labels, sizeof(w->labels), "listener=\"%s\"", listener->config->name);
}

static void name_pool(struct writer *w, const struct pool *pool)
{
	snprintf(w->labels, sizeof(w->labels), "pool=\"%s\"", pool_config(pool)->name);
}

static void name_backend(struct writer *w, const struct sample_backend *b)
{
	snprintf(w->labels, sizeof(w->labels), "pool=\"%s\",backend=\"%s\"",
		 pool_config(b->pool)->name, b->backend->config->name);
}

/* ---- lines ---------------------------------------------------------------- */

/* NAME{LABELS,LABEL="WORD"} and a blank; @label NULL: without. */
static void write_head(struct writer *w, const char *suffix, const char *label, const char *word)
{
	struct out *out = w->out;
	const bool has_labels = w->labels[0] || label;

	out_text(out, w->metric->name);
	out_text(out, suffix);
	if (has_labels)
		out_text(out, "{");
	out_text(out, w->labels);
	if (label) {
		out_text(out, w->labels[0] ? "," : "");
		out_text(out, label);
		out_text(out, "=");
		out_label(out, word);
	}
	out_text(out, has_labels ? "} " : " ");
}

static void write_number(struct writer *w, uint64_t value)
{
	if (w->metric->is_ms)
		out_seconds(w->out, value);
	else
		out_u64(w->out, value);
	out_text(w->out, "\n");
}

/* Bounds are powers of two in milliseconds; as seconds they never come out even. */
static void write_bound(char text[32], size_t bucket)
{
	if (bucket == HISTOGRAM_BUCKETS - 1)
		snprintf(text, 32, "+Inf");
	else
		snprintf(text, 32, "%.3f", (double)(1ull << bucket) / 1000);
}

static void write_histogram(struct writer *w)
{
	uint64_t n = 0;
	char text[32];

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		n += metric_value(w->metric, w->values, i);
		write_bound(text, i);
		write_head(w, "_bucket", "le", text);
		out_u64(w->out, n);
		out_text(w->out, "\n");
	}
	write_head(w, "_sum", NULL, NULL);
	write_number(w, metric_value(w->metric, w->values, HISTOGRAM_BUCKETS));
	write_head(w, "_count", NULL, NULL);
	out_u64(w->out, n);
	out_text(w->out, "\n");
}

static void write_values(struct writer *w)
{
	const struct metric *m = w->metric;

	if (m->kind == METRIC_HISTOGRAM) {
		write_histogram(w);
		return;
	}
	for (size_t n = 0; n < metric_values_n(m); n++) {
		const char *word = m->label ? metric_word(m, n) : NULL;

		if ((m->label && !word) || metric_value(m, w->values, n) == METRIC_NONE)
			continue;
		write_head(w, "", m->label, word);
		write_number(w, metric_value(m, w->values, n));
	}
}

/* ---- families ------------------------------------------------------------- */

/* OpenMetrics calls a counter's family without its _total. */
static void write_title(const struct writer *w, bool is_openmetrics, const char *what,
			const char *text)
{
	size_t n = strlen(w->metric->name);

	if (is_openmetrics && w->metric->kind == METRIC_COUNTER)
		n -= strlen("_total");
	out_text(w->out, what);
	out_bytes(w->out, w->metric->name, n);
	out_text(w->out, " ");
	out_text(w->out, text);
	out_text(w->out, "\n");
}

static void write_of_listeners(struct writer *w, const struct sample *s)
{
	for (size_t n = 0; n < s->listeners_n; n++) {
		if (!metric_is_of(w->metric, s->listeners[n].listener))
			continue;
		name_listener(w, s->listeners[n].listener);
		w->values = &s->listeners[n].values;
		write_values(w);
	}
}

static void write_of_pools(struct writer *w, const struct sample *s)
{
	for (size_t n = 0; n < s->pools_n; n++) {
		name_pool(w, s->pools[n].pool);
		w->values = &s->pools[n].values;
		write_values(w);
	}
}

static void write_of_backends(struct writer *w, const struct sample *s)
{
	for (size_t n = 0; n < s->backends_n; n++) {
		name_backend(w, &s->backends[n]);
		w->values = &s->backends[n].values;
		write_values(w);
	}
}

static void write_of_workers(struct writer *w, const struct sample *s)
{
	for (size_t n = 0; n < s->workers_n; n++) {
		name_worker(w, n);
		w->values = &s->workers[n];
		write_values(w);
	}
}

static void write_of_process(struct writer *w, const struct sample *s)
{
	w->labels[0] = '\0';
	w->values = &s->process;
	write_values(w);
}

/* ---- what has no values ----------------------------------------------------- */

/* A line with the metric's own label. */
static void write_word(struct writer *w, const char *word, uint64_t value)
{
	write_head(w, "", w->metric->label, word);
	write_number(w, value);
}

static void write_build(struct writer *w, const struct sample *s)
{
	(void)s;
	w->labels[0] = '\0';
	write_word(w, RINGMAIN_VERSION, 1);
}

static void write_ciphers(struct writer *w, const struct sample *s)
{
	for (size_t n = 0; n < s->listeners_n; n++) {
		struct label_counter all;

		memset(&all, 0, sizeof(all));
		metrics_add_ciphers(s->runtime, s->listeners[n].listener, &all);
		name_listener(w, s->listeners[n].listener);
		for (unsigned i = 0; i < label_counter_rows(&all); i++)
			write_word(w, all.rows[i].word, counters_get(&all.rows[i].n));
	}
}

static void write_details(struct writer *w, const struct sample *s)
{
	for (size_t n = 0; n < s->listeners_n; n++) {
		const struct listener *l = s->listeners[n].listener;
		struct label_counter all;

		memset(&all, 0, sizeof(all));
		metrics_add_details(s->runtime, l, &all);
		for (unsigned i = 0; i < label_counter_rows(&all); i++) {
			snprintf(w->labels, sizeof(w->labels), "listener=\"%s\",reason=\"%s\"",
				 l->config->name, close_reason_names[all.rows[i].kind]);
			write_word(w, all.rows[i].word, counters_get(&all.rows[i].n));
		}
	}
}

/* A file may be named twice; a series must not. */
static bool is_repeated(const struct listener_config *config, size_t i)
{
	for (size_t n = 0; n < i; n++)
		if (strcmp(config->certificates[n].chain, config->certificates[i].chain) == 0)
			return true;
	return false;
}

static void write_certificates(struct writer *w, const struct sample *s)
{
	for (size_t n = 0; n < s->listeners_n; n++) {
		const struct listener *l = s->listeners[n].listener;
		const struct tls_server *tls = runtime_tls_server(s->runtime, l);

		name_listener(w, l);
		for (size_t i = 0; tls && i < l->config->certificates_n; i++)
			if (!is_repeated(l->config, i))
				write_word(w, l->config->certificates[i].chain,
					   (uint64_t)tls_server_certificate(tls, i).until);
	}
}

/* ---- all of them ------------------------------------------------------------ */

typedef void write_fn(struct writer *w, const struct sample *s);

static write_fn *const write_of[METRIC_SCOPES] = {
	[METRIC_PROCESS] = write_of_process,       [METRIC_WORKER] = write_of_workers,
	[METRIC_LISTENER] = write_of_listeners,    [METRIC_POOL] = write_of_pools,
	[METRIC_BACKEND] = write_of_backends,      [METRIC_BUILD] = write_build,
	[METRIC_CIPHER] = write_ciphers,           [METRIC_DETAIL] = write_details,
	[METRIC_CERTIFICATE] = write_certificates,
};

void prometheus_write(const struct sample *sample, bool is_openmetrics, struct out *out)
{
	struct writer w = { .out = out };

	for (size_t n = 0; n < metrics_n; n++) {
		w.metric = &metrics[n];
		if (!w.metric->name)
			continue;
		write_title(&w, is_openmetrics, "# HELP ", w.metric->help);
		write_title(&w, is_openmetrics, "# TYPE ", metric_kind_names[w.metric->kind]);
		write_of[w.metric->scope](&w, sample);
	}
	if (is_openmetrics)
		out_text(out, "# EOF\n");
}

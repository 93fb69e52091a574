/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/foreign_line.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX 24

struct words {
	char text[256];
	const char *at[WORDS_MAX];
	size_t n;
	const char *bare_time; /* the unit of a time without one */
};

#define IN_LISTENER "in a [listener NAME]"
#define IN_POOL "in a [pool NAME]"

/* The first that fits counts. */
static const struct {
	const char *first, *second; /* NULL: any */
	const char *within;         /* somewhere in a later word; NULL: nothing */
	const char *says;           /* with the word that has this number, counted from 0 */
	size_t word;
} lines[] = {
	{ "option", "tcplog", NULL, "leave it out, each session has its line in the log", 0 },
	{ "option", "httplog", NULL, "leave it out, each session has its line in the log", 0 },
	{ "option", "dontlognull", NULL, "did you mean 'log_empty = no' " IN_LISTENER "?", 0 },
	{ "option", "dontlog-normal", NULL,
	  "did you mean 'log_sessions = unusual' " IN_LISTENER "?", 0 },
	{ "option", "pgsql-check", NULL, "did you mean 'check = postgres user=%s' " IN_POOL "?",
	  3 },
	{ "option", "mysql-check", NULL, "did you mean 'check = mysql user=%s' " IN_POOL "?", 3 },
	{ "option", "redis-check", NULL, "did you mean 'check = redis' " IN_POOL "?", 0 },
	{ "option", "ldap-check", NULL, "did you mean 'check = ldap' " IN_POOL "?", 0 },
	{ "option", "smtpchk", NULL, "did you mean 'check = smtp' " IN_POOL "?", 0 },
	{ "option", "ssl-hello-chk", NULL, "did you mean 'check = tls' " IN_POOL "?", 0 },
	{ "option", "tcp-check", NULL, "did you mean 'check = tcp' " IN_POOL "?", 0 },
	{ "option", "httpchk", NULL, "did you mean 'check = http' " IN_POOL "?", 0 },
	{ "option", NULL, "tcpka", "leave it out, 'keepalive = yes' is the default", 0 },
	{ "option", NULL, "splice-", "leave it out, 'relay = auto' is the default", 0 },
	{ "option", "redispatch", NULL,
	  "leave it out, each of 'connect_tries' is at another backend", 0 },
	{ "option", NULL, NULL, "there is a directive for each, see ringmain.ini(5)", 0 },
	{ "log", "global", NULL, "leave it out, 'log' of [global] is for all", 0 },
	{ "log", "stdout", NULL, "did you mean 'log = stderr' in [global]?", 0 },
	{ "log", "stderr", NULL, "did you mean 'log = stderr' in [global]?", 0 },
	{ "log", "/dev/log", NULL, "did you mean 'log = syslog' in [global]?", 0 },
	{ "log", NULL, NULL, "did you mean 'log = syslog:%s' in [global]?", 1 },
	{ "access_log", "off", NULL, "did you mean 'log_sessions = off' " IN_LISTENER "?", 0 },
	{ "access_log", NULL, NULL, "did you mean 'log = file:%s' in [global]?", 1 },
	{ "error_log", "stderr", NULL, "did you mean 'log = stderr' in [global]?", 0 },
	{ "error_log", NULL, NULL, "did you mean 'log = file:%s' in [global]?", 1 },
	{ "log-format", NULL, NULL, "here it is 'log_format' in [global], a text with {FIELD}s",
	  0 },
	{ "stats", "socket", NULL, "here it is 'control' in [global], see ringmainctl(8)", 0 },
	{ "stats", NULL, NULL, "here it is 'status' in [global], see ringmain-metrics(7)", 0 },
	{ "stub_status", NULL, NULL, "here it is 'status' in [global], see ringmain-metrics(7)",
	  0 },
	{ "api", NULL, NULL, "here it is 'status' in [global], and ringmainctl(8)", 0 },
	{ "http-request", NULL, "prometheus", "here it is 'status' in [global]", 0 },
	{ "http-request", NULL, NULL, "HTTP is not looked at here, only TCP and TLS", 0 },
	{ "http-response", NULL, NULL, "HTTP is not looked at here, only TCP and TLS", 0 },
	{ "tcp-request", NULL, "src_conn_cur", "here it is 'max_sessions_per_source' " IN_LISTENER,
	  0 },
	{ "tcp-request", NULL, "src_conn_rate", "here it is 'session_rate_per_source' " IN_LISTENER,
	  0 },
	{ "tcp-request", NULL, "accept", "here it is 'allow', with addresses, " IN_LISTENER, 0 },
	{ "tcp-request", NULL, "reject", "here it is 'deny', with addresses, " IN_LISTENER, 0 },
	{ "acl", NULL, "-f", "here it is 'allow' or 'deny' with file:PATH, " IN_LISTENER, 0 },
	{ "acl", NULL, "src", "did you mean 'allow = %s', or deny, " IN_LISTENER "?", 3 },
	{ "use_backend", NULL, NULL, "did you mean 'route = sni NAME -> %s' " IN_LISTENER "?", 1 },
	{ "map", NULL, "$ssl_preread", "here each line of it is a 'route' " IN_LISTENER, 0 },
	{ "filter", NULL, "bwlim", "here it is 'bandwidth' " IN_LISTENER, 0 },
	{ "source", NULL, "usesrc", "did you mean 'transparent = yes' " IN_POOL "?", 0 },
	{ "proxy_bind", NULL, "transparent", "did you mean 'transparent = yes' " IN_POOL "?", 0 },
	{ "tcp-check", "connect", NULL, "did you mean 'check = tcp' " IN_POOL "?", 0 },
	{ "tcp-check", NULL, NULL, "here it is 'check_step', beside 'check = expect' " IN_POOL, 0 },
	{ "http-check", NULL, NULL, "did you mean 'check = http' " IN_POOL "?", 0 },
	{ "health_check", NULL, NULL, "did you mean 'check = tcp' " IN_POOL "?", 0 },
	{ "stick", "on", NULL, "did you mean 'stick = source' " IN_POOL "?", 0 },
	{ "stick", "match", NULL, "did you mean 'stick = source' " IN_POOL "?", 0 },
	{ "balance", "hash", NULL, "did you mean 'balance = maglev' " IN_POOL "?", 0 },
	{ "hash", NULL, "$", "did you mean 'balance = maglev' " IN_POOL "?", 0 },
	{ "ip_hash", NULL, NULL, "did you mean 'balance = maglev' " IN_POOL "?", 0 },
	{ "least_conn", NULL, NULL, "did you mean 'balance = leastconn' " IN_POOL "?", 0 },
	{ "least_time", NULL, NULL, "did you mean 'balance = leastconn' " IN_POOL "?", 0 },
	{ "random", NULL, NULL, "did you mean 'balance = random' " IN_POOL "?", 0 },
	{ "listen", NULL, "ssl", "here it is 'bind', beside tls = terminate and certificate = FILE",
	  0 },
	{ "listen", NULL, "proxy_protocol", "here it is 'bind', beside proxy_protocol = accept",
	  0 },
	{ "queue", NULL, "timeout", "did you mean 'queue = %s' " IN_POOL ", and queue_timeout?",
	  1 },
};

/* What stands behind a server's address. */
static const struct {
	const char *word, *ours;
	bool has_value, is_time;
	bool is_option; /* of the backend: behind its address here, too */
} options[] = {
	{ .word = "weight", .ours = " weight=%s", .has_value = true, .is_option = true },
	{ .word = "maxconn", .ours = " max_sessions=%s", .has_value = true, .is_option = true },
	{ .word = "max_conns", .ours = " max_sessions=%s", .has_value = true, .is_option = true },
	{ .word = "backup", .ours = " backup", .is_option = true },
	{ .word = "disabled", .ours = " weight=0", .is_option = true },
	{ .word = "down", .ours = " weight=0", .is_option = true },
	{ .word = "check", .ours = "check = tcp" },
	{ .word = "port", .ours = "check_port = %s", .has_value = true },
	{ .word = "inter", .ours = "check_interval = %s", .has_value = true, .is_time = true },
	{ .word = "fastinter",
	  .ours = "check_fast_interval = %s",
	  .has_value = true,
	  .is_time = true },
	{ .word = "fall", .ours = "check_fall = %s", .has_value = true },
	{ .word = "rise", .ours = "check_rise = %s", .has_value = true },
	{ .word = "observe", .ours = "eject_percent = 50", .has_value = true },
	{ .word = "error-limit", .ours = "eject_after = %s", .has_value = true },
	{ .word = "max_fails", .ours = "eject_after = %s", .has_value = true },
	{ .word = "fail_timeout", .ours = "eject_time = %s", .has_value = true, .is_time = true },
	{ .word = "on-marked-down", .ours = "on_down = reset", .has_value = true },
	{ .word = "maxqueue", .ours = "queue = %s", .has_value = true },
	{ .word = "slowstart", .ours = "slow_start = %s", .has_value = true, .is_time = true },
	{ .word = "slow_start", .ours = "slow_start = %s", .has_value = true, .is_time = true },
	{ .word = "send-proxy", .ours = "send_proxy = v1" },
	{ .word = "send-proxy-v2", .ours = "send_proxy = v2" },
	{ .word = "source", .ours = "source = %s", .has_value = true },
	{ .word = "usesrc", .ours = "transparent = yes", .has_value = true },
	{ .word = "ssl", .ours = "tls = yes" },
	{ .word = "verify", .ours = "tls_verify = %s", .has_value = true },
	{ .word = "ca-file", .ours = "tls_ca = %s", .has_value = true },
	{ .word = "sni", .ours = "tls_sni = NAME", .has_value = true },
};

/* nginx ends a line with ';' or '{', and has '=' within options; its bare times are in seconds. */
static bool split_words(struct words *w, const char *line, size_t n)
{
	char *rest;

	w->bare_time = "ms";
	while (n > 0 && strchr(";{ \t", line[n - 1])) {
		w->bare_time = line[n - 1] == ';' ? "s" : w->bare_time;
		n--;
	}
	if (n >= sizeof(w->text) || memchr(line, ';', n))
		return false;
	memcpy(w->text, line, n);
	w->text[n] = '\0';
	w->n = 0;
	for (char *word = strtok_r(w->text, " \t=", &rest); word && w->n < WORDS_MAX;
	     word = strtok_r(NULL, " \t=", &rest))
		w->at[w->n++] = word;
	return w->n > 0;
}

/* Adds to a text what still has room there. */
static void add(char text[FOREIGN_LINE_BYTES], const char *format, const char *word)
{
	const size_t n = strlen(text);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text + n, FOREIGN_LINE_BYTES - n, format, word);
#pragma GCC diagnostic pop
}

static bool has_within(const struct words *w, const char *text)
{
	for (size_t i = 1; i < w->n; i++)
		if (strstr(w->at[i], text))
			return true;
	return false;
}

static bool fits(const struct words *w, size_t i)
{
	const char *second = w->n > 1 ? w->at[1] : "";

	return strcasecmp(w->at[0], lines[i].first) == 0 &&
	       (!lines[i].second || strcasecmp(second, lines[i].second) == 0) &&
	       (!lines[i].within || has_within(w, lines[i].within));
}

static bool format_known(const struct words *w, char text[FOREIGN_LINE_BYTES])
{
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (!fits(w, i))
			continue;
		text[0] = '\0';
		add(text, lines[i].says, lines[i].word < w->n ? w->at[lines[i].word] : "NAME");
		return true;
	}
	return false;
}

/* The number of what it says; ARRAY_LEN(options): nothing that is known. */
static size_t find_option(const char *word)
{
	size_t i = 0;

	while (i < ARRAY_LEN(options) && strcasecmp(options[i].word, word) != 0)
		i++;
	return i;
}

static void add_option(char text[FOREIGN_LINE_BYTES], size_t which, const char *value,
		       const char *bare_time)
{
	const bool is_bare = value[strspn(value, "0123456789")] == '\0';
	char time[64];

	if (strcmp(options[which].word, "verify") == 0)
		value = strcasecmp(value, "none") == 0 ? "no" : "yes";
	snprintf(time, sizeof(time), "%s%s", value,
		 options[which].is_time && is_bare ? bare_time : "");
	add(text, options[which].ours, time);
}

/* What the words from @first on say: of the backend to @text, of its pool to @beside. */
static void format_options(const struct words *w, size_t first, char text[FOREIGN_LINE_BYTES],
			   char beside[FOREIGN_LINE_BYTES])
{
	for (size_t i = first; i < w->n; i++) {
		const size_t which = find_option(w->at[i]);
		const char *value = "";

		if (which == ARRAY_LEN(options))
			continue;
		if (options[which].has_value)
			value = i + 1 < w->n ? w->at[++i] : "N";
		if (options[which].is_option) {
			add_option(text, which, value, w->bare_time);
			continue;
		}
		add(beside, "%s'", beside[0] ? ", " : "");
		add_option(beside, which, value, w->bare_time);
		add(beside, "%s", "'");
	}
}

/*
 * "server NAME ADDRESS OPTION...", or nginx's without a name: options of a
 * backend stay, others are for all of the pool.
 */
static void format_server(const struct words *w, char text[FOREIGN_LINE_BYTES])
{
	const bool has_name = !strchr(w->at[1], ':') && w->n > 2 && strcspn(w->at[2], ":/") > 0 &&
			      strpbrk(w->at[2], ":/");
	char beside[FOREIGN_LINE_BYTES] = "";

	snprintf(text, FOREIGN_LINE_BYTES, "did you mean 'backend = %.100s %.100s",
		 has_name ? w->at[1] : "NAME", w->at[has_name ? 2 : 1]);
	format_options(w, has_name ? 3 : 2, text, beside);
	add(text, "%s", beside[0] ? "', and for all of the pool " : "'");
	add(text, "%s?", beside);
}

/* "default-server OPTION...": those that are a pool's here. */
static bool format_default_server(const struct words *w, char text[FOREIGN_LINE_BYTES])
{
	char beside[FOREIGN_LINE_BYTES] = "", own[FOREIGN_LINE_BYTES] = "";

	format_options(w, 1, own, beside);
	snprintf(text, FOREIGN_LINE_BYTES, "did you mean ");
	add(text, "%s " IN_POOL "?", beside);
	return beside[0];
}

static bool has_address(const struct words *w)
{
	return (w->n > 1 && strpbrk(w->at[1], ":/.")) || (w->n > 2 && strpbrk(w->at[2], ":/."));
}

bool foreign_line_format(const char *line, size_t n, char ret_text[FOREIGN_LINE_BYTES])
{
	struct words w;

	if (!split_words(&w, line, n))
		return false;
	if (strcasecmp(w.at[0], "server") == 0 && has_address(&w)) {
		format_server(&w, ret_text);
		return true;
	}
	if (strcasecmp(w.at[0], "default-server") == 0)
		return format_default_server(&w, ret_text);
	return format_known(&w, ret_text);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "base/def.h"
#include "config/diff.h"
#include "config/directive.h"
#include "config/setting.h"
#include "config/value.h"

#define BASE                       \
	"[listener in]\n"          \
	"bind = 127.0.0.1:5432\n"  \
	"pool = pg\n"              \
	"[pool pg]\n"              \
	"backend = a 10.0.0.1:1\n" \
	"backend = b 10.0.0.2:1\n"

static char lines[8192];

static void note(void *owner, const char *line)
{
	size_t n = strlen(lines);

	(void)owner;
	assert_true(n + strlen(line) + 2 < sizeof(lines));
	snprintf(lines + n, sizeof(lines) - n, "%s\n", line);
}

/* What is said of the way from one text to the other. */
static const char *diff(struct bed *st, const char *now, const char *then)
{
	struct config_started started;
	struct config *before;
	struct diag diag;

	diag_init(&diag);
	before = config_load_text("x.ini", now, strlen(now), &diag);
	diag_finish(&diag);
	assert_non_null(before);
	bed_load(st, then);
	assert_non_null(st->config);
	lines[0] = '\0';
	config_started_note(&started, before);
	config_diff(before, st->config, &started, note, NULL);
	config_destroy(before);
	return lines;
}

static void what_is_the_same_is_not_told(void **state)
{
	assert_string_equal(diff(*state, BASE, BASE), "");
	/* Another way to write it, and a default. */
	assert_string_equal(diff(*state, BASE,
				 "[pool pg]\n"
				 "connect_timeout = 1000ms\n"
				 "backend = a 10.0.0.1:1\n"
				 "backend = b 10.0.0.2:1 weight=1\n"
				 "[listener in]\n"
				 "bind = 127.0.0.1:5432\n"
				 "pool = pg\n"),
			    "");
}

static void sections_come_and_go(void **state)
{
	const char *more = BASE "[listener mqtt]\nbind = *:1883\nbind = *:1884\npool = many\n"
				"[pool many]\nbackend = x 10.0.0.9:1\n";

	assert_string_equal(diff(*state, BASE, more), "+ listener mqtt *:1883, *:1884\n"
						      "+ pool many: 1 backend\n");
	assert_string_equal(diff(*state, more, BASE), "- listener mqtt\n- pool many\n");
}

static void backends_are_told_apart_by_their_names(void **state)
{
	const struct {
		const char *backends, *told;
	} rows[] = {
		{ "backend = a 10.0.0.1:1\n", "- pool pg: backend b\n" },
		{ "backend = a 10.0.0.1:1 weight=3\nbackend = b 10.0.0.2:1\n",
		  "~ pool pg: backend a weight 1 -> 3\n" },
		{ "backend = a 10.0.0.1:1 max_sessions=7 tier=1\nbackend = b 10.0.0.2:1\n",
		  "~ pool pg: backend a max_sessions 0 -> 7\n"
		  "~ pool pg: backend a tier 0 -> 1\n" },
		{ "backend = a 10.0.0.3:1\nbackend = b 10.0.0.2:1\n",
		  "~ pool pg: backend a 10.0.0.1:1 -> 10.0.0.3:1\n" },
		{ "backend = a 10.0.0.1:1\nbackend = c 10.0.0.2:1\n",
		  "+ pool pg: backend c 10.0.0.2:1\n- pool pg: backend b\n" },
		{ "backend = b 10.0.0.2:1\nbackend = a 10.0.0.1:1\n",
		  "~ pool pg: backend: another order\n" },
		{ "backend = c 10.0.0.3:1\nbackend = a 10.0.0.1:1\nbackend = b 10.0.0.2:1\n",
		  "+ pool pg: backend c 10.0.0.3:1\n" },
		{ "backend = a 10.0.0.1:1 check_address=10.0.0.9\nbackend = b 10.0.0.2:1\n",
		  "~ pool pg: backend a check_address\n" },
	};

	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		char then[512];

		snprintf(then, sizeof(then),
			 "[listener in]\nbind = 127.0.0.1:5432\npool = pg\n[pool pg]\n%s",
			 rows[n].backends);
		assert_string_equal(diff(*state, BASE, then), rows[n].told);
	}
}

/* What a certificate has to say is another name then. */
static void another_name_of_the_same_address_is_told(void **state)
{
	const char *name = "[listener in]\nbind = :1\npool = pg\n"
			   "[pool pg]\nbackend = h one.example:1\n";
	const char *addr = "[listener in]\nbind = :1\npool = pg\n"
			   "[pool pg]\nbackend = h two.example:1\n";

	diff(*state, name, addr);
	assert_non_null(strstr(lines, "~ pool pg: backend h one.example:1 -> two.example:1"));
}

/* Where they differ may be far behind what a line has room for. */
static void long_values_are_compared_to_their_ends(void **state)
{
	char now[1024], then[1024];

	snprintf(now, sizeof(now), BASE "tls = yes\ntls_ca = /%0200da\n", 1);
	snprintf(then, sizeof(then), BASE "tls = yes\ntls_ca = /%0200db\n", 1);
	assert_non_null(strstr(diff(*state, now, then), "tls_ca"));
}

/* A reload that has been done has changed nothing of it: it is told again, until it is undone. */
static void what_takes_a_restart_is_compared_with_the_start(void **state)
{
	static const char four[] = "[global]\nworkers = 4\nlog = stderr\n" BASE;
	struct config_started started;
	struct bed *st = *state;
	struct config *now;

	bed_load(st, BASE);
	config_started_note(&started, st->config);
	bed_load(st, four);
	now = st->config;
	st->config = NULL;
	lines[0] = '\0';
	config_diff(now, now, &started, note, NULL);
	assert_string_equal(lines, "! workers auto -> 4: takes effect at the next start\n");
	lines[0] = '\0';
	config_diff_pending(now, &started, note, NULL);
	assert_string_equal(lines, "workers auto -> 4\n");
	bed_load(st, BASE);
	lines[0] = '\0';
	config_diff(now, st->config, &started, note, NULL);
	config_diff_pending(st->config, &started, note, NULL);
	assert_string_equal(lines, "");
	config_destroy(now);
}

static void values_are_told_as_they_are_written(void **state)
{
	const struct {
		const char *now, *then, *told;
	} rows[] = {
		{ "", "idle_timeout = 90s", "~ listener in: idle_timeout 1h -> 90s\n" },
		{ "idle_timeout = 90s", "", "~ listener in: idle_timeout 90s -> 1h\n" },
		{ "alpn = h2\ntls = passthrough", "tls = passthrough",
		  "~ listener in: alpn h2 -> (none)\n" },
		{ "tls = passthrough", "alpn = h2\ntls = passthrough",
		  "~ listener in: alpn (none) -> h2\n" },
		{ "[global]\nworkers = 2", "[global]\nworkers = 3",
		  "! workers 2 -> 3: takes effect at the next start\n" },
	};

	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		char now[512], then[512];

		snprintf(now, sizeof(now), BASE "[defaults listener]\n%s\n", rows[n].now);
		snprintf(then, sizeof(then), BASE "[defaults listener]\n%s\n", rows[n].then);
		assert_string_equal(diff(*state, now, then), rows[n].told);
	}
}

/* Of lists, entries; their order counts where no entry differs. */
static void lists_are_told_entry_by_entry(void **state)
{
	const struct {
		const char *now, *then, *told;
	} rows[] = {
		{ "allow = 10.0.0.0/8", "allow = 10.0.0.0/8\ndeny = all",
		  "+ listener in: deny all\n" },
		{ "deny = 10.0.0.1\nallow = 10.0.0.0/8", "allow = 10.0.0.0/8",
		  "- listener in: deny 10.0.0.1\n" },
		{ "deny = 10.0.0.0/8", "allow = 10.0.0.0/8",
		  "+ listener in: allow 10.0.0.0/8\n- listener in: deny 10.0.0.0/8\n" },
		{ "deny = 10.0.0.1\nallow = 10.0.0.0/8", "allow = 10.0.0.0/8\ndeny = 10.0.0.1",
		  "~ listener in: allow: another order\n" },
		{ "bind = :1", "bind = :2", "+ listener in: bind *:2\n- listener in: bind *:1\n" },
	};

	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		char now[512], then[512];

		snprintf(now, sizeof(now),
			 "[pool pg]\nbackend = a 10.0.0.1:1\n[listener in]\n"
			 "bind = 127.0.0.1:5432\npool = pg\n%s\n",
			 rows[n].now);
		snprintf(then, sizeof(then),
			 "[pool pg]\nbackend = a 10.0.0.1:1\n[listener in]\n"
			 "bind = 127.0.0.1:5432\npool = pg\n%s\n",
			 rows[n].then);
		assert_string_equal(diff(*state, now, then), rows[n].told);
	}
}

/* Values that none has in BASE, of those whose row does not say what can be written. */
static const struct {
	enum config_section section;
	const char *key, *value;
} others[] = {
	{ SECTION_GLOBAL, "log", "syslog" },
	{ SECTION_GLOBAL, "log_format", "json" },
	{ SECTION_GLOBAL, "ticket_keys", "/keys" },
	{ SECTION_GLOBAL, "control", "unix:/c" },
	{ SECTION_GLOBAL, "status", "127.0.0.1:1" },
	{ SECTION_GLOBAL, "status_allow", "10.0.0.0/8" },
	{ SECTION_LISTENER, "bind", ":1" },
	{ SECTION_LISTENER, "pool", "other" },
	{ SECTION_LISTENER, "route", "sni a.example -> other" },
	{ SECTION_LISTENER, "allow", "10.0.0.0/8" },
	{ SECTION_LISTENER, "deny", "10.0.0.0/8" },
	{ SECTION_LISTENER, "proxy_protocol_from", "10.0.0.0/8" },
	{ SECTION_LISTENER, "tls", "passthrough" }, /* off is what auto is there */
	{ SECTION_LISTENER, "certificate", "/a.pem" },
	{ SECTION_LISTENER, "client_allow", "cn a" },
	{ SECTION_LISTENER, "client_deny", "cn a" },
	{ SECTION_POOL, "hash", "destination" },
	{ SECTION_POOL, "hash_table", "65537" },
	{ SECTION_POOL, "stick", "source" },
	{ SECTION_POOL, "backend", "c 10.0.0.3:1" },
	{ SECTION_POOL, "source", "10.0.0.9" },
	{ SECTION_POOL, "check", "redis" },
	{ SECTION_POOL, "check_step", "send a" },
	{ SECTION_POOL, "check_address", "10.0.0.9" },
	{ SECTION_POOL, "max_lag", "1M" },
	{ SECTION_POOL, "failback", "after 10s" },
	{ SECTION_POOL, "tls_sni", "a.example" },
};

static const char *another_value(const struct directive *d, char text[TEXT_NUMBER_BYTES])
{
	for (size_t n = 0; n < ARRAY_LEN(others); n++)
		if (others[n].section == d->section && strcmp(others[n].key, d->key) == 0)
			return others[n].value;
	if (d->type == &type_text || d->type == &type_file || d->type == &type_name)
		return "x";
	if (d->type == &type_flag)
		return strcmp(d->fallback, "yes") == 0 ? "no" : "yes";
	if (d->type == &type_choice)
		return d->words[strcmp(d->fallback, d->words[0]) == 0 ? 1 : 0];
	assert_non_null(d->type->format);
	d->type->format(d->max, text);
	return strcmp(d->fallback, text) == 0 ? d->type->format(d->min, text) : text;
}

static void *section_of(struct config *config, enum config_section section)
{
	if (section == SECTION_GLOBAL)
		return &config->global;
	return section == SECTION_POOL ? (void *)&config->pools[0] : (void *)&config->listeners[0];
}

/* They bring others in, and these are told. */
static bool stands_for_others(const struct directive *d)
{
	return d->type == &type_include || d->type == &type_like;
}

/* Whatever its row says: what takes effect is told. */
static void a_change_of_any_directive_is_told(void **state)
{
	struct config_started started;
	struct bed *st = *state;
	struct config *before;
	char text[TEXT_NUMBER_BYTES];

	bed_load(st, BASE);
	before = st->config;
	config_started_note(&started, before);
	st->config = NULL;
	for (const struct directive *d = directives; d < directives + directives_n; d++) {
		struct setting s = { .directive = d, .title = d->key, .diag = &st->diag };

		if (stands_for_others(d))
			continue;
		bed_load(st, BASE);
		s.text = another_value(d, text);
		d->type->set(&s, section_of(st->config, d->section));
		bed_expect(st, "");
		lines[0] = '\0';
		config_diff(before, st->config, &started, note, NULL);
		if (!strstr(lines, d->key) || !strchr("!+~", lines[0]))
			fail_msg("%s = %s: '%s'", d->key, s.text, lines);
	}
	config_destroy(before);
}

/*
 * What is a pool's is looked at when it is used, in the newest configuration; a session has its
 * listener's from the generation it was accepted in.
 */
static void all_of_a_pool_counts_now(void **state)
{
	(void)state;
	for (size_t n = 0; n < directives_n; n++) {
		if (directives[n].section == SECTION_POOL)
			assert_int_equal(directives[n].reload, RELOAD_NOW);
		if (directives[n].section == SECTION_LISTENER)
			assert_int_not_equal(directives[n].reload, RELOAD_RESTART);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_pool_counts_now),
		bed_test(what_is_the_same_is_not_told),
		bed_test(sections_come_and_go),
		bed_test(backends_are_told_apart_by_their_names),
		bed_test(another_name_of_the_same_address_is_told),
		bed_test(long_values_are_compared_to_their_ends),
		bed_test(what_takes_a_restart_is_compared_with_the_start),
		bed_test(values_are_told_as_they_are_written),
		bed_test(lists_are_told_entry_by_entry),
		bed_test(a_change_of_any_directive_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

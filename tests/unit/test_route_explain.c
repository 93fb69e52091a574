/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include <errno.h>

#include "app/route_explain.h"
#include "base/def.h"

static const char text[] = "[listener tls]\nbind = :1\ntls = passthrough\npool = names\n"
			   "route = sni *.example.com -> plain\n"
			   "[listener only]\nbind = :2\ntls = passthrough\n"
			   "route = sni db.example.com -> names\n"
			   "[listener in]\nbind = :3\npool = nets\n"
			   "[listener out]\nbind = :4\npool = ports\n"
			   "[pool plain]\nbackend = b 192.0.2.1:80\n"
			   "[pool names]\nbalance = maglev\nhash = sni\n"
			   "backend = a 192.0.2.1:81\nbackend = b 192.0.2.1:82\n"
			   "[pool nets]\nbalance = maglev\nhash = source/24/56\n"
			   "backend = a 192.0.2.1:83\nbackend = b 192.0.2.1:84\n"
			   "backend = c 192.0.2.1:85\nbackend = d 192.0.2.1:86\n"
			   "[pool ports]\nbalance = maglev\nhash = destination\n"
			   "backend = a 192.0.2.1:87\n";

/* Gives what is said of @key, to be freed, and in *ret_err what it returns. */
static char *explain(struct bed *st, const char *key, int *ret_err)
{
	char *said;
	size_t bytes;
	FILE *to = open_memstream(&said, &bytes);

	assert_non_null(to);
	*ret_err = route_explain(st->config, key, to);
	assert_int_equal(fclose(to), 0);
	return said;
}

/* What is said of @pool, from the second line on: who gets it. Valid until the next call. */
static const char *answer_of(struct bed *st, const char *key, const char *pool)
{
	static char answer[256];
	char begin[128];
	int err;
	char *said = explain(st, key, &err), *at;

	snprintf(begin, sizeof(begin), "[pool %s]: %s gets ", pool, key);
	at = strstr(said, begin);
	answer[0] = '\0';
	if (err == 0 && at)
		snprintf(answer, sizeof(answer), "%.*s",
			 (int)strcspn(at, "\n") - (int)strlen(begin), at + strlen(begin));
	free(said);
	return answer;
}

static bool is_same(struct bed *st, const char *pool, const char *key, const char *other)
{
	char answer[256];

	snprintf(answer, sizeof(answer), "%s", answer_of(st, key, pool));
	assert_true(answer[0] != '\0');
	return strcmp(answer, answer_of(st, other, pool)) == 0;
}

static void a_key_counts_as_far_as_its_pool_looks(void **state)
{
	struct bed *st = *state;

	bed_load(st, text);
	bed_expect_good(st);
	assert_true(is_same(st, "nets", "10.1.2.3", "10.1.2.77"));
	assert_true(is_same(st, "nets", "10.1.2.3", "10.1.2.77:99"));
	assert_true(is_same(st, "nets", "10.1.2.3", "::ffff:10.1.2.9"));
	assert_false(is_same(st, "nets", "10.1.2.3", "10.1.3.3"));
	assert_true(is_same(st, "nets", "2001:db8:0:ab00::1", "2001:db8:0:abff::2"));
	assert_false(is_same(st, "nets", "2001:db8:0:ab00::1", "2001:db8:0:ac00::1"));
	assert_true(is_same(st, "names", "db.example.com", "DB.example.com."));
	assert_false(is_same(st, "names", "db.example.com", "db2.example.com"));
	/* Without a name the address. */
	assert_false(is_same(st, "names", "10.1.2.3", "10.1.2.77"));
	assert_false(is_same(st, "ports", "10.1.2.3:80", "10.1.2.3:81"));
}

static void each_pool_is_asked_what_it_knows(void **state)
{
	static const struct {
		const char *key;
		bool names, nets, ports;
	} rows[] = {
		{ "db.example.com", true, false, false },
		{ "10.0.0.1", true, true, false },
		{ "[2001:db8::1]:80", true, true, true },
		{ "10.0.0.1:80", true, true, true },
	};
	struct bed *st = *state;

	bed_load(st, text);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(answer_of(st, rows[i].key, "names")[0] != '\0', rows[i].names);
		assert_int_equal(answer_of(st, rows[i].key, "nets")[0] != '\0', rows[i].nets);
		assert_int_equal(answer_of(st, rows[i].key, "ports")[0] != '\0', rows[i].ports);
		assert_int_equal(answer_of(st, rows[i].key, "plain")[0], '\0');
	}
}

static void everybody_is_named_once_in_the_order_of_turns(void **state)
{
	struct bed *st = *state;
	const char *answer;

	bed_load(st, text);
	answer = answer_of(st, "10.0.0.1", "nets");
	for (char name = 'a'; name <= 'd'; name++) {
		char backend[] = "x (192.0.2.1:8";
		const char *at;

		backend[0] = name;
		at = strstr(answer, backend);
		assert_non_null(at);
		assert_null(strstr(at + 1, backend));
	}
	assert_non_null(strstr(answer, ", which slot "));
	assert_non_null(strstr(answer, "; after it "));
	answer = answer_of(st, "10.0.0.1:80", "ports");
	assert_non_null(strstr(answer, "a (192.0.2.1:87), which slot "));
	assert_null(strstr(answer, "; after it "));
}

static void further_tiers_come_after_the_first(void **state)
{
	struct bed *st = *state;
	const char *answer, *next;

	bed_load(st, "[listener in]\nbind = :3\npool = tiers\n"
		     "[pool tiers]\nbalance = maglev\nbackend = a 192.0.2.1:83 tier=2\n"
		     "backend = b 192.0.2.1:84 backup\nbackend = c 192.0.2.1:85\n");
	answer = answer_of(st, "10.0.0.1", "tiers");
	next = strstr(answer, "; after it b (192.0.2.1:84), a (192.0.2.1:83)");
	assert_memory_equal(answer, "c (192.0.2.1:85), ", 18);
	assert_non_null(next);
}

static void names_are_routed_by_each_listener(void **state)
{
	struct bed *st = *state;
	char *said;
	int err;

	bed_load(st, text);
	said = explain(st, "db.example.com", &err);
	assert_int_equal(err, 0);
	assert_non_null(strstr(said, "[listener tls]: db.example.com goes to [pool plain]\n"));
	assert_non_null(strstr(said, "[listener only]: db.example.com goes to [pool names]\n"));
	assert_null(strstr(said, "[listener in]"));
	free(said);
	said = explain(st, "example.com", &err);
	assert_non_null(strstr(said, "[listener tls]: example.com goes to [pool names]\n"));
	assert_non_null(strstr(said, "[listener only]: example.com is refused: no route fits, and "
				     "there is no pool\n"));
	free(said);
}

/* 63 letters. */
#define LONG_NAME "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void log_ins_are_routed_by_those_who_read_them(void **state)
{
	static const char logins[] = "[listener pg]\nbind = :1\nprotocol = postgres\ntls = off\n"
				     "route = database shop* -> shops\nroute = user ana -> ana\n"
				     "route = database \"my db\" -> ana\n"
				     "route = user \"o\\\"x \\\\ y\" -> ana\n"
				     "route = database " LONG_NAME " -> ana\n"
				     "[listener in]\nbind = :2\npool = ana\n"
				     "[pool shops]\nbackend = s 192.0.2.1:80\n"
				     "[pool ana]\nbackend = a 192.0.2.1:81\n";
	static const struct {
		const char *key, *said;
		int err;
	} rows[] = {
		{ "database=shop_eu", "goes to [pool shops]\n[pool shops]: ", 0 },
		{ "user=ana database=shop", "goes to [pool shops]\n[pool shops]: ", 0 },
		{ "database=x user=ana", "goes to [pool ana]\n[pool ana]: ", 0 },
		{ "user=shopper", "goes to [pool shops]\n", 0 },
		{ "user=bob", "is refused: no route fits, and there is no pool\n", 0 },
		{ "database=\"my db\"", "goes to [pool ana]\n", 0 },
		{ "user=bob database=\"my db\"", "goes to [pool ana]\n", 0 },
		{ "database=\"my db\" \t user=bob ", "goes to [pool ana]\n", 0 },
		{ "user=\"o\\\"x \\\\ y\"", "goes to [pool ana]\n", 0 },
		{ "database=\"shop\"", "goes to [pool shops]\n", 0 },
		{ "database=" LONG_NAME "y", "goes to [pool ana]\n", 0 },
		{ "user=", "", -EINVAL },
		{ "user=\"\"", "", -EINVAL },
		{ "database=\"my db", "", -EINVAL },
		{ "database=\"my\"db", "", -EINVAL },
		{ "database=my db", "", -EINVAL },
		{ "user=bob host=x", "", -EINVAL },
		{ "", "", -EINVAL },
	};
	struct bed *st = *state;

	bed_load(st, logins);
	bed_expect_good(st);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err;
		char *said = explain(st, rows[i].key, &err);

		assert_int_equal(err, rows[i].err);
		if (!strstr(said, rows[i].said) || strstr(said, "[listener in]"))
			fail_msg("%s: %s", rows[i].key, said);
		free(said);
	}
}

static void who_is_rejected_gets_no_backend(void **state)
{
	static const struct {
		const char *rules, *key, *listener, *pool;
	} rows[] = {
		{ "deny = 10.0.0.0/8 192.0.2.9", "10.1.2.3", "denied: deny = 10.0.0.0/8\n",
		  "gets no backend: no listener" },
		{ "deny = 10.0.0.0/8", "192.0.2.1",
		  "allowed: it fits no rule, and the last one is of deny\n", "gets a " },
		{ "allow = 10.0.0.0/8", "192.0.2.1",
		  "denied: it fits no rule, and the last one is of allow\n",
		  "gets no backend: no listener" },
		{ "allow = 10.0.0.0/8\ndeny = all", "10.1.2.3", "allowed: allow = 10.0.0.0/8\n",
		  "gets a " },
		{ "allow = 10.0.0.0/8\ndeny = all", "2001:db8::1", "denied: deny = all\n",
		  "gets no backend: no listener" },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char config[512], *said;
		int err;

		snprintf(config, sizeof(config),
			 "[listener in]\nbind = :3\npool = p\n%s\n[pool p]\nbalance = maglev\n"
			 "backend = a 192.0.2.1:80\n",
			 rows[i].rules);
		bed_load(st, config);
		bed_expect_good(st);
		said = explain(st, rows[i].key, &err);
		assert_int_equal(err, 0);
		if (!strstr(said, rows[i].listener) || !strstr(said, rows[i].pool))
			fail_msg("%s: %s", rows[i].rules, said);
		free(said);
	}
}

/* Where one listener lets it in, it goes there. */
static void one_open_door_is_enough(void **state)
{
	struct bed *st = *state;
	char *said;
	int err;

	bed_load(st, "[listener shut]\nbind = :3\npool = p\nallow = 10.0.0.0/8\n"
		     "[listener open]\nbind = :4\npool = p\n"
		     "[pool p]\nbackend = a 192.0.2.1:80\n");
	said = explain(st, "192.0.2.7", &err);
	assert_int_equal(err, 0);
	assert_non_null(strstr(said, "[listener shut]: 192.0.2.7 is denied"));
	assert_null(strstr(said, "gets no backend"));
	assert_non_null(strstr(said, "[pool p]: balance = random: "));
	free(said);
}

static void every_balancer_says_what_decides(void **state)
{
	static const struct {
		const char *pool, *says;
	} rows[] = {
		{ "balance = roundrobin\nbackend = a 192.0.2.1:80 weight=3\n"
		  "backend = b 192.0.2.2:80",
		  "[pool p]: balance = roundrobin: in turns by weight, whoever comes, of "
		  "a (192.0.2.1:80) weight=3, b (192.0.2.2:80)\n" },
		{ "balance = leastconn\nbackend = a 192.0.2.1:80",
		  "[pool p]: balance = leastconn: the one with the fewest sessions for its "
		  "weight, of a (192.0.2.1:80)\n" },
		{ "backend = a 192.0.2.1:80",
		  "[pool p]: balance = random: the one with fewer sessions of two that are drawn "
		  "by weight, of a (192.0.2.1:80)\n" },
		{ "balance = first\nbackend = a 192.0.2.1:80 max_sessions=7\n"
		  "backend = b 192.0.2.2:80",
		  "[pool p]: balance = first: the first that has room, of "
		  "a (192.0.2.1:80) max_sessions=7, b (192.0.2.2:80)\n" },
		{ "backend = a 192.0.2.1:80\nbackend = b 192.0.2.2:80 backup",
		  "of a (192.0.2.1:80)\n[pool p]: tier 1 too, while fewer than 1 before it are "
		  "ready: b (192.0.2.2:80)\n" },
		{ "backend = a 192.0.2.1:80\nbackend = b 192.0.2.2:80 weight=0",
		  "[pool p]: nothing new, for their weight is 0: b (192.0.2.2:80)\n" },
		{ "stick = source/24\nbackend = a 192.0.2.1:80",
		  "[pool p]: before all that, stick = source/24: a client goes back to the "
		  "backend it was on" },
		{ "balance = maglev\nstick = source\nbackend = a 192.0.2.1:80",
		  "[pool p]: before all that, stick = source: " },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char config[512], *said;
		int err;

		snprintf(config, sizeof(config),
			 "[listener in]\nbind = :3\npool = p\n[pool p]\n%s\n", rows[i].pool);
		bed_load(st, config);
		said = explain(st, "10.0.0.1", &err);
		assert_int_equal(err, 0);
		if (!strstr(said, rows[i].says))
			fail_msg("not '%s': %s", rows[i].says, said);
		free(said);
	}
}

static void many_backends_are_not_all_named(void **state)
{
	char config[1024] = "[listener in]\nbind = :3\npool = p\n[pool p]\n";
	struct bed *st = *state;
	char *said;
	int err;

	for (int n = 1; n <= 11; n++)
		snprintf(config + strlen(config), sizeof(config) - strlen(config),
			 "backend = b%d 192.0.2.%d:80\n", n, n);
	bed_load(st, config);
	said = explain(st, "10.0.0.1", &err);
	assert_non_null(strstr(said, "b8 (192.0.2.8:80) and 3 more\n"));
	free(said);
}

/* Only those that the name leads to. */
static void a_name_explains_the_pools_it_is_sent_to(void **state)
{
	struct bed *st = *state;
	char *said;
	int err;

	bed_load(st, text);
	said = explain(st, "db.example.com", &err);
	assert_non_null(strstr(said, "[pool plain]: balance = random: "));
	free(said);
	said = explain(st, "example.com", &err);
	assert_null(strstr(said, "[pool plain]: balance"));
	free(said);
}

static void a_key_that_nothing_depends_on_is_an_error(void **state)
{
	struct bed *st = *state;
	char *said;
	int err;

	bed_load(st, BED_GOOD);
	said = explain(st, "db.example.com", &err);
	assert_int_equal(err, -ENOENT);
	assert_string_equal(said, "");
	free(said);
}

static void a_name_that_no_client_can_ask_for_is_an_error(void **state)
{
	static char long_name[300];
	const char *const keys[] = { "",       ".",   "a..example",      "db.example.com:443",
				     "a b",    "*.a", "192.0.2.1:99999", "192.0.2.0/24",
				     long_name };
	struct bed *st = *state;
	char *said;
	int err;

	memset(long_name, 'x', sizeof(long_name) - 1);
	bed_load(st, text);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		said = explain(st, keys[i], &err);
		assert_int_equal(err, -EINVAL);
		assert_string_equal(said, "");
		free(said);
	}
}

static char *digest(struct bed *st, const char *config)
{
	char *said;
	size_t bytes;
	FILE *to = open_memstream(&said, &bytes);

	assert_non_null(to);
	bed_load(st, config);
	bed_expect_good(st);
	assert_int_equal(route_digest(st->config, to), 0);
	assert_int_equal(fclose(to), 0);
	return said;
}

#define DIGEST_HEAD \
	"[listener l]\nbind = :80\npool = p\n[pool p]\nbalance = maglev\nhash_table = 65537\n"

#define DIGEST_A "backend = a 192.0.2.1:80\n"
#define DIGEST_B "backend = b 192.0.2.2:80\n"

static void a_digest_covers_what_decides_in_any_order(void **state)
{
	static const struct {
		const char *text;
		bool is_same;
	} rows[] = {
		{ DIGEST_B DIGEST_A, true },
		{ "connect_timeout = 2s\n" DIGEST_A "check = tcp\n" DIGEST_B, true },
		{ "backend = a 192.0.2.1:80\nbackend = c 192.0.2.2:80\n", false },
		{ "backend = a 192.0.2.2:80\nbackend = b 192.0.2.1:80\n", false },
		{ "backend = a 192.0.2.1:81\n" DIGEST_B, false },
		{ "backend = a 192.0.2.1:80 weight=2\n" DIGEST_B, false },
		{ "backend = a 192.0.2.1:80 max_sessions=4\n" DIGEST_B, false },
		{ "backend = a 192.0.2.1:80 tier=1\n" DIGEST_B, false },
		{ "hash = source/24\n" DIGEST_A DIGEST_B, false },
		{ "hash = destination\n" DIGEST_A DIGEST_B, false },
		{ "hash_balance = 150\n" DIGEST_A DIGEST_B, false },
	};
	struct bed *st = *state;
	char *first = digest(st, DIGEST_HEAD DIGEST_A DIGEST_B);

	assert_int_equal(strlen(first), strlen("p 65537 0123456789abcdef\n* 1 0123456789abcdef\n"));
	assert_memory_equal(first, "p 65537 ", strlen("p 65537 "));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char config[512], *other;

		snprintf(config, sizeof(config), DIGEST_HEAD "%s", rows[i].text);
		other = digest(st, config);
		if ((strcmp(first, other) == 0) != rows[i].is_same)
			fail_msg("%s", rows[i].text);
		free(other);
	}
	free(first);
}

#define LISTENERS "[listener l]\nbind = :80\npool = p\n[listener m]\nbind = :81\npool = q\n"
#define POOL_P "[pool p]\nbalance = maglev\n" DIGEST_A
#define POOL_Q "[pool q]\nbalance = maglev\n" DIGEST_B

static void digests_are_sorted_and_added_up(void **state)
{
	struct bed *st = *state;
	char *one = digest(st, LISTENERS POOL_P POOL_Q), *two = digest(st, LISTENERS POOL_Q POOL_P);
	char *none = digest(st, BED_GOOD);

	assert_memory_equal(one, "p 65537 ", strlen("p 65537 "));
	assert_non_null(strstr(one, "\nq 65537 "));
	assert_non_null(strstr(one, "\n* 2 "));
	assert_string_equal(one, two);
	assert_string_equal(none, "");
	free(one);
	free(two);
	free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_key_counts_as_far_as_its_pool_looks),
		bed_test(each_pool_is_asked_what_it_knows),
		bed_test(everybody_is_named_once_in_the_order_of_turns),
		bed_test(further_tiers_come_after_the_first),
		bed_test(names_are_routed_by_each_listener),
		bed_test(log_ins_are_routed_by_those_who_read_them),
		bed_test(who_is_rejected_gets_no_backend),
		bed_test(one_open_door_is_enough),
		bed_test(every_balancer_says_what_decides),
		bed_test(many_backends_are_not_all_named),
		bed_test(a_name_explains_the_pools_it_is_sent_to),
		bed_test(a_key_that_nothing_depends_on_is_an_error),
		bed_test(a_name_that_no_client_can_ask_for_is_an_error),
		bed_test(a_digest_covers_what_decides_in_any_order),
		bed_test(digests_are_sorted_and_added_up),
	};

	return cmocka_run_group_tests_name("route_explain", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "config/dump.h"

#define SERVICES                                                                            \
	"[listener w]\nbind = :1\n[listener r]\nbind = :2\n"                                \
	"[pool w]\nrole = primary\ncheck = redis\nhold = 60s\nsource = 10.0.0.1 10.0.0.2\n" \
	"backend = a 10.0.0.11:1 weight=2\nbackend = b 10.0.0.12:1\n"

static const struct pool_config *pool(const struct bed *st, size_t i)
{
	assert_non_null(st->config);
	return &st->config->pools[i];
}

static void a_pool_has_what_it_does_not_say(void **state)
{
	struct bed *st = *state;

	bed_load(st, SERVICES "[pool r]\nlike = w\nrole = replica\nsource = 10.0.0.3\n");
	bed_expect_good(st);
	assert_int_equal(pool(st, 1)->backends_n, 2);
	assert_string_equal(pool(st, 1)->backends[0].name, "a");
	assert_int_equal(pool(st, 1)->backends[0].weight, 2);
	assert_int_equal(pool(st, 1)->check.kind, CHECK_REDIS);
	assert_int_equal(pool(st, 1)->hold.ms, 60000);
	assert_int_equal(pool(st, 1)->role.wanted, ROLE_REPLICA);
	assert_int_equal(pool(st, 1)->local_addrs_n, 1); /* a list of its own is not mixed */
	assert_int_equal(pool(st, 0)->role.wanted, ROLE_PRIMARY);
}

/* Wherever they stand: before the pool, and behind the defaults. */
static void it_is_nearer_than_the_defaults(void **state)
{
	struct bed *st = *state;

	bed_load(st, "[defaults pool]\nhold = 5s\nbalance = leastconn\nsource = 10.0.0.9\n"
		     "[pool r]\nrole = replica\nlike = w\n" SERVICES);
	bed_expect_good(st);
	assert_int_equal(pool(st, 0)->hold.ms, 60000);
	assert_int_equal(pool(st, 0)->balance, BALANCE_LEASTCONN);
	assert_int_equal(pool(st, 0)->local_addrs_n, 2);
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "[pool r]\nlike = ww\n",
		  "x.ini:13:8: error: [pool r] like: there is no [pool ww]; did you mean 'w'?\n" },
		{ "[pool r]\nlike = r\n",
		  "x.ini:13:8: error: [pool r] like: that is this pool itself\n" },
		{ "[pool r]\nlike = w\n[pool s]\nlike = r\n",
		  "x.ini:15:8: error: [pool s] like: [pool r] is itself like [pool w]; name that "
		  "one\n" },
		{ "[pool r]\nlike = w x\n",
		  "x.ini:13:8: error: [pool r] like: 'w x' is not a name (letters, digits, '_', "
		  "'.', '-'); did you mean 'w_x'?\n" },
		{ "[pool r]\nlike = w\nlike = w\n",
		  "x.ini:14:1: error: [pool r] like: given twice; first at x.ini:13\n" },
		{ "[pool r]\nlike = w\n[defaults pool]\nlike = w\n",
		  "x.ini:15:1: error: [defaults pool] like: each has its own\n" },
		{ "[pool r]\nlike = w\nfrom = w\n",
		  "x.ini:14:1: error: [pool r] from: unknown directive; here it is 'like'\n" },
	};
	struct bed *st = *state;
	char text[1024];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), "%s%s", SERVICES, rows[i].text);
		bed_load(st, text);
		bed_expect(st, rows[i].says);
	}
}

/* A value that is wrong is told at its own place, once. */
static void a_wrong_value_is_not_told_again(void **state)
{
	struct bed *st = *state;

	bed_load(st, SERVICES "balance = best\n[pool r]\nlike = w\n");
	assert_null(strstr(bed_messages(st), "[pool r]"));
	assert_int_equal(st->diag.errors_n, 1);
}

static void a_dump_says_where_it_comes_from(void **state)
{
	struct bed *st = *state;
	char text[16384];
	FILE *to = fmemopen(text, sizeof(text), "w");

	bed_load(st, SERVICES "[pool r]\nlike = w\nrole = replica\n");
	assert_non_null(st->config);
	config_dump(st->config, to);
	fclose(to);
	assert_non_null(strstr(text, "\nhold = 1m ; x.ini:8, like\n"));
	assert_non_null(strstr(text, "\nrole = replica\n"));
	assert_null(strstr(text, "\nlike ="));
	bed_load(st, text);
	bed_expect_good(st);
	assert_int_equal(pool(st, 1)->backends_n, 2);
}

static void a_listener_has_the_pool_of_its_name(void **state)
{
	struct bed *st = *state;

	bed_load(st, SERVICES "[pool r]\nlike = w\n");
	bed_expect_good(st);
	assert_ptr_equal(st->config->listeners[1].pool, pool(st, 1));
	bed_load(st, SERVICES "[pool other]\nlike = w\n[defaults listener]\npool = other\n");
	assert_ptr_equal(st->config->listeners[0].pool, pool(st, 1));
	bed_load(st, "[listener w]\nbind = :9\ntls = passthrough\nroute = sni a -> v\n"
		     "[pool w]\nbackend = a 10.0.0.1:1\n[pool v]\nbackend = a 10.0.0.1:1\n");
	assert_null(st->config->listeners[0].pool); /* it says itself where sessions go */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_pool_has_what_it_does_not_say),
		bed_test(it_is_nearer_than_the_defaults),
		bed_test(mistakes_are_told),
		bed_test(a_wrong_value_is_not_told_again),
		bed_test(a_dump_says_where_it_comes_from),
		bed_test(a_listener_has_the_pool_of_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

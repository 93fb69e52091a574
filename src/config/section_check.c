/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fits together in the checks of a [pool NAME]. */
#include "config/section.h"

#include <sys/stat.h>

#include "config/check_channel.h"
#include "crypto/password.h"

static const struct config_location *place_of(const struct pool_config *pool, const char *key)
{
	return directive_location(pool->set_at, SECTION_POOL, key);
}

/* ---- the password ---- */

static void check_mode(const struct pool_config *pool, struct diag *diag)
{
	struct stat st;

	if (stat(pool->check.password_file, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_mode & S_IROTH)
		diag_warning(diag, place_of(pool, "check"),
			     "[pool %s] check: password_file %s: everybody can read it", pool->name,
			     pool->check.password_file);
}

static void check_password(const struct pool_config *pool, struct diag *diag)
{
	struct password *p;
	const char *why;

	if (!pool->check.password_file)
		return;
	p = password_create();
	why = p ? password_read(p, pool->check.password_file) : "no memory for it";
	if (why)
		diag_error(diag, place_of(pool, "check"), "[pool %s] check: password_file %s: %s",
			   pool->name, pool->check.password_file, why);
	password_destroy(p);
	check_mode(pool, diag);
}

static bool is_overheard(const struct pool_config *pool, const struct backend_config *backend)
{
	return !check_channel_is_local(pool, backend) && !check_channel_is_verified(pool);
}

/* PostgreSQL and MySQL may ask for something better than a password; Redis cannot. */
static void check_clear_password(const struct pool_config *pool, struct diag *diag)
{
	size_t i = 0;

	if (pool->check.kind != CHECK_REDIS || !pool->check.password_file)
		return;
	while (i < pool->backends_n && !is_overheard(pool, &pool->backends[i]))
		i++;
	if (i == pool->backends_n)
		return;
	diag_error(diag, place_of(pool, "check"),
		   "[pool %s] check: redis wants its password in clear, which is only sent inside "
		   "verified TLS (check_tls = yes, tls_ca) or over a unix socket, and backend '%s' "
		   "has neither; without a password log in as a user that has none (user=, nopass)",
		   pool->name, pool->backends[i].name);
}

/* ---- the steps of expect ---- */

static bool is_sent(const struct check_step_config *step)
{
	return step->word == EXPECT_WORD_SEND || step->word == EXPECT_WORD_HEX;
}

/* One more alternative, or one more piece that is sent in a go; what is wrong with it, or NULL. */
static const char *why_no_step(const struct check_step_config *step, bool is_first,
			       unsigned *patterns, size_t *bytes)
{
	const bool is_alternative = step->word == EXPECT_WORD_OR || step->word == EXPECT_WORD_FAIL;

	if (is_alternative && (is_first || *patterns == 0))
		return "stands behind 'expect'";
	if (is_sent(step)) {
		*bytes += step->n;
		*patterns = 0;
		return *bytes > CONFIG_CHECK_SEND_BYTES ? "too much is sent at once" : NULL;
	}
	*bytes = 0;
	*patterns = is_alternative ? *patterns + 1 : 1;
	return *patterns > CONFIG_CHECK_GROUP_MAX ? "too many alternatives" : NULL;
}

static void check_steps(const struct pool_config *pool, struct diag *diag)
{
	unsigned patterns = 0;
	bool expects = false;
	size_t bytes = 0;

	for (size_t i = 0; i < pool->check.steps_n; i++) {
		const struct check_step_config *step = &pool->check.steps[i];
		const char *why = why_no_step(step, i == 0, &patterns, &bytes);

		expects |= step->word == EXPECT_WORD_EXPECT;
		if (why)
			diag_error(diag, &step->location, "[pool %s] check_step: %s: %s",
				   pool->name, expect_word_names[step->word], why);
	}
	if (pool->check.kind == CHECK_EXPECT && !expects)
		diag_error(diag, place_of(pool, "check"),
			   "[pool %s] check: expect: nothing is expected (check_step = expect "
			   "PATTERN)",
			   pool->name);
}

/* ---- TLS ---- */

static void check_tls(const struct pool_config *pool, struct diag *diag)
{
	const bool is_own = check_channel_kind(pool) == CHECK_CHANNEL_TLS;

	if (pool->check.kind == CHECK_TLS && pool->check.tls == CHECK_TLS_NO)
		diag_error(diag, place_of(pool, "check_tls"),
			   "[pool %s] check_tls: no: check = tls is nothing else", pool->name);
	for (size_t i = 0; i < pool->backends_n && is_own; i++) {
		if (pool->tls_verify && !pool->tls_name && pool->backends[i].spec.is_unix)
			diag_error(diag, &pool->backends[i].addr_location,
				   "[pool %s] backend: a unix socket has no name to verify "
				   "(tls_name)",
				   pool->name);
	}
}

/* ---- roles ---- */

/* Why its checks cannot tell roles, or NULL. */
static const char *why_no_role(const struct check_config *check)
{
	switch (check->kind) {
	case CHECK_POSTGRES:
	case CHECK_MYSQL:
		return check->user ? NULL : "the check has no user= to log in as";
	case CHECK_REDIS:
		return NULL;
	case CHECK_HTTP:
		return "an agent is asked by path= (check = http path=/primary), without role";
	default:
		return "there is no check = postgres, mysql or redis to tell it";
	}
}

static void check_role(const struct pool_config *pool, struct diag *diag)
{
	const char *key = pool->role.wanted != ROLE_ANY ? "role" : "max_lag";
	const char *why = role_is_any(&pool->role) ? NULL : why_no_role(&pool->check);
	const bool wants_time = pool->check.kind == CHECK_MYSQL;

	if (why)
		diag_error(diag, place_of(pool, key), "[pool %s] %s: %s", pool->name, key, why);
	else if (pool->role.lag.max > 0 && pool->role.lag.is_time != wants_time)
		diag_error(diag, place_of(pool, "max_lag"),
			   "[pool %s] max_lag: %s tells its lag in %s", pool->name,
			   check_kind_names[pool->check.kind], wants_time ? "time" : "bytes");
}

/* They mean to have nobody served rather than by one of them. */
static void check_panic(const struct pool_config *pool, struct diag *diag)
{
	const char *key = !role_is_any(&pool->role) ? "role or max_lag"
			  : pool->hold.ms > 0       ? "hold"
						    : NULL;

	if (pool->panic_percent > 0 && key)
		diag_error(diag, place_of(pool, "panic"),
			   "[pool %s] panic: not together with %s, which wants certain ones only",
			   pool->name, key);
}

static void check_hold(const struct pool_config *pool, struct diag *diag)
{
	if (pool->hold.ms > 0 && pool->check.kind == CHECK_NONE)
		diag_warning(
			diag, place_of(pool, "hold"),
			"[pool %s] hold: without check nobody finds out that a backend is back",
			pool->name);
}

/* A unix socket has no port that the check could have at another host. */
static void check_address(const struct pool_config *pool, struct diag *diag)
{
	for (size_t i = 0; i < pool->backends_n; i++) {
		const struct backend_config *b = &pool->backends[i];
		const bool is_elsewhere = b->check_addr.len > 0 || pool->check.addr.len > 0;

		if (is_elsewhere && b->spec.is_unix && pool->check.port == 0)
			diag_error(diag, &b->addr_location,
				   "[pool %s] backend: a unix socket has no port to check at "
				   "check_address (check_port)",
				   pool->name);
	}
}

void section_check_check(const struct pool_config *pool, struct diag *diag, bool ask)
{
	check_clear_password(pool, diag);
	check_steps(pool, diag);
	check_tls(pool, diag);
	check_address(pool, diag);
	check_role(pool, diag);
	check_hold(pool, diag);
	check_panic(pool, diag);
	if (ask)
		check_password(pool, diag);
}

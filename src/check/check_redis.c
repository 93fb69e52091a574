/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Asks a Redis server (or one that speaks like it) whether it serves and who
 * it is: [AUTH], PING, ROLE, all in one go. PING is refused by one that is
 * loading its data, that has lost its primary and does not serve old data, or
 * that is not allowed to write; ROLE is answered by all. AUTH has the password
 * as it is, so where that may not be seen it is left out.
 */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "exchange.h"
#include "resp.h"

#define DEPTH_MAX 4
#define TOP_ITEMS_MAX 5 /* of ROLE, that say something */

enum redis_reply { REDIS_AUTH, REDIS_PING, REDIS_ROLE, REDIS_REPLIES };

struct redis {
	enum redis_reply reply;  /* that is being read */
	unsigned depth;          /* of lists that have begun */
	int64_t left[DEPTH_MAX]; /* items in each */
	unsigned item;           /* of ROLE's list: which one comes next */
};

static_assert(sizeof(struct redis) <= CHECK_STATE_BYTES, "there is room for it");

static struct redis *state_of(struct check_exchange *x)
{
	return (struct redis *)(void *)x->state;
}

/* ---- the question -------------------------------------------------------- */

/* An argument as it is: a text of so many bytes, which may have blanks in it. */
static void send_argument(struct check_exchange *x, const char *text)
{
	char head[16];
	const size_t n = strlen(text);

	exchange_send(x, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", n));
	exchange_send(x, text, n);
	exchange_send(x, "\r\n", 2);
}

static void send_auth(struct check_exchange *x)
{
	const struct check_request *r = x->request;

	exchange_send(x, r->user ? "*3\r\n" : "*2\r\n", 4);
	send_argument(x, "AUTH");
	if (r->user)
		send_argument(x, r->user);
	send_argument(x, r->password ? r->password : ""); /* of a user with nopass any will do */
}

static bool must_hide(const struct check_exchange *x)
{
	return x->request->password && !exchange_may_send_password(x);
}

static enum check_step redis_begin(struct check_exchange *x)
{
	static const char rest[] = "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n";

	const bool logs_in = (x->request->user || x->request->password) && !must_hide(x);

	state_of(x)->reply = logs_in ? REDIS_AUTH : REDIS_PING;
	if (logs_in)
		send_auth(x);
	exchange_send(x, rest, sizeof(rest) - 1);
	return CHECK_STEP_MORE;
}

/* ---- refusals ------------------------------------------------------------ */

static const struct {
	const char *begins;
	enum check_verdict verdict;
} error_verdicts[] = {
	{ "ERR max number of clients", CHECK_FULL },
	{ "LOADING", CHECK_NOT_READY },    /* its data, after a start */
	{ "MASTERDOWN", CHECK_NOT_READY }, /* a replica that does not serve old data */
	{ "BUSY", CHECK_NOT_READY },       /* a script runs that does not end */
	{ "CLUSTERDOWN", CHECK_NOT_READY },
	{ "WRONGPASS", CHECK_OWN_FAULT },
	{ "NOPERM", CHECK_OWN_FAULT },
	{ "ERR invalid password", CHECK_OWN_FAULT }, /* before version 6 */
	{ "ERR Client sent AUTH, but no password is set", CHECK_OWN_FAULT },
	{ "ERR AUTH", CHECK_OWN_FAULT },
	{ "ERR wrong number of arguments for 'auth'", CHECK_OWN_FAULT },
};

static bool begins(const struct resp_token *token, const char *text)
{
	const size_t n = strlen(text);

	return token->n >= n && memcmp(token->text, text, n) == 0;
}

static enum check_verdict verdict_of_error(const struct resp_token *token)
{
	for (size_t i = 0; i < ARRAY_LEN(error_verdicts); i++)
		if (begins(token, error_verdicts[i].begins))
			return error_verdicts[i].verdict;
	return CHECK_FAILED;
}

static enum check_step on_error(struct check_exchange *x, const struct resp_token *token)
{
	const struct exchange_quote quote = exchange_quote(token->text, token->n);
	struct redis *redis = state_of(x);

	if (begins(token, "NOAUTH")) {
		if (must_hide(x))
			return exchange_keep_password(x);
		/* It is there and speaks; more cannot be known without a password. */
		return exchange_done(x, x->request->password ? CHECK_OWN_FAULT : CHECK_PASSED, "%s",
				     quote.text);
	}
	/* It cannot save what it has to, and takes no more until it can. */
	if (begins(token, "MISCONF") && redis->reply == REDIS_PING) {
		x->facts.is_read_only = true;
		redis->reply++;
		return CHECK_STEP_MORE;
	}
	/* It serves; who it is, it does not tell this user, or it does not know the question. */
	if (redis->reply == REDIS_ROLE)
		return exchange_done(x, CHECK_PASSED, "does not say who it is: %s", quote.text);
	return exchange_done(x, verdict_of_error(token), "%s", quote.text);
}

/* ---- ROLE ---------------------------------------------------------------- */

static bool is_text(const struct resp_token *token, const char *text)
{
	return token->kind == RESP_TEXT && token->n == strlen(text) && begins(token, text);
}

static void keep_position(struct check_facts *facts, const struct resp_token *token)
{
	if (token->kind != RESP_NUMBER || token->number < 0)
		return;
	facts->has_position = true;
	facts->position = (uint64_t)token->number;
}

/* One item of the list itself: "master", position, …; "slave", host, port, link, position. */
static void keep_item(struct check_facts *facts, unsigned item, const struct resp_token *token)
{
	if (item == 0 && is_text(token, "master"))
		facts->role = CHECK_ROLE_PRIMARY;
	if (item == 0 && is_text(token, "slave"))
		facts->role = CHECK_ROLE_REPLICA;
	if (item == 1 && facts->role == CHECK_ROLE_PRIMARY)
		keep_position(facts, token);
	if (item == 3 && facts->role == CHECK_ROLE_REPLICA)
		facts->is_detached = !is_text(token, "connected");
	if (item == 4 && facts->role == CHECK_ROLE_REPLICA)
		keep_position(facts, token);
}

static enum check_step pass(struct check_exchange *x)
{
	const struct check_facts *facts = &x->facts;

	if (facts->role == CHECK_ROLE_UNKNOWN)
		return exchange_done(x, CHECK_PASSED, "is neither primary nor replica");
	return exchange_done(x, CHECK_PASSED, "is a %s%s", check_role_names[facts->role],
			     facts->is_read_only  ? " that refuses to write"
			     : facts->is_detached ? " without a link to its primary"
						  : "");
}

/* Opens a list, or counts an item and closes what is full; true when nothing is open any more. */
static bool count_token(struct redis *redis, const struct resp_token *token)
{
	if (token->kind == RESP_LIST && token->number > 0)
		redis->left[redis->depth++] = token->number;
	else if (redis->depth > 0)
		redis->left[redis->depth - 1]--;
	while (redis->depth > 0 && redis->left[redis->depth - 1] == 0) {
		redis->depth--;
		if (redis->depth > 0)
			redis->left[redis->depth - 1]--;
	}
	return redis->depth == 0;
}

static enum check_step on_role(struct check_exchange *x, const struct resp_token *token)
{
	struct redis *redis = state_of(x);
	const bool is_list = token->kind == RESP_LIST;

	if (redis->depth == 0 && (!is_list || token->number < 1))
		return exchange_done(x, CHECK_FAILED, "answered nonsense to who it is");
	if (is_list && redis->depth == DEPTH_MAX)
		return exchange_done(x, CHECK_FAILED, "answered nonsense to who it is");
	if (redis->depth == 1 && redis->item < TOP_ITEMS_MAX)
		keep_item(&x->facts, redis->item++, token);
	return count_token(redis, token) ? pass(x) : CHECK_STEP_MORE;
}

/* ---- the machine --------------------------------------------------------- */

static enum check_step on_token(struct check_exchange *x, const struct resp_token *token)
{
	struct redis *redis = state_of(x);

	if (token->kind == RESP_ERROR && redis->depth == 0)
		return on_error(x, token);
	if (redis->reply == REDIS_ROLE)
		return on_role(x, token);
	if (!is_text(token, redis->reply == REDIS_PING ? "PONG" : "OK"))
		return exchange_done(x, CHECK_FAILED, "answered nonsense to %s",
				     redis->reply == REDIS_PING ? "PING" : "AUTH");
	redis->reply++;
	return CHECK_STEP_MORE;
}

static enum check_step redis_received(struct check_exchange *x)
{
	struct resp_token token;
	enum check_step step;

	switch (resp_read(x->in, x->in_bytes, &token)) {
	case PARSE_MORE:
		return CHECK_STEP_MORE;
	case PARSE_BAD:
		return exchange_done(x, CHECK_FAILED, "not Redis' protocol");
	default:
		step = on_token(x, &token);
		exchange_take(x, token.bytes);
		return step;
	}
}

static const char *redis_awaited(const struct check_exchange *x)
{
	static const char *const words[REDIS_REPLIES] = {
		"the answer to AUTH",
		"the answer to PING",
		"the answer to ROLE",
	};

	return words[((const struct redis *)(const void *)x->state)->reply];
}

const struct check_protocol check_redis = {
	.name = "redis",
	.begin = redis_begin,
	.received = redis_received,
	.awaited = redis_awaited,
};

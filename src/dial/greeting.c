/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dial/greeting.h"

#include "pool/pool.h"
#include "session/host.h"
#include "session/side.h"

/* By what its check speaks. */
static bool speaks_first(enum check_kind kind)
{
	return kind == CHECK_MYSQL || kind == CHECK_SMTP || kind == CHECK_IMAP || kind == CHECK_SSH;
}

bool greeting_is_due(const struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);

	return pool->hold.ms > 0 && speaks_first(pool->check.kind) && !s->sides[SIDE_BACKEND].tls &&
	       s->early.bytes == 0;
}

void greeting_await(struct session *s)
{
	const uint64_t idle_ms = s->config->idle_timeout_ms;

	s->awaits_greeting = true;
	s->try_until_ms = idle_ms > 0 ? s->host->loop.now_ms + idle_ms : TIMER_NEVER;
	session_set_look_timer(s, s->try_until_ms);
	side_wait_readable(&s->sides[SIDE_BACKEND]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health/on_down.h"

#include "base/log.h"
#include "config/check_channel.h"
#include "state/peers.h"

/*
 * A dead server's kernel resets its sessions by itself, and one that says no
 * may let those go on that it has. A check that only connects knows too little:
 * AUTO is left where each session is asked whether it finds the same.
 */
static enum on_down on_down_wanted(const struct pool_config *c, enum down_cause cause)
{
	if (c->on_down != ON_DOWN_AUTO)
		return c->on_down;
	if (cause == DOWN_ROLE)
		return ON_DOWN_RESET;
	if (cause != DOWN_SILENT)
		return ON_DOWN_KEEP;
	return c->check.kind == CHECK_TCP ? ON_DOWN_AUTO : ON_DOWN_RESET;
}

static const struct {
	enum evict_whom whom;
	const char *text; /* of the log */
} evictions[ON_DOWNS] = {
	[ON_DOWN_RESET] = { EVICT_ALL, "ending the sessions of a backend that is down" },
	[ON_DOWN_DRAIN] = { EVICT_IDLE, "draining a backend that is down" },
	[ON_DOWN_AUTO] = { EVICT_UNACKED,
			   "ending the sessions whose bytes a backend that is down does not "
			   "acknowledge" },
};

static void on_down_say(const struct pool_config *c, const struct backend *backend,
			const char *what, unsigned sessions)
{
	struct log_line line;

	if (!log_begin(&line, LOG_WARN, what))
		return;
	log_text(&line, "pool", c->name);
	log_text(&line, "backend", backend->config->name);
	log_u64(&line, "sessions", sessions);
	log_end(&line);
}

void on_down_note(const struct down_event *e, struct backend *backend, enum down_cause cause)
{
	const struct pool_config *c = pool_config(e->pool);
	const bool is_suspicious = cause != DOWN_ROLE &&
				   (uint64_t)e->fallen * 100 >
					   (uint64_t)c->backends_n * c->eject.ejected_max_percent;
	const unsigned sessions = atomic_load(&backend->sessions);
	const enum on_down how = on_down_wanted(c, cause);

	if (how == ON_DOWN_KEEP || sessions == 0)
		return;
	if (is_suspicious) {
		on_down_say(c, backend, "too many backends down at once: their sessions go on",
			    sessions);
		return;
	}
	on_down_say(c, backend, evictions[how].text, sessions);
	atomic_store(&backend->evict_whom, evictions[how].whom);
	atomic_store(&backend->evict_ms, e->now_ms);
	peers_evict(e->runtime);
}

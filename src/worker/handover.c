/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/handover.h"

#include "session/host.h"
#include "state/generation.h"
#include "state/inbox.h"
#include "state/peers.h"
#include "worker/session_life.h"

static void begin_session(struct host *h, const struct accepted *accepted)
{
	if (!session_begin(h, accepted))
		atomic_fetch_sub(&h->runtime->peers[h->worker].sessions, 1);
}

static bool send_to(struct host *h, const struct worker_peer *peer, const struct accepted *accepted)
{
	const struct message message = {
		.kind = MESSAGE_CONNECTION,
		.fd = accepted->fd,
		.listener = (uint32_t)accepted->listener->slot,
		.source = accepted->source,
		.is_tcp = accepted->is_tcp,
		.generation = accepted->generation,
	};

	return !h->is_draining && inbox_send(peer->inbox_fd, &message) == 0;
}

void handover_give(struct host *h, const struct accepted *accepted)
{
	unsigned target = peers_least_loaded(h->runtime, h->worker);
	struct worker_peer *peer = &h->runtime->peers[target];

	generation_pin(accepted->generation, h->worker, 1);
	atomic_fetch_add(&peer->sessions, 1);
	if (target != h->worker) {
		if (send_to(h, peer, accepted)) {
			counters_add(&h->counters->handed_over, 1);
			return;
		}
		atomic_fetch_sub(&peer->sessions, 1);
		atomic_fetch_add(&h->runtime->peers[h->worker].sessions, 1);
	}
	begin_session(h, accepted);
}

void handover_take(struct host *host, const struct message *message)
{
	const struct accepted accepted = {
		.listener = &host->runtime->listeners[message->listener],
		.generation = message->generation,
		.fd = message->fd,
		.source = message->source,
		.is_tcp = message->is_tcp,
	};

	begin_session(host, &accepted);
}

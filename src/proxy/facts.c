/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/facts.h"

#include "proxy/engine.h"
#include "proxy/session.h"

struct facts *facts_of(struct session *s)
{
	if (!s->facts)
		s->facts = slab_get(&s->engine->facts);
	return s->facts;
}

void facts_release(struct session *s)
{
	if (s->facts)
		slab_put(&s->engine->facts, s->facts);
	s->facts = NULL;
}

void facts_log(const struct facts *facts, struct log_line *line)
{
	if (facts->version) {
		log_text(line, "tls", facts->version);
		log_text(line, "cipher", facts->cipher);
		log_flag(line, "resumed", facts->resumed);
	}
	if (facts->sni[0])
		log_text(line, "sni", facts->sni);
	if (facts->alpn[0])
		log_text(line, "alpn", facts->alpn);
	if (facts->client_name[0])
		log_text(line, "client_cn", facts->client_name);
}

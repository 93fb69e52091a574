/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preread/client_access.h"

#include "config/client_rules.h"
#include "config/login_route.h"
#include "proto/tlsrec.h"
#include "session/conn_info.h"
#include "tls/stream.h"

static enum step_verdict deny(struct session *s, struct step_answer *answer, const char *why)
{
	tls_stream_refuse(s->sides[SIDE_CLIENT].tls, TLSREC_ACCESS_DENIED, why);
	return preread_refuse(answer, STEP_AGAINST_RULES, why);
}

enum step_verdict client_access_judge(struct session *s, struct step_answer *answer)
{
	const struct listener_config *config = s->config;
	struct conn_info *info = conn_info_of(s);
	const struct client_rule *rule;
	struct tls_facts tls;
	const char *why;

	if (!client_rules_ask(config))
		return STEP_NEXT;
	tls_stream_facts(s->sides[SIDE_CLIENT].tls, &tls);
	why = client_rules_refusal(config, tls.identity, &rule);
	if (why)
		return deny(s, answer, why);
	if (info && rule)
		info->client_rule = rule->text;
	answer->route = client_rules_route(config, tls.identity);
	if (answer->route == 0 && !s->pool && !config->pool && !login_route_exists(config))
		return deny(s, answer, "no route for this client");
	return STEP_NEXT;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ClientHello says by name and ALPN which pool serves the client. */
#include <string.h>

#include "preread/route.h"
#include "preread/step.h"
#include "preread/tls_refusal.h"
#include "proto/hello.h"
#include "session/conn_info.h"
#include "session/host.h"
#include "session/tell.h"
#include "tls/server.h"

static bool client_hello_is_wanted(const struct session *s)
{
	return listener_reads_hello(s->config);
}

static void note_hello(struct session *s, const struct hello *hello)
{
	struct conn_info *info = conn_info_of(s);
	size_t n = hello->alpn_bytes > 0 ? hello->alpn[0] : 0;

	counters_add(&session_counters(s)->hellos, 1);
	if (hello->name[0])
		counters_add(&session_counters(s)->hellos_with_name, 1);
	if (!info)
		return;
	memcpy(info->sni, hello->name, sizeof(info->sni));
	if (n >= sizeof(info->alpn))
		n = 0;
	memcpy(info->alpn, hello->alpn + 1, n);
	info->alpn[n] = '\0';
}

static enum step_verdict refuse_hello(struct session *s, enum hello_fault fault,
				      struct step_answer *answer)
{
	const struct listener_config *config = s->config;
	bool is_not_tls = hello_fault_alert(fault) == 0 || fault == HELLO_SSL2;

	if (is_not_tls && config->tls == TLS_MODE_PASSTHROUGH &&
	    config->not_tls == UNMATCHED_POOL && config->pool)
		return STEP_READY;
	(void)preread_refuse_with_alert(s, answer, hello_fault_alert(fault),
					hello_fault_text(fault));
	answer->refusal = STEP_TLS_FAILED;
	return STEP_REFUSE;
}

static bool lacks_direct_alpn(const struct session *s, const struct hello *hello)
{
	const struct protocol *protocol = s->listener->protocol;

	return protocol && protocol->direct_alpn && s->protocol->has_direct_tls &&
	       !hello_offers_alpn(hello, protocol->direct_alpn);
}

/* Reasons to refuse a well-formed hello, or NULL; with the alert to send. */
static const char *objection_to(const struct session *s, const struct hello *hello, unsigned route,
				uint8_t *ret_alert)
{
	const struct listener_config *config = s->config;

	*ret_alert = TLSREC_UNRECOGNIZED_NAME;
	if (!hello->name[0] && config->no_sni == UNMATCHED_REJECT)
		return "no server name (SNI)";
	if (route == 0 && !s->pool && !config->pool && !route_may_follow(config))
		return "no route for this name";
	if (config->tls == TLS_MODE_TERMINATE &&
	    !tls_server_knows(session_tls_server(s), hello_name_to_find(hello)))
		return "no certificate has this name";
	*ret_alert = TLSREC_NO_APPLICATION_PROTOCOL;
	if (lacks_direct_alpn(s, hello))
		return s->listener->protocol->direct_alpn_missing;
	return NULL;
}

static enum step_verdict client_hello_read(struct session *s, const struct preread_input *in,
					   struct step_answer *answer)
{
	const char *objection;
	struct hello hello;
	uint8_t alert;

	switch (hello_read(in->bytes, in->n, &hello)) {
	case PARSE_MORE:
		return STEP_MORE;
	case PARSE_BAD:
		return refuse_hello(s, hello.fault, answer);
	default:
		break;
	}
	note_hello(s, &hello);
	session_tell_step(s, "ClientHello", hello.name[0] ? hello.name : NULL);
	answer->route = route_find_number(s->config, &hello);
	objection = objection_to(s, &hello, answer->route, &alert);
	if (objection)
		return preread_refuse_with_alert(s, answer, alert, objection);
	return s->config->tls == TLS_MODE_TERMINATE ? STEP_NEXT : STEP_READY;
}

const struct preread_step preread_client_hello = {
	.name = "client_hello",
	.is_wanted = client_hello_is_wanted,
	.read = client_hello_read,
};

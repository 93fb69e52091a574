/* SPDX-License-Identifier: GPL-2.0-or-later */

/* certs: which certificates are shown to clients, and for how long they are good. */

#include <stdio.h>
#include <time.h>

#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "tls/server.h"

#define SECONDS_PER_DAY 86400

static void tell_whose(struct reply *r, const struct certificate_facts *c)
{
	char names[CERTIFICATE_TEXT_BYTES], print[2 * CERTIFICATE_PRINT_BYTES + 1];

	for (size_t n = 0; n < CERTIFICATE_PRINT_BYTES; n++)
		snprintf(print + 2 * n, 3, "%02x", c->print[n]);
	reply_text(r, "names", certificate_names(c, names));
	reply_text(r, "issuer", c->issuer);
	reply_text(r, "sha256", print);
}

static void certs_tell(struct reply *r, const struct listener *listener, size_t n, time_t expiry)
{
	time_t now = time(NULL);
	char day[sizeof("2026-11-26")];
	struct tm tm;

	reply_row(r, "certificate");
	reply_text(r, "listener", listener->config->name);
	reply_text(r, "file", listener->config->certificates[n].chain);
	if (expiry != 0 && strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&expiry, &tm)) > 0) {
		reply_i64(r, "days_left",
			  expiry < now ? -1 : (int64_t)(expiry - now) / SECONDS_PER_DAY);
		reply_text(r, "expires", day);
	}
}

void cmd_tell_certificates(struct call *call, bool wholly)
{
	const struct runtime *runtime = call->context->runtime;

	runtime_for_each_listener(runtime, listener)
	{
		const struct tls_server *tls = runtime_tls_server(runtime, listener);

		for (size_t n = 0; tls && n < listener->config->certificates_n; n++) {
			const struct certificate_facts c = tls_server_certificate(tls, n);

			certs_tell(call->reply, listener, n, c.until);
			if (wholly)
				tell_whose(call->reply, &c);
			reply_row_end(call->reply);
		}
	}
}

void cmd_certs(struct call *call)
{
	cmd_tell_certificates(call, true);
	call_ok(call);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reload/certs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "state/tls_contexts.h"
#include "tls/server.h"

#define DAY_BYTES sizeof("YYYY-MM-DD")

/* A certificate, as far as it is looked at here. */
struct seen {
	const uint8_t *print; /* NULL: there is none */
	time_t until;
};

/* One of a listener's. */
static struct seen see(const struct certs *c, size_t listener, size_t n)
{
	const struct tls_server *server = c->tls->servers[listener];

	if (!server || n >= c->config->listeners[listener].certificates_n ||
	    n >= tls_server_certificates(server))
		return (struct seen){ 0 };
	return (struct seen){ tls_server_print(server, n), tls_server_expiry(server, n) };
}

static bool is_listener(const struct listener_config *l, const char *name)
{
	return strcmp(l->name, name) == 0;
}

/* What the same listener had from the same file. */
static struct seen see_before(const struct certs *now, const char *listener, const char *file)
{
	for (size_t l = 0; l < now->config->listeners_n; l++) {
		const struct listener_config *config = &now->config->listeners[l];

		for (size_t n = 0; is_listener(config, listener) && n < config->certificates_n; n++)
			if (strcmp(config->certificates[n].chain, file) == 0)
				return see(now, l, n);
	}
	return (struct seen){ 0 };
}

static void tell_renewed(const char *listener, const char *file, time_t until, config_diff_fn *tell,
			 void *owner)
{
	char line[CONFIG_DIFF_BYTES], day[DAY_BYTES] = "?";
	struct tm tm;

	if (until != 0)
		strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&until, &tm));
	snprintf(line, sizeof(line), "~ listener %s: certificate %s renewed, expires %s", listener,
		 file, day);
	tell(owner, line);
}

void certs_compare(const struct certs *now, const struct certs *then, config_diff_fn *tell,
		   void *owner)
{
	for (size_t l = 0; l < then->config->listeners_n; l++) {
		const struct listener_config *config = &then->config->listeners[l];

		for (size_t n = 0; n < config->certificates_n; n++) {
			const char *file = config->certificates[n].chain;
			struct seen was, is;

			was = see_before(now, config->name, file);
			is = see(then, l, n);
			if (was.print && is.print &&
			    memcmp(was.print, is.print, CERTIFICATE_PRINT_BYTES) != 0)
				tell_renewed(config->name, file, is.until, tell, owner);
		}
	}
}

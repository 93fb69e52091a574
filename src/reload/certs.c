/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reload/certs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/directive.h"
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

static void compare_certificates(const struct certs *now, const struct certs *then,
				 config_diff_fn *tell, void *owner)
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

/* ---- what else TLS is made from ------------------------------------------ */

/* Two generations' files, and who is told. */
struct contents {
	const struct tls_files_read *now, *then;
	config_diff_fn *tell;
	void *owner;
};

/* @whose: "pool pg: ", "" of the global section. */
static void compare_file(const struct contents *c, const char *whose, const char *key,
			 const char *path)
{
	const struct tls_file *was = path ? tls_files_find(c->now, path) : NULL;
	const struct tls_file *is = path ? tls_files_find(c->then, path) : NULL;
	char line[CONFIG_DIFF_BYTES];

	if (!was || !is || memcmp(was->digest, is->digest, sizeof(is->digest)) == 0)
		return;
	snprintf(line, sizeof(line), "~ %s%s %s: another content", whose, key, path);
	c->tell(c->owner, line);
}

static void compare_files(const struct contents *c, enum config_section section, const char *name,
			  const void *from)
{
	char whose[CONFIG_NAME_BYTES + sizeof("listener : ")] = "";

	if (name)
		snprintf(whose, sizeof(whose), "%s %s: ", config_section_names[section], name);
	for (size_t n = 0; n < directives_n; n++)
		if (directives[n].section == section)
			compare_file(c, whose, directives[n].key,
				     tls_file_named(&directives[n], from));
	if (section == SECTION_POOL)
		compare_file(c, whose, "tls_ca", tls_file_of_system(from));
}

void certs_compare(const struct certs *now, const struct certs *then, config_diff_fn *tell,
		   void *owner)
{
	const struct contents c = { &now->tls->files, &then->tls->files, tell, owner };
	const struct config *config = then->config;

	compare_certificates(now, then, tell, owner);
	compare_files(&c, SECTION_GLOBAL, NULL, &config->global);
	for (size_t n = 0; n < config->listeners_n; n++)
		compare_files(&c, SECTION_LISTENER, config->listeners[n].name,
			      &config->listeners[n]);
	for (size_t n = 0; n < config->pools_n; n++)
		compare_files(&c, SECTION_POOL, config->pools[n].name, &config->pools[n]);
}

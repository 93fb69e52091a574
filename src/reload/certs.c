/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reload/certs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/directive.h"
#include "config/late_diag.h"
#include "state/tls_contexts.h"
#include "tls/server.h"

#define DAY_BYTES sizeof("YYYY-MM-DD")

/* One of a listener's; without a print there is none. */
static struct certificate_facts see(const struct certs *c, size_t listener, size_t n)
{
	const struct tls_server *server = c->tls->servers[listener];

	if (!server || n >= c->config->listeners[listener].certificates_n ||
	    n >= tls_server_certificates(server))
		return (struct certificate_facts){ 0 };
	return tls_server_certificate(server, n);
}

static bool is_listener(const struct listener_config *l, const char *name)
{
	return strcmp(l->name, name) == 0;
}

/* What the same listener had from the same file. */
static struct certificate_facts see_before(const struct certs *now, const char *listener,
					   const char *file)
{
	for (size_t l = 0; l < now->config->listeners_n; l++) {
		const struct listener_config *config = &now->config->listeners[l];

		for (size_t n = 0; is_listener(config, listener) && n < config->certificates_n; n++)
			if (strcmp(config->certificates[n].chain, file) == 0)
				return see(now, l, n);
	}
	return (struct certificate_facts){ 0 };
}

/* One that its listener had from the same file, and is another now, or is sent with others. */
struct renewed {
	const char *listener;
	const struct certificate_config *config;
	struct certificate_facts was, is;
};

typedef void renewed_fn(const struct renewed *renewed, void *owner);

static void for_each_renewed(const struct certs *now, const struct certs *then, renewed_fn *f,
			     void *owner)
{
	for (size_t l = 0; l < then->config->listeners_n; l++) {
		const struct listener_config *config = &then->config->listeners[l];

		for (size_t n = 0; n < config->certificates_n; n++) {
			struct renewed r = { config->name, &config->certificates[n] };

			r.was = see_before(now, config->name, r.config->chain);
			r.is = see(then, l, n);
			if (r.was.print && r.is.print &&
			    memcmp(r.was.chain, r.is.chain, CERTIFICATE_PRINT_BYTES) != 0)
				f(&r, owner);
		}
	}
}

static const char *day_of(time_t at, char day[DAY_BYTES])
{
	struct tm tm;

	if (at == 0)
		return "?";
	strftime(day, DAY_BYTES, "%Y-%m-%d", gmtime_r(&at, &tm));
	return day;
}

/* ---- renewed ones -------------------------------------------------------- */

/* Who is told, and of what time. */
struct teller {
	config_diff_fn *tell;
	void *owner;
	time_t at;
	bool is_worse;
};

static bool has_name(const struct certificate_facts *c, const char *name)
{
	for (size_t n = 0; n < c->names_n; n++)
		if (strcmp(c->names[n], name) == 0)
			return true;
	return false;
}

static bool has_names_of(const struct certificate_facts *c, const struct certificate_facts *other)
{
	for (size_t n = 0; n < other->names_n; n++)
		if (!has_name(c, other->names[n]))
			return false;
	return true;
}

static void tell_names(const struct renewed *r, const struct teller *t)
{
	char line[CONFIG_DIFF_BYTES], was[CERTIFICATE_TEXT_BYTES], is[CERTIFICATE_TEXT_BYTES];

	if (has_names_of(&r->is, &r->was) && has_names_of(&r->was, &r->is))
		return;
	snprintf(line, sizeof(line), "warning: listener %s: certificate %.100s: names %s -> %s",
		 r->listener, r->config->chain, certificate_names(&r->was, was),
		 certificate_names(&r->is, is));
	t->tell(t->owner, line);
}

static void tell_renewed(const struct renewed *r, void *owner)
{
	const struct teller *t = owner;
	char line[CONFIG_DIFF_BYTES], day[DAY_BYTES];

	if (memcmp(r->was.print, r->is.print, CERTIFICATE_PRINT_BYTES) == 0)
		snprintf(line, sizeof(line),
			 "~ listener %s: certificate %s: another chain, good until %s", r->listener,
			 r->config->chain, day_of(r->is.until, day));
	else
		snprintf(line, sizeof(line), "~ listener %s: certificate %s renewed, expires %s",
			 r->listener, r->config->chain, day_of(r->is.until, day));
	t->tell(t->owner, line);
	tell_names(r, t);
}

/* Dates that cannot be read are taken for good ones. */
static bool is_valid(const struct certificate_facts *c, time_t at)
{
	return c->from <= at && (c->until == 0 || at <= c->until);
}

static void tell_worse(const struct renewed *r, void *owner)
{
	const struct config_location *location = &r->config->location;
	struct teller *t = owner;
	const bool is_early = t->at < r->is.from;
	char day[DAY_BYTES], until[DAY_BYTES];

	if (is_valid(&r->is, t->at) || !is_valid(&r->was, t->at))
		return;
	t->is_worse = true;
	late_diag_error(
		location, t->tell, t->owner,
		"[listener %s] certificate: %.200s: %s %s; the one in force stays, which is "
		"good until %s",
		r->listener, r->config->chain, is_early ? "is not valid before" : "has expired on",
		day_of(is_early ? r->is.from : r->is.until, day), day_of(r->was.until, until));
}

bool certs_are_worse(const struct certs *now, const struct certs *then, time_t at,
		     config_diff_fn *tell, void *owner)
{
	struct teller t = { tell, owner, at, false };

	for_each_renewed(now, then, tell_worse, &t);
	return t.is_worse;
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

	for_each_renewed(now, then, tell_renewed, &(struct teller){ tell, owner, 0, false });
	compare_files(&c, SECTION_GLOBAL, NULL, &config->global);
	for (size_t n = 0; n < config->listeners_n; n++)
		compare_files(&c, SECTION_LISTENER, config->listeners[n].name,
			      &config->listeners[n]);
	for (size_t n = 0; n < config->pools_n; n++)
		compare_files(&c, SECTION_POOL, config->pools[n].name, &config->pools[n]);
}

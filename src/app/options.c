/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tls/library.h"
#include "tls/policy.h"

/* Of ring entries, for --ring-entries: the kernel's own bounds. */
#define RING_ENTRIES_MIN 8
#define RING_ENTRIES_MAX 32768

#ifndef RINGMAIN_SYSCONFDIR /* the Makefile's */
#define RINGMAIN_SYSCONFDIR "/etc"
#endif

const char options_config_default[] = RINGMAIN_SYSCONFDIR "/ringmain/ringmain.ini";

enum {
	OPT_DUMP = 256,
	OPT_ROUTE,
	OPT_DIGEST,
	OPT_HELP_CONFIG,
	OPT_HELP_METRICS,
	OPT_WITHOUT,
	OPT_RING_ENTRIES
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "dump", no_argument, NULL, OPT_DUMP },
	{ "route", required_argument, NULL, OPT_ROUTE },
	{ "digest", no_argument, NULL, OPT_DIGEST },
	{ "help-config", no_argument, NULL, OPT_HELP_CONFIG },
	{ "help-metrics", no_argument, NULL, OPT_HELP_METRICS },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ "without", required_argument, NULL, OPT_WITHOUT },
	{ "ring-entries", required_argument, NULL, OPT_RING_ENTRIES },
	{ 0 },
};

static bool *feature_named(struct ring_features *features, const char *name)
{
	struct {
		const char *name;
		bool *field;
	} all[] = {
		{ "defer_taskrun", &features->defer_taskrun },
		{ "accept_multishot", &features->accept_multishot },
		{ "recv_credit", &features->recv_credit },
		{ "no_iowait", &features->no_iowait },
	};

	for (size_t n = 0; n < ARRAY_LEN(all); n++)
		if (strcmp(all[n].name, name) == 0)
			return all[n].field;
	return NULL;
}

static bool read_without(struct options *o, char *list)
{
	char *rest = NULL;

	for (char *w = strtok_r(list, ",", &rest); w; w = strtok_r(NULL, ",", &rest)) {
		bool *feature = feature_named(&o->without, w);

		if (!feature) {
			fprintf(stderr,
				"ringmain: --without: unknown feature '%s' (defer_taskrun, "
				"accept_multishot, recv_credit, no_iowait)\n",
				w);
			return false;
		}
		*feature = true;
	}
	return true;
}

static bool read_ring_entries(struct options *o, const char *text)
{
	uint64_t n;

	if (!text_to_u64(text, &n) || n < RING_ENTRIES_MIN || n > RING_ENTRIES_MAX ||
	    (n & (n - 1)) != 0) {
		fprintf(stderr, "ringmain: --ring-entries: '%s' is not a power of two (%d to %d)\n",
			text, RING_ENTRIES_MIN, RING_ENTRIES_MAX);
		return false;
	}
	o->ring_entries = (unsigned)n;
	return true;
}

static bool read_option(struct options *o, int opt)
{
	switch (opt) {
	case 'c':
		o->config_path = optarg;
		return true;
	case 't':
		o->action = ACTION_TEST;
		return true;
	case OPT_DUMP:
		o->action = ACTION_DUMP;
		return true;
	case OPT_ROUTE:
		o->action = ACTION_ROUTE;
		o->route_key = optarg;
		return true;
	case OPT_DIGEST:
		o->action = ACTION_DIGEST;
		return true;
	case OPT_HELP_CONFIG:
		o->action = ACTION_DIRECTIVES;
		return true;
	case OPT_HELP_METRICS:
		o->action = ACTION_METRICS;
		return true;
	case 'V':
		o->action = ACTION_VERSION;
		return true;
	case 'h':
		o->action = ACTION_HELP;
		return true;
	case OPT_WITHOUT:
		return read_without(o, optarg);
	case OPT_RING_ENTRIES:
		return read_ring_entries(o, optarg);
	default:
		fprintf(stderr, "Try 'ringmain --help'.\n");
		return false;
	}
}

bool options_read(struct options *o, int argc, char **argv)
{
	int opt;

	*o = (struct options){ .config_path = options_config_default };
	while ((opt = getopt_long(argc, argv, "c:tVh", long_options, NULL)) != -1)
		if (!read_option(o, opt))
			return false;
	if (optind < argc) {
		fprintf(stderr, "ringmain: unexpected argument '%s'\n", argv[optind]);
		return false;
	}
	return true;
}

void options_print_help(void)
{
	printf("Usage: ringmain [-c FILE|DIR] [-t | --dump | --route KEY | --digest]\n"
	       "A layer-4 TCP load balancer.\n"
	       "\n"
	       "  -c, --config FILE    configuration, or a directory of *.ini files\n"
	       "                       (default %s)\n"
	       "  -t, --test           check the configuration, silent when it is good\n"
	       "      --dump           print the effective configuration, defaults included\n"
	       "      --route KEY      print which backend a client gets, and why: an address,\n"
	       "                       a server name, or database=NAME user=NAME\n"
	       "      --digest         print fingerprints of hash tables, to compare nodes\n"
	       "      --help-config    print every directive with its default and limits\n"
	       "      --help-metrics   print every metric of the status page\n"
	       "  -V, --version        print the version\n"
	       "  -h, --help           print this help\n"
	       "\n"
	       "For tests:\n"
	       "      --without LIST   do as if the kernel could not: defer_taskrun,\n"
	       "                       accept_multishot, recv_credit, no_iowait\n"
	       "      --ring-entries N size of each worker's ring, a power of two\n"
	       "\n"
	       "SIGUSR1 logs the counters.\n"
	       "SIGTERM or SIGINT lets sessions end (drain_timeout), a second one ends them now.\n"
	       "Exit status: 0, 1 on a mistake in the configuration or a failed start,\n"
	       "69 when io_uring is not to be had. See ringmain(8) and ringmain.ini(5).\n",
	       options_config_default);
}

void options_print_version(void)
{
	const char *cost = tls_library_cost();

	printf("ringmain " RINGMAIN_VERSION "\n");
	printf("%s%s%s\n", tls_library_version(), cost ? ": " : "", cost ? cost : "");
	printf("groups %s\n", policy_groups(true));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

/* The command line. */

#include <stdbool.h>

#include "base/def.h"
#include "io/ring.h"

/* The configuration that is read without -c, where `make install` puts the sample. */
extern const char options_config_default[];

enum options_action {
	ACTION_RUN,
	ACTION_TEST,       /* -t */
	ACTION_DUMP,       /* --dump */
	ACTION_DIRECTIVES, /* --help-config */
	ACTION_METRICS,    /* --help-metrics */
	ACTION_ROUTE,      /* --route */
	ACTION_DIGEST,     /* --digest */
	ACTION_VERSION,
	ACTION_HELP,
};

struct options {
	enum options_action action;
	const char *config_path;
	const char *route_key;        /* of ACTION_ROUTE */
	struct ring_features without; /* set: do as if this kernel could not */
	unsigned ring_entries;        /* 0: as built */
};

/* Reads argv. On a mistake says so on stderr and returns false. */
MUST_CHECK bool options_read(struct options *ret_options, int argc, char **argv);

void options_print_help(void);
void options_print_version(void);

#endif

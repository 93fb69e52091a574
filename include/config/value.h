/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

/*
 * The types of directives. Those of value.c fit any field of the C type named
 * beside them; the others fill several fields of one struct.
 */

#include "config/directive_type.h"

extern const struct directive_type type_number;    /* unsigned */
extern const struct directive_type type_duration;  /* uint64_t, milliseconds */
extern const struct directive_type type_size;      /* uint64_t, bytes */
extern const struct directive_type type_rate;      /* unsigned, in a second */
extern const struct directive_type type_byte_rate; /* uint64_t, bytes in a second */
extern const struct directive_type type_mode;      /* unsigned, of a file */
extern const struct directive_type type_choice;    /* an enum; the row has its words */
extern const struct directive_type type_flag;      /* bool */

extern const struct directive_type type_text; /* char *, allocated; NULL: not given */
extern const struct directive_type type_file; /* the same, the name of a file */
extern const struct directive_type type_name; /* the same, of a host or an address */
extern const struct directive_type type_sni;  /* the same, of a host */

extern const struct directive_type type_route;       /* listener_config.routes */
extern const struct directive_type type_certificate; /* listener_config.certificates */

/*
 * What a client is known by: the kinds of enum client_key from the row's min
 * to its max are allowed.
 */
extern const struct directive_type type_key;        /* struct key_config */
extern const struct directive_type type_hash_table; /* unsigned, slots; 0: auto */

extern const struct directive_type type_check;      /* check_config.kind and what it asks */
extern const struct directive_type type_check_step; /* check_config.steps */

extern const struct directive_type type_lag;      /* struct lag_limit */
extern const struct directive_type type_failback; /* role_settings.failback */

extern const struct directive_type type_local_addr, type_bare_addr; /* pool_config.sources */
/* listener_config.proxy_protocol_from */
extern const struct directive_type type_proxy_protocol_from;
extern const struct directive_type type_client_allow; /* listener_config.client_rules */
extern const struct directive_type type_client_deny;
extern const struct directive_type type_allow; /* listener_config.access, all of it */
extern const struct directive_type type_deny;  /* what is written with this goes there, too */
extern const struct directive_type type_status_allow; /* global_config.status.allow */

extern const struct directive_type type_include; /* global_config.includes */

extern const struct directive_type type_bind;       /* listener_config.binds */
extern const struct directive_type type_log;        /* global_config.log */
extern const struct directive_type type_log_format; /* global_config.log_format, log_template */
extern const struct directive_type type_control;    /* global_config.control */
extern const struct directive_type type_status;     /* global_config.status.at, is_on */
extern const struct directive_type type_pool;       /* listener_config.pool_name, pool_location */
extern const struct directive_type type_like;       /* pool_config.like */
extern const struct directive_type type_backend;    /* pool_config.backends */

/* @spec as one would write it. Gives @text. */
#define SPEC_TEXT_BYTES (sizeof(((struct addr_spec *)0)->host) + 16)
const char *spec_format(const struct addr_spec *spec, char text[SPEC_TEXT_BYTES]);

#endif

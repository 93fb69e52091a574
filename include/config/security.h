/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_SECURITY_H
#define CONFIG_SECURITY_H

/* What a configuration says of TLS, made into what sessions use. */

#include "config/config.h"
#include "config/diag.h"

/*
 * Loads all certificates and keys into the tls_server, tls_client and tickets
 * of @config. Reports what is wrong with them, at the line that names them.
 */
void config_load_security(struct config *config, struct diag *diag);

#endif

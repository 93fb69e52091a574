/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_SECURITY_H
#define CONFIG_SECURITY_H

/* What a configuration says of TLS, made into what sessions use. */

#include <stdbool.h>

#include "config/config.h"
#include "config/diag.h"

/*
 * Checks what belongs together, and with @ask, which allows to read files,
 * loads all certificates and keys into tls_server, tls_client and tickets of
 * @config. Reports what is wrong with them.
 */
void config_check_security(struct config *config, struct diag *diag, bool ask);

#endif

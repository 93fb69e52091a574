/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/alert.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#ifdef RINGMAIN_WOLFSSL_OWN
/* The library's own, in no public header. */
int SendAlert(WOLFSSL *ssl, int severity, int type);

bool alert_send(struct WOLFSSL *ssl, enum tlsrec_alert alert)
{
	(void)SendAlert(ssl, alert_fatal, alert);
	return true;
}
#else
bool alert_send(struct WOLFSSL *ssl, enum tlsrec_alert alert)
{
	(void)ssl;
	(void)alert;
	return false;
}
#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/setup.h"

#include "base/check.h"
#include "tls/client.h"
#include "tls/endpoint.h"
#include "tls/handshake.h"
#include "tls/library.h"
#include "tls/offer.h"
#include "tls/policy.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <string.h>

/*
 * A ticket that is too long is not ours; one that is to be used without a new
 * key exchange is of no use here. The library must not look at either.
 */
WOLFSSL_CTX *setup_context(const struct identity *identity, const struct tls_offer *offer)
{
	bool is_of_no_use = offer && (offer->ticket_bytes > tls_library_ticket_bytes_max() ||
				      (offer->has_psk && offer->is_psk_ke_only));

	return is_of_no_use ? identity->no_tickets_ctx : identity->ctx;
}

bool setup_alpn(WOLFSSL *ssl, const struct policy *policy, const struct tls_offer *offer)
{
	char list[POLICY_ALPN_BYTES]; /* the library cuts it up */

	if (policy->alpn[0] == '\0')
		return true;
	memcpy(list, policy->alpn, sizeof(list));
	if (offer)
		offer_choose_alpn(list, offer);
	return wolfSSL_UseALPN(ssl, list, (unsigned)strlen(list),
			       WOLFSSL_ALPN_FAILED_ON_MISMATCH) == WOLFSSL_SUCCESS;
}

static bool is_tls13(const struct tls_offer *offer, const struct policy *policy)
{
	return policy->max == TLS_1_3 && offer_has(&offer->versions, TLS_1_3);
}

bool setup_drop_early_data(WOLFSSL *ssl, const struct tls_offer *offer, const struct policy *policy)
{
	if (!offer->has_early_data || !is_tls13(offer, policy))
		return false;
	for (size_t i = 0; i < policy->groups_n; i++) {
		int group = policy->groups[i];

		if (!offer_has(&offer->groups, (uint16_t)group) ||
		    offer_has(&offer->shares, (uint16_t)group))
			continue;
		(void)wolfSSL_set_groups(ssl, &group, 1);
		return true;
	}
	return false;
}

bool setup_names(WOLFSSL *ssl, const struct tls_client *client, const struct peer_name *verify,
		 struct handshake *handshake)
{
	const char *sni = client->sni;

	if (!sni)
		sni = verify ? verify->host : "";
	if (sni[0] != '\0' && wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, sni,
					     (unsigned short)strlen(sni)) != WOLFSSL_SUCCESS)
		return false;
	if (client->insecure)
		return true;
	CHECK(verify);
	return handshake_expect(handshake, verify);
}

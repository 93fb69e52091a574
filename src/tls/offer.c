/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/offer.h"

#include "base/def.h"
#include "tls/policy.h"

#include <string.h>

bool offer_has(const struct tls_numbers *numbers, uint16_t number)
{
	for (size_t i = 0; i < numbers->n; i++) {
		if (numbers->at[i] == number)
			return true;
	}
	return false;
}

bool offer_has_any(const struct tls_numbers *numbers, const uint16_t *wanted, size_t n)
{
	for (size_t i = 0; i < n && wanted[i] != 0; i++) {
		if (offer_has(numbers, wanted[i]))
			return true;
	}
	return false;
}

void offer_fit_of(struct offer_fit *ret_fit, const struct tls_offer *offer,
		  const struct policy *policy)
{
	struct offer_fit fit = { .group_fits = offer->groups.n == 0 };

	for (size_t i = 0; i < offer->versions.n; i++) {
		uint16_t version = offer->versions.at[i];

		fit.version = MAX(fit.version, version);
		fit.version_fits |= version >= policy->min && version <= policy->max;
	}
	for (size_t i = 0; i < policy->groups_n; i++) /* the library's numbers are IANA's */
		fit.group_fits |= offer_has(&offer->groups, (uint16_t)policy->groups[i]);
	*ret_fit = fit;
}

static bool offers_alpn(const struct tls_offer *offer, const char *id, size_t n)
{
	for (size_t i = 0; i < offer->alpn_bytes; i += 1 + (size_t)offer->alpn[i]) {
		if (offer->alpn[i] == n && memcmp(offer->alpn + i + 1, id, n) == 0)
			return true;
	}
	return false;
}

void offer_choose_alpn(char *list, const struct tls_offer *offer)
{
	size_t n;

	for (const char *id = list; *id; id += n + (id[n] == ',')) {
		n = strcspn(id, ",");
		if (offers_alpn(offer, id, n)) {
			memmove(list, id, n);
			list[n] = '\0';
			return;
		}
	}
}

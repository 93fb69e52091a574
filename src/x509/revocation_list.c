/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/revocation_list.h"

#include "x509/der.h"

#include <stdbool.h>

/* Extensions that are known, by the last number of their OID: all are below id-ce. */
enum id_ce {
	REASON_CODE = 21,
	INVALIDITY_DATE = 24,
	DELTA_INDICATOR = 27,
	DISTRIBUTION_POINT = 28,
	AUTHORITY_KEY = 35,
};

static const char malformed[] = "malformed";

struct extension {
	int id; /* 0: not of that arc */
	bool is_critical;
};

static bool take_extension(struct der *from, struct extension *ret)
{
	struct der parts, oid, flag, value;

	if (!der_enter(from, DER_SEQUENCE, &parts) || !der_enter(&parts, DER_OID, &oid))
		return false;
	ret->is_critical = der_enter(&parts, DER_BOOLEAN, &flag) && !der_is(&flag, "", 1);
	ret->id = 0;
	if (oid.end - oid.at == 3 && oid.at[0] == 0x55 && oid.at[1] == 29)
		ret->id = oid.at[2];
	return der_enter(&parts, DER_OCTETS, &value);
}

typedef const char *judge_fn(struct extension extension);

static const char *judge_of_list(struct extension e)
{
	if (e.id == DELTA_INDICATOR)
		return "it is a delta list, which has only what is new";
	if (e.id == DISTRIBUTION_POINT)
		return "it may be a partial list: it has an issuing distribution point";
	return e.is_critical && e.id != AUTHORITY_KEY ? "it has an unknown critical extension"
						      : NULL;
}

/* Whatever the reason, who is listed is refused. */
static const char *judge_of_entry(struct extension e)
{
	if (!e.is_critical || e.id == REASON_CODE || e.id == INVALIDITY_DATE)
		return NULL;
	return "an entry of it has an unknown critical extension";
}

static const char *judge_all(struct der extensions, judge_fn *judge)
{
	struct extension extension;
	const char *why = NULL;

	while (!why && extensions.at < extensions.end) {
		if (!take_extension(&extensions, &extension))
			return malformed;
		why = judge(extension);
	}
	return why;
}

static bool skip_time(struct der *from)
{
	struct der value;

	return der_enter(from, DER_UTC_TIME, &value) || der_enter(from, DER_GENERAL_TIME, &value);
}

/* A serial number, when it was revoked, and perhaps extensions. */
static const char *entry_fault(struct der entry)
{
	struct der value, extensions;

	if (!der_enter(&entry, DER_INTEGER, &value) || !skip_time(&entry))
		return malformed;
	return der_enter(&entry, DER_SEQUENCE, &extensions) ? judge_all(extensions, judge_of_entry)
							    : NULL;
}

static const char *entries_fault(struct der entries)
{
	const char *why = NULL;
	struct der entry;

	while (!why && entries.at < entries.end)
		why = der_enter(&entries, DER_SEQUENCE, &entry) ? entry_fault(entry) : malformed;
	return why;
}

/* What is behind the issuer: two times, entries, extensions; all but the first may be absent. */
static const char *body_fault(struct der body, time_t now)
{
	struct der value, extensions;
	const char *why = NULL;

	if (der_time(body) > now)
		return "revocation list is not valid yet";
	if (!skip_time(&body))
		return malformed;
	(void)skip_time(&body);
	if (der_enter(&body, DER_SEQUENCE, &value))
		why = entries_fault(value);
	if (!why && der_enter(&body, DER_CONTEXT_0, &value))
		why = der_enter(&value, DER_SEQUENCE, &extensions)
			      ? judge_all(extensions, judge_of_list)
			      : malformed;
	return why || body.at == body.end ? why : malformed;
}

const char *revocation_list_fault(const uint8_t *der, size_t bytes, time_t now)
{
	struct der whole = { der, der + bytes }, list, body, value, algorithm, issuer;

	if (!der_enter(&whole, DER_SEQUENCE, &list) || !der_enter(&list, DER_SEQUENCE, &body))
		return malformed;
	(void)der_enter(&body, DER_INTEGER, &value); /* the version may be absent */
	if (!der_enter(&body, DER_SEQUENCE, &algorithm) || !der_enter(&body, DER_SEQUENCE, &issuer))
		return malformed;
	return body_fault(body, now);
}

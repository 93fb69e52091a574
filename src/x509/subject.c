/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/subject.h"

/* What is before it in a TBSCertificate: a version or none, a serial number, and three more. */
bool subject_find(const uint8_t *der, size_t bytes, struct subject *ret_subject)
{
	struct der whole = { der, der + bytes }, parts, tbs, part;

	if (!der_enter(&whole, DER_SEQUENCE, &parts) || !der_enter(&parts, DER_SEQUENCE, &tbs))
		return false;
	(void)der_enter(&tbs, DER_CONTEXT_0, &part);
	if (!der_enter(&tbs, DER_INTEGER, &part))
		return false;
	for (int i = 0; i < 3; i++) { /* the signature's algorithm, the issuer, the dates */
		if (!der_enter(&tbs, DER_SEQUENCE, &part))
			return false;
	}
	*ret_subject = (struct subject){ 0 };
	return der_enter(&tbs, DER_SEQUENCE, &ret_subject->sets);
}

static bool read_next(struct subject *s, struct subject_attribute *ret_attribute)
{
	struct der attribute;

	return der_enter(&s->set, DER_SEQUENCE, &attribute) &&
	       der_enter(&attribute, DER_OID, &ret_attribute->oid) &&
	       der_take(&attribute, &ret_attribute->tag, &ret_attribute->text);
}

bool subject_next(struct subject *s, struct subject_attribute *ret_attribute)
{
	while (!s->is_broken && s->set.at == s->set.end) {
		if (s->sets.at == s->sets.end)
			return false;
		s->is_broken = !der_enter(&s->sets, DER_SET, &s->set);
	}
	s->is_broken = s->is_broken || !read_next(s, ret_attribute);
	return !s->is_broken;
}

bool subject_is_common_name(const struct subject_attribute *attribute)
{
	static const uint8_t id_at_common_name[] = { 0x55, 4, 3 };

	return der_is(&attribute->oid, id_at_common_name, sizeof(id_at_common_name));
}

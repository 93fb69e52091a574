/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types of the directives that say how a backend is chosen: what a client
 * is known by, and the size of a table of hashes.
 */
#include "config/value.h"

#include <string.h>

#include "base/check.h"
#include "config/setting.h"

/* ---- what a client is known by ---- */

#define BITS4_MAX 32u
#define BITS6_MAX 128u

/* Takes "/BITS" off the beginning of *@at. Nothing there is good, too: all of them. */
static bool read_bits(const char **at, unsigned max, unsigned *ret_bits)
{
	char text[TEXT_NUMBER_BYTES];
	size_t n;
	uint64_t bits;

	*ret_bits = max;
	if (**at == '\0')
		return true;
	n = strcspn(*at + 1, "/");
	if (**at != '/' || n >= sizeof(text))
		return false;
	memcpy(text, *at + 1, n);
	text[n] = '\0';
	*at += 1 + n;
	if (!text_to_u64(text, &bits) || bits < 1 || bits > max)
		return false;
	*ret_bits = (unsigned)bits;
	return true;
}

/* "/24" or "/24/56", behind "source". */
static bool read_source_bits(const char *at, struct key_config *key)
{
	return read_bits(&at, BITS4_MAX, &key->bits4) && read_bits(&at, BITS6_MAX, &key->bits6) &&
	       *at == '\0';
}

/* Of "source/24" the word is source. -1: there is none like this among those allowed. */
static int find_kind(const struct setting *s)
{
	const struct directive *d = s->directive;
	size_t n = strcspn(s->text, "/");

	for (uint64_t i = d->min; i <= d->max; i++) {
		const char *name = client_key_names[i];

		if (strlen(name) == n && strncmp(s->text, name, n) == 0)
			return (int)i;
	}
	return -1;
}

static void set_key(const struct setting *s, void *section)
{
	const struct directive *d = s->directive;
	struct key_config key = { .bits4 = BITS4_MAX, .bits6 = BITS6_MAX };
	int kind = find_kind(s);
	const char *prefix = s->text + strcspn(s->text, "/");

	if (kind < 0) {
		setting_error(s,
			      text_nearest(s->text, client_key_names + d->min, d->max - d->min + 1),
			      "unknown value '%.60s'", s->text);
		return;
	}
	key.kind = (enum client_key)kind;
	if (key.kind != CLIENT_KEY_SOURCE && *prefix != '\0')
		setting_error(s, NULL, "only a source has a prefix");
	else if (!read_source_bits(prefix, &key))
		setting_error(s, NULL, "'%.60s': a prefix has 1-32 bits of IPv4, 1-128 of IPv6",
			      s->text);
	else
		memcpy((char *)section + d->offset, &key, sizeof(key));
}

static void print_key(const struct directive *d, const void *section, size_t index, FILE *to)
{
	struct key_config key;

	(void)index;
	memcpy(&key, (const char *)section + d->offset, sizeof(key));
	CHECK(key.kind < CLIENT_KEYS);
	fputs(client_key_names[key.kind], to);
	if (key.bits4 != BITS4_MAX || key.bits6 != BITS6_MAX)
		fprintf(to, "/%u", key.bits4);
	if (key.bits6 != BITS6_MAX)
		fprintf(to, "/%u", key.bits6);
}

static void allow_key(const struct directive *d, FILE *to)
{
	for (uint64_t i = d->min; i <= d->max; i++) {
		fprintf(to, "%s%s", i > d->min ? ", " : "", client_key_names[i]);
		if (i == CLIENT_KEY_SOURCE)
			fputs(", source/BITS4, source/BITS4/BITS6", to);
	}
}

const struct directive_type type_key = {
	.allow = allow_key,
	.set = set_key,
	.print = print_key,
};

/* ---- hash_table ---- */

static const struct table_size {
	const char *text;
	unsigned slots;
} table_sizes[] = {
	{ "auto", 0 },
	{ "65537", CONFIG_HASH_SLOTS_SMALL },
	{ "655373", CONFIG_HASH_SLOTS_LARGE },
};

static void set_hash_table(const struct setting *s, void *section)
{
	for (size_t i = 0; i < ARRAY_LEN(table_sizes); i++) {
		if (strcmp(s->text, table_sizes[i].text) != 0)
			continue;
		memcpy((char *)section + s->directive->offset, &table_sizes[i].slots,
		       sizeof(table_sizes[i].slots));
		return;
	}
	setting_error(s, NULL, "unknown value '%.60s'", s->text);
}

static void print_hash_table(const struct directive *d, const void *section, size_t index, FILE *to)
{
	unsigned slots;

	(void)index;
	memcpy(&slots, (const char *)section + d->offset, sizeof(slots));
	for (size_t i = 0; i < ARRAY_LEN(table_sizes); i++) {
		if (slots == table_sizes[i].slots)
			fputs(table_sizes[i].text, to);
	}
}

const struct directive_type type_hash_table = {
	.form = "auto, 65537, 655373",
	.set = set_hash_table,
	.print = print_hash_table,
};

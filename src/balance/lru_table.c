/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/lru_table.h"

#include "base/check.h"
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lru_init(struct lru_table *table, uint32_t max, uint64_t seed)
{
	*table = (struct lru_table){ .max = max, .seed = seed, .free = LRU_NONE, .heads_n = 1 };
	CHECK(max < LRU_NONE / 4);
	while (table->heads_n < max)
		table->heads_n *= 2;
	table->entries = calloc(max + 1ul, sizeof(*table->entries));
	table->heads = malloc(table->heads_n * sizeof(*table->heads));
	if (!table->entries || !table->heads) {
		lru_finish(table);
		return -ENOMEM;
	}
	memset(table->heads, 0xff, table->heads_n * sizeof(*table->heads));
	table->entries[max].older = table->entries[max].newer = max;
	return 0;
}

void lru_finish(struct lru_table *table)
{
	free(table->entries);
	free(table->heads);
	*table = (struct lru_table){ 0 };
}

static uint32_t *head_of(struct lru_table *table, struct lru_key key)
{
	return &table->heads[hash_bytes(&key, sizeof(key), table->seed) & (table->heads_n - 1)];
}

uint32_t lru_index(const struct lru_table *table, const struct lru_entry *entry)
{
	return (uint32_t)(entry - table->entries);
}

struct lru_entry *lru_at(struct lru_table *table, uint32_t index)
{
	CHECK(index < table->touched);
	return &table->entries[index];
}

struct lru_entry *lru_find(struct lru_table *table, struct lru_key key)
{
	for (uint32_t i = *head_of(table, key); i != LRU_NONE; i = table->entries[i].next) {
		struct lru_entry *entry = &table->entries[i];

		if (entry->key.a == key.a && entry->key.b == key.b)
			return entry;
	}
	return NULL;
}

/* The list of the unheld is a ring through entries[max], which lies between newest and oldest. */
static void list_take_out(struct lru_table *table, struct lru_entry *entry)
{
	table->entries[entry->older].newer = entry->newer;
	table->entries[entry->newer].older = entry->older;
}

static void list_add_newest(struct lru_table *table, struct lru_entry *entry)
{
	struct lru_entry *ends = &table->entries[table->max];
	uint32_t i = lru_index(table, entry);

	entry->older = ends->older;
	entry->newer = table->max;
	table->entries[ends->older].newer = i;
	ends->older = i;
}

void lru_touch(struct lru_table *table, struct lru_entry *entry)
{
	if (entry->held > 0)
		return;
	list_take_out(table, entry);
	list_add_newest(table, entry);
}

void lru_remove(struct lru_table *table, struct lru_entry *entry)
{
	uint32_t *link = head_of(table, entry->key);
	uint32_t i = lru_index(table, entry);

	CHECK(entry->held == 0);
	while (*link != i) {
		DCHECK(*link != LRU_NONE);
		link = &table->entries[*link].next;
	}
	*link = entry->next;
	list_take_out(table, entry);
	entry->next = table->free;
	table->free = i;
	table->used--;
}

/* One that is not in the table, or NULL when all are held. */
static struct lru_entry *take_entry(struct lru_table *table)
{
	struct lru_entry *entry;
	uint32_t oldest;

	if (table->free == LRU_NONE && table->touched < table->max)
		return &table->entries[table->touched++];
	if (table->free == LRU_NONE) {
		oldest = table->entries[table->max].newer;
		if (oldest == table->max)
			return NULL;
		lru_remove(table, &table->entries[oldest]);
	}
	entry = &table->entries[table->free];
	table->free = entry->next;
	return entry;
}

struct lru_entry *lru_get(struct lru_table *table, struct lru_key key)
{
	struct lru_entry *entry = lru_find(table, key);
	uint32_t *head;

	if (entry)
		return entry;
	entry = take_entry(table);
	if (!entry)
		return NULL;
	head = head_of(table, key);
	*entry = (struct lru_entry){ .key = key, .next = *head };
	*head = lru_index(table, entry);
	list_add_newest(table, entry);
	table->used++;
	return entry;
}

void lru_hold(struct lru_table *table, struct lru_entry *entry)
{
	table->holds++;
	if (entry->held++ == 0)
		list_take_out(table, entry);
}

void lru_release(struct lru_table *table, struct lru_entry *entry)
{
	CHECK(entry->held > 0);
	table->holds--;
	if (--entry->held == 0)
		list_add_newest(table, entry);
}

bool lru_key_from_addr(const struct addr *addr, unsigned bits4, unsigned bits6,
		       struct lru_key *ret_key)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t bytes[16];
	unsigned bits;

	if (!addr_bytes(addr, bytes))
		return false;
	bits = memcmp(bytes, mapped, sizeof(mapped)) == 0 ? 96 + MIN(bits4, 32) : MIN(bits6, 128);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		unsigned keep = MIN(bits - MIN(bits, 8 * i), 8);

		bytes[i] &= (uint8_t)(0xff00 >> keep);
	}
	memcpy(&ret_key->a, bytes, 8);
	memcpy(&ret_key->b, bytes + 8, 8);
	return true;
}

struct lru_key lru_key_from_bytes(uint64_t seed, const void *bytes, size_t n)
{
	return (struct lru_key){ hash_bytes(bytes, n, seed), hash_bytes(bytes, n, ~seed) };
}

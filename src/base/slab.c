/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/slab.h"

#include "base/check.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#if WITH_ASAN
#include <sanitizer/asan_interface.h>
#define poison(at, n) ASAN_POISON_MEMORY_REGION(at, n)
#define unpoison(at, n) ASAN_UNPOISON_MEMORY_REGION(at, n)
#else
#define poison(at, n) ((void)(at), (void)(n))
#define unpoison(at, n) ((void)(at), (void)(n))
#endif

/* What a free object holds; the rest of it is whatever its last user left. */
struct free_object {
	void *next;
	uintptr_t mark;
};

static_assert(sizeof(struct free_object) <= CACHE_LINE_BYTES, "the smallest object holds it");

/* A value that no object in use holds there by accident. */
static uintptr_t mark_of(const void *object)
{
	return (uintptr_t)object ^ (uintptr_t)UINT64_C(0xf1eeb10c0b1ec7ed);
}

int slab_init(struct slab *slab, size_t object_bytes, uint32_t objects_max)
{
	size_t rounded, bytes;
	void *memory;

	CHECK(object_bytes > 0);
	CHECK(objects_max > 0);
	if (__builtin_add_overflow(object_bytes, CACHE_LINE_BYTES - 1, &rounded))
		return -ENOMEM;
	rounded -= rounded % CACHE_LINE_BYTES;
	if (__builtin_mul_overflow(rounded, (size_t)objects_max, &bytes))
		return -ENOMEM;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	*slab = (struct slab){
		.memory = memory,
		.object_bytes = rounded,
		.mapped_bytes = bytes,
		.objects_max = objects_max,
	};
	return 0;
}

void slab_finish(struct slab *slab)
{
	CHECK(slab->used == 0);
	if (!slab->memory)
		return;
	/* ASan does not forget the poison when the pages go and others come. */
	unpoison(slab->memory, slab->touched * slab->object_bytes);
	munmap(slab->memory, slab->mapped_bytes);
	*slab = (struct slab){ 0 };
}

static void *get_freed(struct slab *slab)
{
	struct free_object *object = slab->free;

	unpoison(object, slab->object_bytes);
	CHECK(object->mark == mark_of(object));
	slab->free = object->next;
	return memset(object, 0, slab->object_bytes);
}

void *slab_get(struct slab *slab)
{
	void *object;

	if (slab->free)
		object = get_freed(slab);
	else if (slab->touched < slab->objects_max)
		object = slab->memory + slab->object_bytes * slab->touched++;
	else
		return NULL;
	slab->used++;
	return object;
}

void slab_put(struct slab *slab, void *object)
{
	struct free_object *freed = object;

	CHECK(slab_index(slab, object) < slab->touched);
	CHECK(slab->used > 0);
	/* Of an object that is back already ASan allows no more than this look. */
	unpoison(freed, sizeof(*freed));
	CHECK(freed->mark != mark_of(object));
	freed->next = slab->free;
	freed->mark = mark_of(object);
	poison(object, slab->object_bytes);
	slab->free = object;
	slab->used--;
}

uint32_t slab_index(const struct slab *slab, const void *object)
{
	size_t offset = (size_t)((uintptr_t)object - (uintptr_t)slab->memory);

	CHECK(slab->memory);
	CHECK(offset < slab->mapped_bytes);
	CHECK(offset % slab->object_bytes == 0);
	return (uint32_t)(offset / slab->object_bytes);
}

void *slab_at(const struct slab *slab, uint32_t index)
{
	char *object = slab->memory + slab->object_bytes * index;
	struct free_object *freed = (struct free_object *)object;

	if (index >= slab->touched)
		return NULL;
	/* Of a free object ASan allows no more than this look; one in use stays as it is. */
	unpoison(freed, sizeof(*freed));
	if (freed->mark != mark_of(object))
		return object;
	poison(freed, sizeof(*freed));
	return NULL;
}

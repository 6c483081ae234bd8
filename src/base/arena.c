#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define FR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FR_ASAN 1
#endif
#endif

#ifdef FR_ASAN
#include <sanitizer/asan_interface.h>
#define GAP 16u
#define poison(p, len) ASAN_POISON_MEMORY_REGION(p, len)
#define unpoison(p, len) ASAN_UNPOISON_MEMORY_REGION(p, len)
#else
#define GAP 0u
#define poison(p, len) ((void)(p), (void)(len))
#define unpoison(p, len) ((void)(p), (void)(len))
#endif

#define ALIGN _Alignof(max_align_t)
#define BLOCK 4096u

struct fr_arena_block {
	struct fr_arena_block *next;
	size_t size; /* of bytes[] */
	size_t used;
	_Alignas(max_align_t) char bytes[];
};

void fr_arena_init(struct fr_arena *arena, size_t max)
{
	*arena = (struct fr_arena){ .max = max };
}

static void free_blocks(struct fr_arena_block *block)
{
	struct fr_arena_block *next;

	for (; block; block = next) {
		next = block->next;
		unpoison(block->bytes, block->size);
		free(block);
	}
}

void fr_arena_fini(struct fr_arena *arena)
{
	free_blocks(arena->blocks);
	fr_arena_init(arena, arena->max);
}

void fr_arena_reset(struct fr_arena *arena)
{
	struct fr_arena_block *keep = arena->blocks;

	if (!keep)
		return;
	free_blocks(keep->next);
	keep->next = NULL;
	keep->used = 0;
	poison(keep->bytes, keep->size);
	arena->used = 0;
}

static struct fr_arena_block *add_block(struct fr_arena *arena, size_t size)
{
	struct fr_arena_block *block = malloc(sizeof *block + size);

	if (!block)
		return NULL;
	block->size = size;
	block->used = 0;
	block->next = arena->blocks;
	arena->blocks = block;
	poison(block->bytes, size);
	return block;
}

void *fr_arena_alloc(struct fr_arena *arena, size_t size)
{
	struct fr_arena_block *block = arena->blocks;
	size_t whole;
	char *p;

	if (size > arena->max)
		return NULL;
	whole = (size + GAP + ALIGN - 1) / ALIGN * ALIGN;
	if (!whole)
		whole = ALIGN;
	if (whole > arena->max - arena->used)
		return NULL;
	if (!block || whole > block->size - block->used) {
		block = add_block(arena, whole > BLOCK ? whole : BLOCK);
		if (!block)
			return NULL;
	}
	p = block->bytes + block->used;
	block->used += whole;
	arena->used += whole;
	unpoison(p, size);
	return p;
}

char *fr_arena_copy(struct fr_arena *arena, const char *p, size_t len)
{
	char *copy = len < SIZE_MAX ? fr_arena_alloc(arena, len + 1) : NULL;

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

/*
 * An arena: many small allocations that die together, as those of a request.
 *
 * Memory comes in blocks; nothing is freed alone.  The arena must be told its
 * maximum.  Under AddressSanitizer everything that was not handed out is
 * poisoned, with a gap between two allocations, so that an overrun is found
 * as if each were malloc'ed.  The struct is the caller's.  One thread at a
 * time.
 */
#ifndef FR_BASE_ARENA_H
#define FR_BASE_ARENA_H

#include <stddef.h>

struct fr_arena_block;

struct fr_arena {
	struct fr_arena_block *blocks; /* the newest first */
	size_t used; /* bytes handed out, gaps and large blocks included */
	size_t max;
};

void fr_arena_init(struct fr_arena *arena, size_t max);
void fr_arena_fini(struct fr_arena *arena);

/* Frees all but one block, which the next user of the arena finds empty. */
void fr_arena_reset(struct fr_arena *arena);

/* Memory aligned for any type, not zeroed; NULL when memory or the maximum is exhausted. */
void *fr_arena_alloc(struct fr_arena *arena, size_t size);

/* A copy of len bytes and a NUL. */
char *fr_arena_copy(struct fr_arena *arena, const char *p, size_t len);

#endif

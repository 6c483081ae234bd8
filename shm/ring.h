/*
 * A ring of messages in shared memory: one process writes, another reads.
 *
 * No lock and no wait: a message that does not fit is dropped and counted.
 * The writer and the reader each keep a private handle; what the other side
 * can have damaged is checked before it is used, so that a reader survives
 * whatever a dying writer left.  Memory is the caller's.  One thread a side.
 */
#ifndef FR_SHM_RING_H
#define FR_SHM_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What lies in shared memory, followed by `size` bytes. Zeroed memory is an empty ring. */
struct fr_ring_head {
	_Atomic uint64_t written; /* bytes ever: the writer's */
	_Atomic uint64_t dropped; /* messages: the writer's */
	uint64_t pad1[6];
	_Atomic uint64_t read; /* bytes ever: the reader's */
	uint64_t pad2[7];
};

struct fr_ring {
	struct fr_ring_head *head;
	unsigned char *bytes;
	uint32_t size; /* a power of two */
};

/* The bytes that a ring of size needs. */
size_t fr_ring_bytes(uint32_t size);

/* Takes memory (aligned to 8) for a ring of size, a power of two of at least 64. */
void fr_ring_init(struct fr_ring *ring, void *memory, uint32_t size);

/* The longest message that an empty ring takes. */
size_t fr_ring_max(const struct fr_ring *ring);

/* Writes one message made of n parts. FR_ELIMIT: no room, it is dropped and counted. */
struct fr_ring_part {
	const void *p;
	size_t len;
};
int fr_ring_write(struct fr_ring *ring, const struct fr_ring_part *parts, size_t n);

/*
 * Copies the next message into out and returns its length, which is cut to
 * max; FR_EAGAIN: there is none; FR_ECORRUPT: what is there makes no sense,
 * and is passed over.
 */
long fr_ring_read(struct fr_ring *ring, void *out, size_t max);

uint64_t fr_ring_dropped(const struct fr_ring *ring);

#endif

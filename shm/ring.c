#include "shm/ring.h"

#include <string.h>

#define RELAXED memory_order_relaxed

/* A message is its length, its bytes, and padding to 8. */
static uint64_t space_of(uint64_t len)
{
	return 8 + ((len + 7) & ~(uint64_t)7);
}

size_t fr_ring_bytes(uint32_t size)
{
	return sizeof(struct fr_ring_head) + size;
}

void fr_ring_init(struct fr_ring *ring, void *memory, uint32_t size)
{
	ring->head = memory;
	ring->bytes = (unsigned char *)memory + sizeof(struct fr_ring_head);
	ring->size = size;
}

size_t fr_ring_max(const struct fr_ring *ring)
{
	return ring->size - 8;
}

static void copy_in(struct fr_ring *ring, uint64_t at, const void *p, size_t len)
{
	size_t from = at & (ring->size - 1), first = ring->size - from;

	if (len == 0)
		return;
	if (first > len)
		first = len;
	memcpy(ring->bytes + from, p, first);
	memcpy(ring->bytes, (const char *)p + first, len - first);
}

static void copy_out(const struct fr_ring *ring, uint64_t at, void *p, size_t len)
{
	size_t from = at & (ring->size - 1), first = ring->size - from;

	if (len == 0)
		return;
	if (first > len)
		first = len;
	memcpy(p, ring->bytes + from, first);
	memcpy((char *)p + first, ring->bytes, len - first);
}

int fr_ring_write(struct fr_ring *ring, const struct fr_ring_part *parts, size_t n)
{
	uint64_t at = atomic_load_explicit(&ring->head->written, RELAXED);
	uint64_t read = atomic_load_explicit(&ring->head->read, memory_order_acquire);
	uint64_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += parts[i].len;
	if (len > fr_ring_max(ring) || at - read > ring->size ||
	    space_of(len) > ring->size - (at - read)) {
		atomic_store_explicit(&ring->head->dropped,
		                      atomic_load_explicit(&ring->head->dropped, RELAXED) + 1,
		                      RELAXED);
		return FR_ELIMIT;
	}
	copy_in(ring, at, &len, sizeof len);
	for (uint64_t i = 0, to = at + sizeof len; i < n; to += parts[i].len, i++)
		copy_in(ring, to, parts[i].p, parts[i].len);
	/* Only now is it there: a writer that dies before has written nothing. */
	atomic_store_explicit(&ring->head->written, at + space_of(len), memory_order_release);
	return 0;
}

long fr_ring_read(struct fr_ring *ring, void *out, size_t max)
{
	uint64_t written = atomic_load_explicit(&ring->head->written, memory_order_acquire);
	uint64_t at = atomic_load_explicit(&ring->head->read, RELAXED), len = 0;

	if (at == written)
		return FR_EAGAIN;
	if (written - at < 8 || written - at > ring->size || at % 8)
		goto corrupt;
	copy_out(ring, at, &len, sizeof len);
	if (len > fr_ring_max(ring) || space_of(len) > written - at)
		goto corrupt;
	copy_out(ring, at + sizeof len, out, len < max ? (size_t)len : max);
	atomic_store_explicit(&ring->head->read, at + space_of(len), memory_order_release);
	return (long)(len < max ? len : max);
corrupt:
	atomic_store_explicit(&ring->head->read, written, memory_order_release);
	return FR_ECORRUPT;
}

uint64_t fr_ring_dropped(const struct fr_ring *ring)
{
	return atomic_load_explicit(&ring->head->dropped, RELAXED);
}

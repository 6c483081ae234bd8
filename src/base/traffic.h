/*
 * What goes over connections, counted where others may look on.
 *
 * One struct a server, in its own memory or in memory that it shares; net/
 * writes, whoever has the address reads.  One writer, no lock: each counter
 * is a plain word, stored whole.
 */
#ifndef FR_BASE_TRAFFIC_H
#define FR_BASE_TRAFFIC_H

#include <stdatomic.h>
#include <stdint.h>

struct fr_traffic {
	_Atomic uint64_t accepted;
	_Atomic uint64_t connections; /* now */
	_Atomic uint64_t requests; /* heads that the application saw */
	_Atomic uint64_t refused; /* requests that the server itself answered: 4xx, 5xx */
	_Atomic uint64_t timeouts;
	_Atomic uint64_t bytes_in, bytes_out;
};

#define FR_COUNT_GET(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
/* No locked instruction: nobody else writes it. */
#define FR_COUNT_ADD(counter, n)                                                                   \
	atomic_store_explicit(&(counter), FR_COUNT_GET(counter) + (n), memory_order_relaxed)

#endif

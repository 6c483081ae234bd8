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
#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

struct fr_traffic {
	_Atomic uint64_t accepted;
	_Atomic uint64_t connections; /* now */
	_Atomic uint64_t requests; /* heads that the application saw */
	_Atomic uint64_t refused; /* requests that the server itself answered: 4xx, 5xx */
	_Atomic uint64_t timeouts;
	_Atomic uint64_t bytes_in, bytes_out;
	/* Whose connection is being read, served or written just now: fr_traffic_turn. */
	_Atomic uint64_t turn, turn_ip6[2];
};

#define FR_COUNT_GET(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
/* No locked instruction: nobody else writes it. */
#define FR_COUNT_ADD(counter, n)                                                                   \
	atomic_store_explicit(&(counter), FR_COUNT_GET(counter) + (n), memory_order_relaxed)

/* Its turn begins, whatever its family (AF_INET, AF_INET6, any other has no address); NULL: nobody's. */
void fr_traffic_turn(struct fr_traffic *t, const struct sockaddr *peer);

#define FR_TRAFFIC_PEER 64 /* bytes of a peer's text */

/* "127.0.0.1:4711", "[::1]:4711" or "a Unix socket"; false: it was nobody's turn. Any bytes may be there. */
bool fr_traffic_peer(const struct fr_traffic *t, char ret[FR_TRAFFIC_PEER]);

#endif

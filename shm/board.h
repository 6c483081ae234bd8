/*
 * The board: what each worker is doing, where the master can see it.
 *
 * One block of shared memory a generation, made by the master before it forks
 * the workers.  Each worker has a slot of its own, aligned to pages, and is
 * its only writer; the master only reads.  There is no lock: each field is
 * stored whole, and a reader may see a request that was counted in one field
 * and not yet in another.  Offsets only.  The master keeps the sizes in
 * memory of its own and trusts nothing that a worker can have overwritten.
 *
 * The master calls open, close, slot and the readers; workers/ writes.
 */
#ifndef FR_SHM_BOARD_H
#define FR_SHM_BOARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/traffic.h"
#include "shm/ring.h"

#define FR_BOARD_VERSION 2u
#define FR_BOARD_ERRORS 65536u /* bytes of a worker's ring of errors */
#define FR_BOARD_WHY 56 /* bytes of a reason, a multiple of 8 */

/*
 * Latencies in microseconds, log-linear: eight buckets to each doubling, up
 * to 2^27 us (134 s).  A bucket's width is at most an eighth of its values.
 */
#define FR_BOARD_BUCKETS 200

enum fr_board_state {
	FR_BOARD_STARTING = 0,
	FR_BOARD_SERVING = 1,
	FR_BOARD_DRAINING = 2,
	FR_BOARD_ENDED = 3,
};

/* Counters of one route, or of all requests without one. One cache line. */
struct fr_board_route {
	_Atomic uint64_t requests; /* ended; those without an answer are in no class */
	_Atomic uint64_t errors; /* exceptions that nothing handled */
	_Atomic uint64_t classes[5]; /* 1xx to 5xx */
	_Atomic uint64_t us; /* sum of latencies */
};

/* A request in flight. id 0: the entry is free. */
struct fr_board_flight {
	_Atomic uint64_t id;
	_Atomic uint64_t begun_ns; /* CLOCK_MONOTONIC */
	_Atomic uint32_t route; /* the number of routes: none, or not looked up yet */
	_Atomic uint32_t method; /* enum fr_method */
};

/* Where a `def` callable runs. */
struct fr_board_place {
	_Atomic uint32_t state; /* 0 probation, 1 inline, 2 threads */
	uint32_t reserved;
	_Atomic uint64_t why[FR_BOARD_WHY / 8]; /* text, written before state */
};

/* The start of a slot; routes, places, requests in flight, histograms and the ring follow. */
struct fr_board_slot {
	_Atomic uint32_t version; /* FR_BOARD_VERSION once the worker has begun */
	_Atomic uint32_t pid;
	_Atomic uint32_t generation;
	_Atomic uint32_t state; /* enum fr_board_state */
	_Atomic uint64_t due_ns; /* when the loop's next heartbeat is due; 0: no loop yet */
	_Atomic uint64_t lag_ns; /* how late the last one was */
	_Atomic uint64_t max_lag_ns;
	_Atomic uint64_t in_flight;
	struct fr_traffic traffic; /* its server counts right here */
	_Atomic uint64_t verdicts; /* how often a place changed */
	_Atomic uint64_t flights_used; /* entries that ever were: no others need be looked at */
	uint64_t reserved;
};

/* A handle, in private memory; the worker inherits the master's by fork. */
struct fr_board {
	char *base;
	size_t size, slot_size;
	size_t places_at, flights_at, buckets_at, ring_at; /* from the slot's start */
	uint32_t nworkers, nroutes, nplaces;
	uint32_t nflights; /* requests of a worker that are named; more are counted only */
};

int fr_board_open(struct fr_board *ret, uint32_t nworkers, uint32_t nroutes, uint32_t nplaces,
                  uint32_t nflights, struct fr_diag *diag) FR_MUST_CHECK;
void fr_board_close(struct fr_board *board);

struct fr_board_slot *fr_board_slot(const struct fr_board *board, uint32_t worker);

/* nroutes + 1 records: the last one is of requests without a route. */
struct fr_board_route *fr_board_routes(const struct fr_board *board, uint32_t worker);
struct fr_board_place *fr_board_places(const struct fr_board *board, uint32_t worker);

/* nflights entries, and how many of them the worker has used, as far as there are so many. */
struct fr_board_flight *fr_board_flights(const struct fr_board *board, uint32_t worker);
uint32_t fr_board_flights_used(const struct fr_board *board, uint32_t worker);

/* Why may be NULL; it is cut to FR_BOARD_WHY - 1 bytes. */
void fr_board_put_place(struct fr_board_place *place, uint32_t state, const char *why);

/*
 * Returns the state, and copies the reason: printable ASCII, terminated,
 * whatever is there.  While it is being written it may be of two texts.
 */
uint32_t fr_board_get_place(struct fr_board_place *place, char ret_why[FR_BOARD_WHY]);

/* FR_BOARD_BUCKETS counts of a route. */
_Atomic uint64_t *fr_board_buckets(const struct fr_board *board, uint32_t worker, uint32_t route);
struct fr_ring fr_board_errors(const struct fr_board *board, uint32_t worker);

/* Zeroes a slot whose worker is gone, and gives its memory back. */
void fr_board_clear(const struct fr_board *board, uint32_t worker);

/* ---- latencies ---- */

unsigned fr_board_bucket(uint64_t us);

/* The middle of a bucket's values, in microseconds. */
double fr_board_bucket_us(unsigned bucket);

/* The value that share (0 to 1) of all counts are not above, in microseconds; -1 without any. */
double fr_board_percentile(const uint64_t *counts, double share);

/* ---- one writer ---- */

#define FR_BOARD_GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define FR_BOARD_PUT(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
/* No locked instruction: nobody else writes it. */
#define FR_BOARD_ADD(field, n) FR_BOARD_PUT(field, FR_BOARD_GET(field) + (n))

/* ---- errors ---- */

/* A message of the ring: this, then type, place and text, none of them terminated. */
struct fr_board_error {
	uint64_t id; /* of the request; 0: none */
	uint32_t route; /* the number of routes: none */
	uint32_t method;
	uint32_t type_len, place_len, text_len;
	uint32_t reserved;
};

#define FR_BOARD_ERROR_TEXT 8192u /* of a traceback; what comes before it is cut off */

_Static_assert(sizeof(struct fr_board_route) == 64, "a route's counters are one cache line");
_Static_assert(sizeof(struct fr_board_place) == 64, "a place is one cache line");
_Static_assert(sizeof(struct fr_board_flight) == 24, "no padding");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "atomics are plain words");

#endif

/*
 * A worker's slot of the board: counters, requests in flight, heartbeat,
 * placements, errors.
 *
 * What happens at each request is inline: a few plain stores and two looks at
 * the clock.  One struct a worker, owned by its main function; only the
 * loop's thread writes.
 */
#ifndef FR_WORKERS_BOARD_H
#define FR_WORKERS_BOARD_H

#include "workers/python.h"

#include <ev.h>
#include <stdbool.h>
#include <time.h>

#include "shm/board.h"
#include "workers/run.h"

#define FR_BOARD_BEAT 0.5 /* seconds */

struct fr_wboard {
	struct fr_board board; /* the mapping that was inherited */
	uint32_t worker;
	struct fr_board_slot *slot;
	struct fr_board_route *routes;
	_Atomic uint64_t *buckets;
	struct fr_ring errors;
	struct fr_program *program; /* the sealed image's, borrowed: the board has its numbers */
	struct fr_program *later; /* one that was made of the application since; a reference */
	uint32_t *numbers; /* program's for later's routes, and then its places; FR_NONE32: none */
	ev_timer beat;
	uint64_t verdicts; /* of the others, as of the last look */
	struct fr_board_flight *flights;
	uint32_t *free; /* entries that were used and are not now */
	uint32_t *landing; /* closed: theirs once the kernel has the answers */
	uint32_t nfree, nlanding, nused;
	uint64_t landing_all; /* those without an entry, too */
};

/* What a request keeps for the board. */
struct fr_flight {
	uint64_t begun_ns;
	uint32_t route;
	uint32_t entry; /* FR_NONE32: none was free */
	bool open, counted;
};

static inline uint64_t fr_wboard_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* An entry that is free, FR_NONE32 for none; the others are not touched before they are needed. */
static inline uint32_t fr_wboard_entry(struct fr_wboard *b)
{
	if (b->nfree)
		return b->free[--b->nfree];
	if (b->nused == b->board.nflights)
		return FR_NONE32;
	FR_BOARD_PUT(b->slot->flights_used, b->nused + 1u);
	return b->nused++;
}

static inline void fr_wboard_free_entry(struct fr_wboard *b, uint32_t entry)
{
	if (entry == FR_NONE32)
		return;
	FR_BOARD_PUT(b->flights[entry].id, 0);
	b->free[b->nfree++] = entry;
}

/* A request has come.  Here and below b may be NULL: nobody watches. */
static inline void fr_wboard_begin(struct fr_wboard *b, struct fr_flight *f, uint64_t id,
                                   uint32_t method)
{
	if (!b)
		return;
	*f = (struct fr_flight){ .begun_ns = fr_wboard_now(),
		                 .route = b->board.nroutes,
		                 .entry = fr_wboard_entry(b),
		                 .open = true };
	FR_BOARD_ADD(b->slot->in_flight, 1);
	if (f->entry != FR_NONE32) {
		struct fr_board_flight *e = &b->flights[f->entry];

		FR_BOARD_PUT(e->begun_ns, f->begun_ns);
		FR_BOARD_PUT(e->route, f->route);
		FR_BOARD_PUT(e->method, method);
		atomic_store_explicit(&e->id, id, memory_order_release);
	}
}

/*
 * The board's number of program's route: the same one is the one with the same
 * methods and path.  FR_NONE32: none, it was not there when the image was made.
 */
uint32_t fr_wboard_number(struct fr_wboard *b, struct fr_program *program, uint32_t route);

/* Its route is known, by the board's number. */
static inline void fr_wboard_route(struct fr_wboard *b, struct fr_flight *f, uint32_t route)
{
	if (!b || route >= b->board.nroutes)
		return;
	f->route = route;
	if (f->entry != FR_NONE32)
		FR_BOARD_PUT(b->flights[f->entry].route, route);
}

/* Its whole answer goes out; status 0: it will never have one. Later calls do nothing. */
static inline void fr_wboard_answer(struct fr_wboard *b, struct fr_flight *f, unsigned status)
{
	struct fr_board_route *r;
	uint64_t us;

	if (!b || !f->open || f->counted)
		return;
	r = &b->routes[f->route];
	f->counted = true;
	us = (fr_wboard_now() - f->begun_ns) / 1000;
	FR_BOARD_ADD(r->requests, 1);
	FR_BOARD_ADD(r->us, us);
	FR_BOARD_ADD(b->buckets[(size_t)f->route * FR_BOARD_BUCKETS + fr_board_bucket(us)], 1);
	if (status >= 100 && status < 600)
		FR_BOARD_ADD(r->classes[status / 100 - 1], 1);
}

/* The run is over, and the answer is collected: in flight until fr_wboard_flush(). */
static inline void fr_wboard_land(struct fr_wboard *b, struct fr_flight *f)
{
	if (!b || !f->open)
		return;
	fr_wboard_answer(b, f, 0);
	f->open = false;
	b->landing_all++;
	if (f->entry != FR_NONE32)
		b->landing[b->nlanding++] = f->entry;
}

/* The kernel has what was collected: a kill takes it from nobody now. */
static inline void fr_wboard_flush(struct fr_wboard *b)
{
	if (!b)
		return;
	FR_BOARD_ADD(b->slot->in_flight, -b->landing_all);
	b->landing_all = 0;
	while (b->nlanding)
		fr_wboard_free_entry(b, b->landing[--b->nlanding]);
}

/* The run is over, background tasks included, and so is the exchange. */
static inline void fr_wboard_end(struct fr_wboard *b, struct fr_flight *f)
{
	if (!b || !f->open)
		return;
	fr_wboard_answer(b, f, 0);
	f->open = false;
	FR_BOARD_ADD(b->slot->in_flight, (uint64_t)-1);
	fr_wboard_free_entry(b, f->entry);
}

/* Takes over the slot of worker.  Out of memory: requests are counted, and not named. */
void fr_wboard_init(struct fr_wboard *b, const struct fr_board *board, uint32_t worker,
                    uint32_t generation);

/* Begins the heartbeat, and watches program's placements and everybody's errors. */
void fr_wboard_start(struct fr_wboard *b, struct ev_loop *ev, struct fr_program *program);
void fr_wboard_stop(struct fr_wboard *b, struct ev_loop *ev);

void fr_wboard_state(struct fr_wboard *b, enum fr_board_state state);

#endif

#include "tests/unit/status_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/builder.h"
#include "tests/unit/manifests.h"

static void ended(struct status_world *w, unsigned worker, unsigned route, int class, uint64_t us,
                  unsigned n)
{
	struct fr_board_route *r = &fr_board_routes(w->board, worker)[route];
	_Atomic uint64_t *buckets = fr_board_buckets(w->board, worker, route);

	FR_BOARD_ADD(r->requests, n);
	FR_BOARD_ADD(r->classes[class - 1], n);
	FR_BOARD_ADD(r->us, n * us);
	FR_BOARD_ADD(buckets[fr_board_bucket(us)], n);
}

void status_world_init(struct status_world *w)
{
	const struct manifest_route routes[] = { { "/items/{id}", { "GET" } },
		                                 { "/items", { "POST" } } };
	char *text = manifest_of(routes, 2, true);
	struct fr_image_buf image;
	struct fr_board_flight *flight;
	struct fr_board_slot *slot;
	struct fr_diag diag;

	assert_int_equal(fr_image_build(text, strlen(text), 1, &image, &diag), 0);
	w->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(w->loop);
	w->status = fr_status_new(w->loop, "9.8.7");
	assert_non_null(w->status);
	assert_int_equal(fr_status_enter(w->status, 3, image.image, 2, 300, &w->watch, &diag), 0);
	fr_status_serves(w->status, 3);
	w->board = fr_watch_board(w->watch);
	fr_image_buf_fini(&image);
	free(text);
	ended(w, 0, 0, 2, 1000, 90);
	ended(w, 0, 0, 4, 1000, 9);
	ended(w, 0, 0, 5, 64000, 1);
	ended(w, 0, 1, 2, 2000, 5);
	ended(w, 0, 2, 4, 10, 4); /* without a route */
	slot = fr_board_slot(w->board, 0);
	FR_BOARD_PUT(slot->version, FR_BOARD_VERSION);
	FR_BOARD_PUT(slot->pid, (uint32_t)getpid());
	FR_BOARD_PUT(slot->generation, 3);
	FR_BOARD_PUT(slot->state, FR_BOARD_SERVING);
	FR_BOARD_PUT(slot->traffic.connections, 6);
	FR_BOARD_PUT(slot->traffic.refused, 7);
	FR_BOARD_PUT(slot->in_flight, 1);
	/* Begun when the machine was: surely longer than a second. */
	FR_BOARD_PUT(slot->flights_used, 1);
	flight = fr_board_flights(w->board, 0);
	FR_BOARD_PUT(flight->begun_ns, 1);
	FR_BOARD_PUT(flight->route, 1);
	FR_BOARD_PUT(flight->method, FR_POST);
	FR_BOARD_PUT(flight->id, 42);
}

void status_world_fini(struct status_world *w)
{
	fr_status_leave(w->watch);
	fr_status_free(w->status);
	ev_loop_destroy(w->loop);
}

void status_world_error(struct status_world *w, unsigned worker, const char *type,
                        const char *place, const char *text)
{
	struct fr_board_error head = { .id = 42,
		                       .route = 1,
		                       .method = FR_POST,
		                       .type_len = (uint32_t)strlen(type),
		                       .place_len = (uint32_t)strlen(place),
		                       .text_len = (uint32_t)strlen(text) };
	const struct fr_ring_part parts[] = { { &head, sizeof head },
		                              { type, head.type_len },
		                              { place, head.place_len },
		                              { text, head.text_len } };
	struct fr_ring ring = fr_board_errors(w->board, worker);

	assert_int_equal(fr_ring_write(&ring, parts, 4), 0);
}

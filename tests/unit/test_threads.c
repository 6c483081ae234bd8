/*
 * What threads and processes share without a lock: shm/ring.c and shm/board.c,
 * here between threads, so that ThreadSanitizer sees both sides of it.
 * `contrib/check --sanitize` builds and runs it so; elsewhere it tells what
 * went wrong only if it really did.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shm/board.h"

#define MESSAGES 20001u
#define SIZE 1024u /* of the ring: it is full time and again */
#define WORKERS 3
#define ROUNDS 4000u
#define FLIGHTS 16u

static _Alignas(64) unsigned char memory[sizeof(struct fr_ring_head) + SIZE];

/* ---- the ring ---- */

struct writing {
	unsigned written, dropped;
};

/* Number i, then i % 100 bytes of i's last digit. */
static void *write_all(void *arg)
{
	struct writing *w = arg;
	struct fr_ring ring;
	char text[100];

	fr_ring_init(&ring, memory, SIZE);
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct fr_ring_part parts[] = { { &i, sizeof i }, { text, i % sizeof text } };

		memset(text, '0' + (int)(i % 10), sizeof text);
		/* Some give up, as a worker does; others try until there is room. */
		while (fr_ring_write(&ring, parts, 2) != 0) {
			w->dropped++;
			if (i % 7 == 0)
				break;
			sched_yield();
		}
		w->written = i + 1;
	}
	return NULL;
}

static void a_ring_hands_whole_messages_from_thread_to_thread(void **state)
{
	struct writing w = { 0 };
	struct fr_ring ring;
	pthread_t thread;
	unsigned next = 0, got = 0;

	(void)state;
	memset(memory, 0, sizeof memory);
	fr_ring_init(&ring, memory, SIZE);
	assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
	/* The last one is never given up. */
	_Static_assert((MESSAGES - 1) % 7 != 0, "the reader waits for the last message");
	while (next < MESSAGES) {
		char out[sizeof(unsigned) + 100];
		unsigned number;
		long len = fr_ring_read(&ring, out, sizeof out);

		if (len == FR_EAGAIN) {
			sched_yield();
			continue;
		}
		assert_true(len >= (long)sizeof number);
		memcpy(&number, out, sizeof number);
		assert_true(number >= next && number < MESSAGES);
		for (; next < number; next++)
			assert_int_equal(next % 7, 0);
		assert_int_equal(len, sizeof number + number % 100);
		for (long i = sizeof number; i < len; i++)
			assert_int_equal(out[i], '0' + (int)(number % 10));
		next = number + 1;
		got++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(w.written, MESSAGES);
	assert_int_equal(fr_ring_dropped(&ring), w.dropped);
	assert_true(got >= MESSAGES - MESSAGES / 7 - 1);
}

/* ---- the board ---- */

static const char *const reasons[] = { NULL, "its runs are short", "it does input and output",
	                               "its runs are not short enough" };

struct worker {
	const struct fr_board *board;
	uint32_t number;
	struct fr_board_slot *slot;
};

/* What workers/board.h does for a request that is routed, answered, and ends. */
static void one_request(struct worker *w, uint64_t id)
{
	struct fr_board_route *route = &fr_board_routes(w->board, w->number)[id % 2];
	struct fr_board_flight *f = &fr_board_flights(w->board, w->number)[id % FLIGHTS];

	FR_BOARD_ADD(w->slot->in_flight, 1);
	FR_BOARD_PUT(w->slot->flights_used, id < FLIGHTS ? id + 1 : FLIGHTS);
	FR_BOARD_PUT(f->begun_ns, id * 1000);
	FR_BOARD_PUT(f->route, 1 + (uint32_t)(id % 2));
	atomic_store_explicit(&f->id, id, memory_order_release);
	FR_BOARD_ADD(route->requests, 1);
	FR_BOARD_ADD(route->classes[1], 1);
	FR_BOARD_ADD(fr_board_buckets(w->board, w->number, (uint32_t)(id % 2))[id % 50], 1);
	FR_BOARD_PUT(f->id, 0);
	FR_BOARD_ADD(w->slot->in_flight, (uint64_t)-1);
}

static void *serve(void *arg)
{
	struct worker *w = arg;
	struct fr_ring ring = fr_board_errors(w->board, w->number);

	FR_BOARD_PUT(w->slot->pid, 100 + w->number);
	atomic_store_explicit(&w->slot->version, FR_BOARD_VERSION, memory_order_release);
	for (uint64_t id = 1; id <= ROUNDS; id++) {
		struct fr_board_error head = { .id = id, .text_len = 4 };
		struct fr_ring_part parts[] = { { &head, sizeof head }, { "text", 4 } };

		one_request(w, id);
		if (id % 16 == 0 && fr_ring_write(&ring, parts, 2) == 0)
			FR_BOARD_ADD(fr_board_routes(w->board, w->number)->errors, 1);
		fr_board_put_place(fr_board_places(w->board, w->number), (uint32_t)(id % 3),
		                   reasons[id % 4]);
		/* What the others found: workers look at each other's places, too. */
		(void)atomic_load_explicit(
			&fr_board_places(w->board, (w->number + 1) % WORKERS)->state,
			memory_order_acquire);
	}
	FR_BOARD_PUT(w->slot->state, FR_BOARD_ENDED);
	return NULL;
}

static void check_place(struct fr_board_place *place)
{
	char why[FR_BOARD_WHY];

	assert_true(fr_board_get_place(place, why) < 3);
	/* The end of a longer text may follow a shorter one, never more than the longest. */
	assert_true(strlen(why) <= strlen(reasons[3]) + 7);
	for (const char *p = why; *p; p++)
		assert_true(*p == ' ' || (*p >= 'a' && *p <= 'z'));
}

/* What the master reads; returns how many requests it sees. */
static uint64_t look(const struct fr_board *board, uint32_t number, unsigned *errors)
{
	struct fr_board_slot *slot = fr_board_slot(board, number);
	struct fr_ring ring = fr_board_errors(board, number);
	struct fr_board_route *routes = fr_board_routes(board, number);
	struct fr_board_flight *flights = fr_board_flights(board, number);
	struct {
		struct fr_board_error head;
		char text[4];
	} error;

	if (atomic_load_explicit(&slot->version, memory_order_acquire) != FR_BOARD_VERSION)
		return 0;
	assert_int_equal(FR_BOARD_GET(slot->pid), 100 + number);
	assert_true(FR_BOARD_GET(slot->in_flight) <= 1);
	assert_in_range(fr_board_flights_used(board, number), 0, FLIGHTS);
	for (unsigned i = 0; i < fr_board_flights_used(board, number); i++)
		if (atomic_load_explicit(&flights[i].id, memory_order_acquire))
			assert_in_range(FR_BOARD_GET(flights[i].route), 1, 2);
	check_place(fr_board_places(board, number));
	while (fr_ring_read(&ring, &error, sizeof error) > 0) {
		assert_memory_equal(error.text, "text", 4);
		assert_true(error.head.id % 16 == 0);
		++*errors;
	}
	return FR_BOARD_GET(routes[0].requests) + FR_BOARD_GET(routes[1].requests);
}

static void a_board_is_read_while_it_is_written(void **state)
{
	struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	struct fr_board board;
	struct fr_diag diag;
	uint64_t seen[WORKERS] = { 0 }, ended = 0;
	unsigned errors[WORKERS] = { 0 };

	(void)state;
	assert_int_equal(fr_board_open(&board, WORKERS, 2, 1, FLIGHTS, &diag), 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ &board, i, fr_board_slot(&board, i) };
		assert_int_equal(pthread_create(&threads[i], NULL, serve, &workers[i]), 0);
	}
	while (ended < WORKERS) {
		ended = 0;
		for (uint32_t i = 0; i < WORKERS; i++) {
			uint64_t now;

			ended += FR_BOARD_GET(workers[i].slot->state) == FR_BOARD_ENDED;
			now = look(&board, i, &errors[i]);
			assert_true(now >= seen[i]);
			seen[i] = now;
		}
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(look(&board, i, &errors[i]), ROUNDS);
		assert_int_equal(errors[i], FR_BOARD_GET(fr_board_routes(&board, i)->errors));
	}
	fr_board_close(&board);
}

static void a_reason_is_cut_and_cleaned(void **state)
{
	struct fr_board_place place = { 0 };
	char why[FR_BOARD_WHY], longer[FR_BOARD_WHY + 10];

	(void)state;
	assert_int_equal(fr_board_get_place(&place, why), 0);
	assert_string_equal(why, "");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	fr_board_put_place(&place, 2, longer);
	assert_int_equal(fr_board_get_place(&place, why), 2);
	assert_int_equal(strlen(why), FR_BOARD_WHY - 1);
	fr_board_put_place(&place, 1, "short");
	assert_int_equal(fr_board_get_place(&place, why), 1);
	assert_string_equal(why, "short");
	/* What a worker that runs wild leaves. */
	memset((void *)place.why, 'y', sizeof place.why);
	fr_board_get_place(&place, why);
	assert_int_equal(strlen(why), FR_BOARD_WHY - 1);
	memset((void *)place.why, 0xff, sizeof place.why);
	fr_board_get_place(&place, why);
	assert_string_equal(why, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_hands_whole_messages_from_thread_to_thread),
		cmocka_unit_test(a_board_is_read_while_it_is_written),
		cmocka_unit_test(a_reason_is_cut_and_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

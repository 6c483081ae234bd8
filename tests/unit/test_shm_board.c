/* shm/board.c: slots that don't overlap, what another process writes, and latencies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/board.h"

static struct fr_board opened(uint32_t workers, uint32_t routes, uint32_t places)
{
	struct fr_board board;
	struct fr_diag diag;

	assert_int_equal(fr_board_open(&board, workers, routes, places, 11, &diag), 0);
	return board;
}

/* Fills all that a slot holds through the same calls as a worker. */
static void fill(const struct fr_board *board, uint32_t worker, unsigned char byte)
{
	struct fr_ring ring = fr_board_errors(board, worker);

	memset(fr_board_slot(board, worker), byte, sizeof(struct fr_board_slot));
	memset(fr_board_routes(board, worker), byte,
	       (board->nroutes + 1) * sizeof(struct fr_board_route));
	memset(fr_board_places(board, worker), byte,
	       board->nplaces * sizeof(struct fr_board_place));
	memset(fr_board_flights(board, worker), byte,
	       board->nflights * sizeof(struct fr_board_flight));
	for (uint32_t r = 0; r <= board->nroutes; r++)
		memset((void *)(uintptr_t)fr_board_buckets(board, worker, r), byte,
		       FR_BOARD_BUCKETS * sizeof(uint64_t));
	memset(ring.head, byte, fr_ring_bytes(ring.size));
}

static int all_are(const void *p, size_t len, unsigned char byte)
{
	for (size_t i = 0; i < len; i++)
		if (((const unsigned char *)p)[i] != byte)
			return 0;
	return 1;
}

static void slots_and_their_parts_do_not_overlap(void **state)
{
	struct fr_board board = opened(3, 7, 5);

	(void)state;
	for (uint32_t w = 0; w < 3; w++) {
		assert_int_equal((uintptr_t)fr_board_slot(&board, w) % 64, 0);
		assert_int_equal((uintptr_t)fr_board_routes(&board, w) % 64, 0);
		assert_int_equal((uintptr_t)fr_board_places(&board, w) % 64, 0);
		fill(&board, w, (unsigned char)(w + 1));
	}
	for (uint32_t w = 0; w < 3; w++) {
		struct fr_ring ring = fr_board_errors(&board, w);

		assert_true(all_are(fr_board_slot(&board, w), sizeof(struct fr_board_slot),
		                    (unsigned char)(w + 1)));
		assert_true(all_are(fr_board_routes(&board, w), 8 * 64, (unsigned char)(w + 1)));
		assert_true(all_are(fr_board_places(&board, w), 5 * 64, (unsigned char)(w + 1)));
		assert_true(all_are(fr_board_flights(&board, w), 11 * 24, (unsigned char)(w + 1)));
		/* Whatever a worker says, there are no more. */
		assert_int_equal(fr_board_flights_used(&board, w), 11);
		for (uint32_t r = 0; r < 8; r++)
			assert_true(all_are((void *)(uintptr_t)fr_board_buckets(&board, w, r),
			                    FR_BOARD_BUCKETS * 8, (unsigned char)(w + 1)));
		assert_true(all_are(ring.head, fr_ring_bytes(ring.size), (unsigned char)(w + 1)));
		/* The last part ends inside the slot, the first begins with it. */
		assert_true((char *)ring.head + fr_ring_bytes(ring.size) <=
		            board.base + board.slot_size * (w + 1));
	}
	fr_board_clear(&board, 1);
	assert_true(all_are(fr_board_slot(&board, 1), board.slot_size, 0));
	assert_true(all_are(fr_board_slot(&board, 0), sizeof(struct fr_board_slot), 1));
	assert_true(all_are(fr_board_slot(&board, 2), sizeof(struct fr_board_slot), 3));
	fr_board_close(&board);
	assert_null(board.base);
}

static void what_a_dead_child_wrote_stays(void **state)
{
	struct fr_board board = opened(2, 1, 0);
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		FR_BOARD_PUT(fr_board_slot(&board, 1)->pid, (uint32_t)getpid());
		for (int i = 0; i < 5; i++)
			FR_BOARD_ADD(fr_board_routes(&board, 1)[0].requests, 1);
		abort();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(FR_BOARD_GET(fr_board_slot(&board, 1)->pid), pid);
	assert_int_equal(FR_BOARD_GET(fr_board_routes(&board, 1)[0].requests), 5);
	assert_int_equal(FR_BOARD_GET(fr_board_routes(&board, 0)[0].requests), 0);
	fr_board_close(&board);
}

static void buckets_grow_and_stay_near_their_values(void **state)
{
	unsigned before = 0;

	(void)state;
	for (uint64_t us = 0; us < (1u << 27); us += us / 100 + 1) {
		unsigned bucket = fr_board_bucket(us);
		double middle = fr_board_bucket_us(bucket);

		assert_true(bucket < FR_BOARD_BUCKETS);
		assert_true(bucket == before || bucket == before + 1);
		before = bucket;
		assert_true(middle >= (double)us * 0.93 && middle <= (double)us * 1.07 + 0.5);
	}
	assert_int_equal(before, FR_BOARD_BUCKETS - 1);
	assert_int_equal(fr_board_bucket(UINT64_MAX), FR_BOARD_BUCKETS - 1);
	assert_int_equal(fr_board_bucket(7), 7);
	assert_int_equal(fr_board_bucket(8), 8);
	assert_int_equal(fr_board_bucket(16), 16);
}

static void percentiles_are_those_of_the_sorted_list(void **state)
{
	uint64_t counts[FR_BOARD_BUCKETS] = { 0 };

	(void)state;
	assert_true(fr_board_percentile(counts, 0.5) < 0);
	for (uint64_t us = 1; us <= 100000; us++)
		counts[fr_board_bucket(us)]++;
	for (int percent = 10; percent <= 100; percent += 10) {
		double got = fr_board_percentile(counts, percent / 100.), want = percent * 1000.;

		assert_true(got > want * 0.93 && got < want * 1.07);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_and_their_parts_do_not_overlap),
		cmocka_unit_test(what_a_dead_child_wrote_stays),
		cmocka_unit_test(buckets_grow_and_stay_near_their_values),
		cmocka_unit_test(percentiles_are_those_of_the_sorted_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

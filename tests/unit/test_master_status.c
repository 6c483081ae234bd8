/* What the status keeps: of workers that are gone, of generations, of reloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "master/status_private.h"
#include "shm/builder.h"
#include "tests/unit/manifests.h"
#include "tests/unit/status_world.h"

#define KILLED "was ended by signal 9 (Killed)"

static struct status_world w;
static FILE *log_file;

static int setup(void **state)
{
	(void)state;
	log_file = tmpfile();
	if (!log_file)
		return -1;
	fr_log_init(fileno(log_file), FR_DEBUG);
	status_world_init(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	status_world_fini(&w);
	fr_log_init(STDERR_FILENO, FR_INFO);
	return fclose(log_file);
}

static const char *logged(void)
{
	static char text[65536];
	ssize_t n = pread(fileno(log_file), text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static void has(const char *words)
{
	if (!strstr(logged(), words))
		fail_msg("\"%s\" is not in: %s", words, logged());
}

static uint64_t requests_of(const char *methods, const char *path)
{
	for (size_t i = FR_STATUS_FIRST; i < w.status->nroutes; i++) {
		const struct fr_status_route *r = &w.status->routes[i];

		if (r->path && !strcmp(r->path, path) && !strcmp(r->methods, methods))
			return r->counts.requests;
	}
	fail_msg("there is no %s %s", methods, path);
	return 0;
}

/* ---- workers that are gone ---- */

static void test_counts_outlive_the_worker(void **state)
{
	const struct fr_status_route *none = &w.status->routes[FR_STATUS_NO_ROUTE];
	struct fr_board_slot *slot = fr_board_slot(w.board, 0);
	struct fr_ring ring = fr_board_errors(w.board, 0);
	uint64_t in_buckets = 0;

	(void)state;
	FR_BOARD_PUT(slot->traffic.accepted, 11);
	FR_BOARD_PUT(slot->traffic.bytes_out, 12);
	FR_BOARD_PUT(slot->traffic.bytes_in, 13);
	FR_BOARD_PUT(slot->traffic.timeouts, 14);
	atomic_store(&ring.head->dropped, 15);
	status_world_error(&w, 0, "ValueError", "main.py:3", "its last words");
	fr_watch_died(w.watch, 0, 4711, KILLED, true);
	assert_int_equal(requests_of("GET", "/items/{id}"), 100);
	assert_int_equal(requests_of("POST", "/items"), 5);
	assert_int_equal(none->counts.requests, 4);
	for (unsigned i = 0; i < FR_BOARD_BUCKETS; i++)
		in_buckets += none->counts.buckets[i];
	assert_int_equal(in_buckets, 4);
	assert_int_equal(w.status->accepted, 11);
	assert_int_equal(w.status->bytes_out, 12);
	assert_int_equal(w.status->bytes_in, 13);
	assert_int_equal(w.status->timeouts, 14);
	assert_int_equal(w.status->dropped, 15);
	assert_int_equal(w.status->refused, 7);
	assert_int_equal(w.status->ngroups, 1);
	assert_string_equal(w.status->groups[0].text, "its last words");
	/* The next one begins with nothing; what it adds comes on top. */
	assert_int_equal(FR_BOARD_GET(slot->pid), 0);
	assert_int_equal(FR_BOARD_GET(slot->traffic.refused), 0);
	assert_int_equal(fr_board_flights_used(w.board, 0), 0);
	FR_BOARD_PUT(fr_board_routes(w.board, 0)[1].requests, 2);
	fr_watch_died(w.watch, 0, 4712, "exited with code 0", false);
	assert_int_equal(requests_of("POST", "/items"), 7);
	assert_int_equal(w.status->restarts, 1);
}

static void test_what_it_was_doing_is_logged(void **state)
{
	struct fr_board_slot *slot = fr_board_slot(w.board, 0);
	struct fr_board_flight *flights = fr_board_flights(w.board, 0);

	(void)state;
	FR_BOARD_PUT(slot->in_flight, 6);
	FR_BOARD_PUT(slot->flights_used, 3);
	FR_BOARD_PUT(flights[2].route, 9); /* none, or not one of ours */
	FR_BOARD_PUT(flights[2].method, FR_WEBSOCKET);
	FR_BOARD_PUT(flights[2].begun_ns, UINT64_MAX); /* not begun yet */
	FR_BOARD_PUT(flights[2].id, 43);
	fr_watch_died(w.watch, 0, 4711, KILLED, true);
	has("error [");
	has("worker 0 (pid 4711) took a request with it: POST /items, request 42, begun ");
	has("took a request with it: WEBSOCKET (no route), request 43, begun 0.000 s before\n");
	has("worker 0 (pid 4711) took 4 more requests with it\n");
	assert_null(strstr(logged(), "was at the connection"));
	assert_int_equal(w.status->lost, 6);
}

/* A client that nothing else is known of; and one that was told to end is no error. */
static void test_whose_turn_it_was(void **state)
{
	struct fr_traffic *traffic = &fr_board_slot(w.board, 1)->traffic;
	const struct sockaddr unnamed = { .sa_family = AF_UNIX };

	(void)state;
	fr_traffic_turn(traffic, &unnamed);
	fr_watch_died(w.watch, 1, 4712, "exited with code 0", false);
	has("warning [");
	has("worker 1 (pid 4712) was at the connection from a Unix socket\n");
	assert_null(strstr(logged(), "error ["));
	assert_int_equal(w.status->lost, 0);
	assert_int_equal(w.status->restarts, 0);
}

/* Whatever a worker has written over its slot, the master reads no further than the board goes. */
static void test_a_slot_of_garbage(void **state)
{
	char *slot = (char *)fr_board_slot(w.board, 1);

	(void)state;
	memset(slot, 0xff, w.board->slot_size);
	cJSON_Delete(fr_status_tree(w.status));
	fr_watch_died(w.watch, 1, 4712, KILLED, true);
	has("(pid 4712) took a request with it: OTHER (no route), request 18446744073709551615, ");
	assert_int_equal(w.status->lost,
	                 w.board->nflights); /* in_flight is no number to be believed */
	for (size_t i = 0; i < w.board->slot_size; i++)
		assert_int_equal(slot[i], 0);
}

static void test_a_worker_that_there_is_not(void **state)
{
	(void)state;
	fr_watch_died(w.watch, 2, 4713, KILLED, true);
	assert_int_equal(w.status->restarts, 1);
	assert_string_equal(logged(), "");
}

static void test_causes(void **state)
{
	char how[200];

	(void)state;
	for (int i = 0; i < 3; i++)
		fr_watch_died(w.watch, 1, 1, KILLED, true);
	fr_watch_died(w.watch, 1, 1, KILLED, false);
	assert_int_equal(w.status->ncauses, 1);
	assert_string_equal(w.status->causes[0].how, KILLED);
	assert_int_equal(w.status->causes[0].count, 3);
	memset(how, 'x', sizeof how); /* longer than what is kept: the same, as far as that goes */
	how[sizeof how - 1] = 0;
	fr_watch_died(w.watch, 1, 1, how, true);
	fr_watch_died(w.watch, 1, 1, how, true);
	assert_int_equal(w.status->ncauses, 2);
	assert_int_equal(w.status->causes[1].count, 2);
	for (int i = 0; i < 2 * FR_STATUS_CAUSES; i++) {
		snprintf(how, sizeof how, "exited with code %d", i);
		fr_watch_died(w.watch, 1, 1, how, true);
	}
	assert_int_equal(w.status->ncauses, FR_STATUS_CAUSES);
	assert_int_equal(w.status->restarts, 5 + 2 * FR_STATUS_CAUSES);
	/* The first 30 of those have their own; the last one stands for all that follow, too. */
	assert_int_equal(w.status->causes[FR_STATUS_CAUSES - 2].count, 1);
	assert_int_equal(w.status->causes[FR_STATUS_CAUSES - 1].count, FR_STATUS_CAUSES + 3);
}

/* ---- generations ---- */

static struct fr_watch *enter(unsigned generation, const struct manifest_route *routes, size_t n)
{
	char *text = manifest_of(routes, n, true);
	struct fr_image_buf image;
	struct fr_watch *watch;
	struct fr_diag diag;

	assert_int_equal(fr_image_build(text, strlen(text), 1, &image, &diag), 0);
	assert_int_equal(fr_status_enter(w.status, generation, image.image, 1, 10, &watch, &diag),
	                 0);
	fr_image_buf_fini(&image); /* names are copied */
	free(text);
	return watch;
}

static void ask(struct fr_watch *watch, unsigned route, unsigned n)
{
	FR_BOARD_ADD(fr_board_routes(fr_watch_board(watch), 0)[route].requests, n);
}

/* A route is known by its methods and its path, in whichever place it stands. */
static void test_routes_over_generations(void **state)
{
	const struct manifest_route routes[] = { { "/new", { "GET" } },
		                                 { "/items", { "POST" } },
		                                 { "/items", { "PUT" } } };
	const struct fr_status_route *former = &w.status->routes[FR_STATUS_FORMER];
	struct fr_watch *next = enter(4, routes, 3), *last;

	(void)state;
	ask(next, 1, 20);
	ask(next, 2, 3);
	fr_watch_died(w.watch, 0, 1, "exited with code 0", false);
	fr_watch_died(next, 0, 1, "exited with code 0", false);
	assert_int_equal(requests_of("POST", "/items"), 25);
	assert_int_equal(requests_of("PUT", "/items"), 3);
	fr_status_leave(w.watch);
	assert_int_equal(requests_of("POST", "/items"), 25);
	assert_int_equal(former->counts.requests, 100); /* GET /items/{id} */
	last = enter(5, routes, 1);
	fr_status_leave(next);
	former = &w.status->routes[FR_STATUS_FORMER]; /* the list may have grown */
	assert_int_equal(former->counts.requests, 128);
	assert_int_equal(requests_of("GET", "/new"), 0);
	w.watch = last;
}

/* What is freed is used again: reloads that change routes need no more and more memory. */
static void test_routes_are_forgotten(void **state)
{
	size_t size = 0;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct manifest_route routes[40];
		char paths[40][32];
		struct fr_watch *watch;

		for (unsigned r = 0; r < 40; r++) {
			snprintf(paths[r], sizeof paths[r], "/g%u/r%u", i, r);
			routes[r] = (struct manifest_route){ paths[r], { "GET" } };
		}
		watch = enter(10 + i, routes, 40);
		ask(watch, 39, 1);
		fr_watch_died(watch, 0, 1, "exited with code 0", false);
		fr_status_leave(watch);
		size = size ? size : w.status->nroutes;
		assert_int_equal(w.status->nroutes, size);
	}
	assert_int_equal(w.status->routes[FR_STATUS_FORMER].counts.requests, 50);
}

/* ---- reloads and the spare ---- */

static void test_reloads(void **state)
{
	(void)state;
	assert_int_equal(w.status->reloads, 0); /* the first generation is none */
	fr_status_reload_failed(w.status, "main.py: \xff\xe2\x82");
	assert_int_equal(w.status->reloads, 1);
	assert_int_equal(w.status->reloads_failed, 1);
	assert_string_equal(w.status->reload_error, "main.py: ???");
	assert_int_equal(w.status->generation, 3);
	fr_status_serves(w.status, 5);
	assert_int_equal(w.status->reloads, 2);
	assert_int_equal(w.status->reloads_failed, 1);
	assert_null(w.status->reload_error);
	assert_int_equal(w.status->generation, 5);
	assert_true(w.status->reloaded > 0);
}

static void test_the_spares_words(void **state)
{
	char why[2 * FR_SPARE_WHY];

	(void)state;
	memset(why, 'y', sizeof why);
	memcpy(why + FR_SPARE_WHY - 3, "\xc3\xa4\xc3\xa4", 4); /* cut within the second */
	why[sizeof why - 1] = 0;
	fr_watch_spare(w.watch, 7, "parked", why);
	assert_int_equal(strlen(w.watch->spare.why), FR_SPARE_WHY - 1);
	assert_string_equal(w.watch->spare.why + FR_SPARE_WHY - 4, "y\xc3\xa4");
	memcpy(why + FR_SPARE_WHY - 4, "\xc3\xa4\xc3\xa4", 4);
	fr_watch_spare(w.watch, 7, "parked", why);
	assert_string_equal(w.watch->spare.why + FR_SPARE_WHY - 4, "\xc3\xa4?");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts_outlive_the_worker),
		TEST(test_what_it_was_doing_is_logged),
		TEST(test_whose_turn_it_was),
		TEST(test_a_slot_of_garbage),
		TEST(test_a_worker_that_there_is_not),
		TEST(test_causes),
		TEST(test_routes_over_generations),
		TEST(test_routes_are_forgotten),
		TEST(test_reloads),
		TEST(test_the_spares_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

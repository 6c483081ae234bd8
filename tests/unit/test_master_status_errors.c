/* The rings' errors, whatever a worker wrote there: grouped, bounded, and text in any case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "master/status_private.h"
#include "tests/unit/status_world.h"

static struct status_world w;

static int setup(void **state)
{
	(void)state;
	status_world_init(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	status_world_fini(&w);
	return 0;
}

/* A message as it lies in the ring, of which len bytes are there. */
static void put_raw(const struct fr_board_error *head, const void *rest, size_t len)
{
	const struct fr_ring_part parts[] = { { head, sizeof *head }, { rest, len } };
	struct fr_ring ring = fr_board_errors(w.board, 0);

	assert_int_equal(fr_ring_write(&ring, parts, 2), 0);
}

static const struct fr_status_group *only(void)
{
	assert_int_equal(w.status->ngroups, 1);
	return &w.status->groups[0];
}

static void test_grouped_by_type_and_place(void **state)
{
	const struct fr_status_group *g;

	(void)state;
	status_world_error(&w, 0, "ValueError", "main.py:3", "first");
	status_world_error(&w, 0, "ValueError", "main.py:3", "second");
	fr_status_drain(w.status);
	g = only();
	assert_int_equal(g->count, 2);
	assert_string_equal(g->text, "first");
	assert_string_equal(g->request, "POST /items");
	assert_int_equal(g->pid, getpid());
	assert_true(g->first > 0 && g->last >= g->first);
	status_world_error(&w, 0, "ValueError", "main.py:4", "another place");
	status_world_error(&w, 0, "KeyError", "main.py:3", "another type");
	/* Where the one ends and the other begins is part of it. */
	status_world_error(&w, 0, "ValueErrorm", "ain.py:3", "another end");
	fr_status_drain(w.status);
	assert_int_equal(w.status->ngroups, 4);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(w.status->groups[i].count, 1);
}

static void test_empty_texts(void **state)
{
	(void)state;
	status_world_error(&w, 0, "", "", "");
	fr_status_drain(w.status);
	assert_string_equal(only()->type, "");
	assert_string_equal(only()->place, "");
	assert_string_equal(only()->text, "");
}

/* Any bytes become text of the same length. */
static void test_bytes_become_text(void **state)
{
	static const char rest[] = "T\0\xff"
				   "P\xe2\x82"
				   "a\xc3\xa4\xed\xa0\x80z";
	const struct fr_board_error head = { .type_len = 3, .place_len = 3, .text_len = 7 };

	(void)state;
	put_raw(&head, rest, sizeof rest - 1);
	fr_status_drain(w.status);
	assert_string_equal(only()->type, "T??");
	assert_string_equal(only()->place, "P??");
	assert_string_equal(only()->text, "a\xc3\xa4???z");
}

/* A traceback is cut where it is too long: perhaps within a character, at either end. */
static void test_the_longest(void **state)
{
	static char text[FR_BOARD_ERROR_TEXT + 1];
	char name[513];

	(void)state;
	memset(name, 'n', 512);
	name[512] = 0;
	memset(text, 'x', FR_BOARD_ERROR_TEXT);
	memcpy(text, "\x82\xac", 2); /* the rest of a euro sign */
	text[FR_BOARD_ERROR_TEXT - 1] = (char)0xe2;
	status_world_error(&w, 0, name, name, text);
	fr_status_drain(w.status);
	assert_string_equal(only()->type, name);
	assert_int_equal(strlen(only()->text), FR_BOARD_ERROR_TEXT);
	assert_memory_equal(only()->text, "??xx", 4);
	assert_string_equal(only()->text + FR_BOARD_ERROR_TEXT - 3, "xx?");
}

/* Lengths that do not fit what is there, or that no worker of ours writes: as if it were not there. */
static void test_malformed_messages(void **state)
{
	static const struct {
		uint32_t type, place, text;
		size_t len;
	} list[] = {
		{ 1, 1, 1, 2 },
		{ 1, 1, 1, 4 },
		{ 0, 0, 0, 1 },
		{ 513, 0, 0, 513 },
		{ 0, 513, 0, 513 },
		{ 0, 0, FR_BOARD_ERROR_TEXT + 1, FR_BOARD_ERROR_TEXT + 1 },
		{ UINT32_MAX, 1, 0, 0 },
		{ UINT32_MAX, UINT32_MAX, 2, 0 },
		{ 0, 0, UINT32_MAX, 3 },
		{ 512, 512, FR_BOARD_ERROR_TEXT, FR_BOARD_ERROR_TEXT + 1023 },
	};
	static const char rest[FR_BOARD_ERROR_TEXT + 2048];
	struct fr_ring ring = fr_board_errors(w.board, 0);
	struct fr_board_error head = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		head.type_len = list[i].type;
		head.place_len = list[i].place;
		head.text_len = list[i].text;
		put_raw(&head, rest, list[i].len);
		fr_status_drain(w.status);
		assert_int_equal(w.status->ngroups, 0);
	}
	for (size_t len = 0; len < sizeof head; len += 7) {
		const struct fr_ring_part part = { &head, len };

		assert_int_equal(fr_ring_write(&ring, &part, 1), 0);
		fr_status_drain(w.status);
		assert_int_equal(w.status->ngroups, 0);
	}
	status_world_error(&w, 0, "ValueError", "main.py:3", "a good one");
	fr_status_drain(w.status);
	assert_string_equal(only()->text, "a good one");
}

static void test_routes_and_methods_that_there_are_not(void **state)
{
	static const struct {
		uint32_t route, method;
		const char *request;
	} list[] = {
		{ 0, FR_GET, "GET /items/{id}" },  { 1, FR_POST, "POST /items" },
		{ 2, FR_GET, "GET (no route)" },   { UINT32_MAX, FR_GET, "GET (no route)" },
		{ 1, 0, "OTHER /items" },          { 1, FR_GET | FR_POST, "OTHER /items" },
		{ 1, UINT32_MAX, "OTHER /items" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		const struct fr_board_error head = { .route = list[i].route,
			                             .method = list[i].method };

		put_raw(&head, "", 0);
		fr_status_drain(w.status);
		assert_string_equal(only()->request, list[i].request);
	}
	assert_int_equal(only()->count, sizeof list / sizeof *list);
}

static void error_number(unsigned n)
{
	char place[32];

	snprintf(place, sizeof place, "main.py:%u", n);
	status_world_error(&w, 0, "ValueError", place, "Traceback");
	fr_status_drain(w.status);
}

static bool is_known(unsigned n)
{
	char place[32];

	snprintf(place, sizeof place, "main.py:%u", n);
	for (size_t i = 0; i < w.status->ngroups; i++)
		if (!strcmp(w.status->groups[i].place, place))
			return true;
	return false;
}

/* The one that was quiet for longest makes room, however often it came before. */
static void test_more_groups_than_are_kept(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FR_STATUS_GROUPS; i++)
		error_number(i);
	error_number(0); /* not quiet any more */
	assert_int_equal(w.status->ngroups, FR_STATUS_GROUPS);
	error_number(100);
	assert_int_equal(w.status->ngroups, FR_STATUS_GROUPS);
	assert_true(is_known(0) && is_known(100) && is_known(2));
	assert_false(is_known(1));
	for (unsigned i = 200; i < 200 + 3 * FR_STATUS_GROUPS; i++)
		error_number(i);
	assert_int_equal(w.status->ngroups, FR_STATUS_GROUPS);
	assert_true(is_known(200 + 3 * FR_STATUS_GROUPS - 1));
	assert_false(is_known(0));
}

/* What a full ring lost is counted, and what comes later is taken again. */
static void test_a_full_ring(void **state)
{
	static char text[FR_BOARD_ERROR_TEXT];
	const struct fr_board_error head = { .text_len = sizeof text };
	const struct fr_ring_part parts[] = { { &head, sizeof head }, { text, sizeof text } };
	struct fr_ring ring = fr_board_errors(w.board, 0);
	unsigned fit = 0;

	(void)state;
	memset(text, 't', sizeof text);
	while (fr_ring_write(&ring, parts, 2) == 0)
		fit++;
	assert_true(fit >= 4 && fit < FR_BOARD_ERRORS / sizeof text);
	assert_int_equal(fr_ring_write(&ring, parts, 2), FR_ELIMIT);
	fr_status_drain(w.status);
	assert_int_equal(only()->count, fit);
	put_raw(&head, text, sizeof text);
	fr_status_drain(w.status);
	assert_int_equal(only()->count, fit + 1);
	fr_watch_died(w.watch, 0, getpid(), "was ended", false);
	assert_int_equal(w.status->dropped, 2);
}

/* A worker that writes without an end does not keep the master. */
static void test_a_turn_is_bounded(void **state)
{
	const struct fr_board_error head = { 0 };

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		put_raw(&head, "", 0);
	fr_status_drain(w.status);
	assert_int_equal(only()->count, 256);
	fr_status_drain(w.status);
	assert_int_equal(only()->count, 300);
}

static void test_a_slot_without_a_worker_is_not_read(void **state)
{
	(void)state;
	status_world_error(&w, 1, "ValueError", "main.py:3", "left behind");
	fr_status_drain(w.status);
	assert_int_equal(w.status->ngroups, 0);
	FR_BOARD_PUT(fr_board_slot(w.board, 1)->pid, 77);
	fr_status_drain(w.status);
	assert_int_equal(only()->pid, 77);
}

/* A worker that wrote all over its slot: nothing is believed, and nothing hangs. */
static void test_a_destroyed_ring(void **state)
{
	static const unsigned char fills[] = { 0xff, 0x01, 0x80, 'a' };
	struct fr_ring ring = fr_board_errors(w.board, 0);

	(void)state;
	for (size_t i = 0; i < sizeof fills; i++) {
		memset(ring.bytes, fills[i], ring.size);
		atomic_store(&ring.head->written, UINT64_MAX / 255 * fills[i]);
		for (int k = 0; k < 4; k++)
			fr_status_drain(w.status);
		memset(ring.head, 0, sizeof *ring.head);
		status_world_error(&w, 0, "ValueError", "main.py:3", "a good one");
		for (int k = 0; k < 4; k++)
			fr_status_drain(w.status);
	}
	for (size_t i = 0; i < w.status->ngroups; i++) {
		const struct fr_status_group *g = &w.status->groups[i];

		assert_true(fr_utf8_valid(g->type, strlen(g->type)));
		assert_true(fr_utf8_valid(g->text, strlen(g->text)));
	}
	assert_true(is_known(3));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_grouped_by_type_and_place),
		TEST(test_empty_texts),
		TEST(test_bytes_become_text),
		TEST(test_the_longest),
		TEST(test_malformed_messages),
		TEST(test_routes_and_methods_that_there_are_not),
		TEST(test_more_groups_than_are_kept),
		TEST(test_a_full_ring),
		TEST(test_a_turn_is_bounded),
		TEST(test_a_slot_without_a_worker_is_not_read),
		TEST(test_a_destroyed_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

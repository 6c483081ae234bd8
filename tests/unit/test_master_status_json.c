/* The status as JSON, of a board that the test has written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "master/heritage.h"
#include "tests/unit/status_world.h"

static cJSON *tree_of(struct status_world *w)
{
	char *text = fr_status_json(w->status);
	cJSON *tree = text ? cJSON_Parse(text) : NULL;

	assert_non_null(tree);
	free(text);
	return tree;
}

/* By names and indices: "workers.0.pid". */
static const cJSON *at(const cJSON *tree, const char *path)
{
	char copy[128], *save, *name;

	strncpy(copy, path, sizeof copy - 1);
	copy[sizeof copy - 1] = 0;
	for (name = strtok_r(copy, ".", &save); name && tree; name = strtok_r(NULL, ".", &save))
		tree = cJSON_IsArray(tree) ? cJSON_GetArrayItem(tree, atoi(name))
		                           : cJSON_GetObjectItemCaseSensitive(tree, name);
	if (!tree)
		fail_msg("there is no %s", path);
	return tree;
}

static void number(const cJSON *tree, const char *path, double want)
{
	const cJSON *item = at(tree, path);

	assert_true(cJSON_IsNumber(item));
	if (item->valuedouble != want)
		fail_msg("%s is %g, expected %g", path, item->valuedouble, want);
}

static void string(const cJSON *tree, const char *path, const char *want)
{
	const cJSON *item = at(tree, path);

	assert_true(cJSON_IsString(item));
	assert_string_equal(item->valuestring, want);
}

static void test_totals(void **state)
{
	struct status_world w;
	cJSON *tree;

	(void)state;
	status_world_init(&w);
	tree = tree_of(&w);
	string(tree, "version", "9.8.7");
	number(tree, "pid", getpid());
	number(tree, "generation", 3);
	number(tree, "requests", 109);
	number(tree, "status.2xx", 95);
	number(tree, "status.4xx", 13);
	number(tree, "status.5xx", 1);
	number(tree, "status.none", 0);
	number(tree, "in_flight", 1);
	number(tree, "connections", 6);
	number(tree, "refused", 7);
	number(tree, "reload.count", 0);
	assert_true(cJSON_IsNull(at(tree, "reload.error")));
	cJSON_Delete(tree);
	status_world_fini(&w);
}

static void test_workers(void **state)
{
	struct status_world w;
	cJSON *tree;

	(void)state;
	status_world_init(&w);
	tree = tree_of(&w);
	assert_int_equal(cJSON_GetArraySize(at(tree, "workers")), 2);
	number(tree, "workers.0.pid", getpid());
	string(tree, "workers.0.state", "serving");
	number(tree, "workers.0.requests", 109);
	assert_true(at(tree, "workers.0.rss_bytes")->valuedouble > 100000);
	assert_int_equal(cJSON_GetArraySize(at(tree, "workers.0.requests_in_flight")), 1);
	string(tree, "workers.0.requests_in_flight.0.method", "POST");
	string(tree, "workers.0.requests_in_flight.0.route", "/items");
	number(tree, "workers.0.requests_in_flight.0.request", 42);
	assert_true(cJSON_IsNull(at(tree, "workers.1.pid")));
	string(tree, "workers.1.state", "not running");
	number(tree, "workers.1.requests", 0);
	assert_true(cJSON_IsNull(at(tree, "workers.1.latency")));
	cJSON_Delete(tree);
	status_world_fini(&w);
}

static const cJSON *route_of(const cJSON *tree, const char *key, const char *value)
{
	const cJSON *r;

	cJSON_ArrayForEach(r, at(tree, "routes"))
	{
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(r, key);

		if (cJSON_IsString(item) && !strcmp(item->valuestring, value))
			return r;
	}
	fail_msg("no route whose %s is %s", key, value);
	return NULL;
}

static void test_routes(void **state)
{
	const cJSON *items, *none;
	struct status_world w;
	cJSON *tree;

	(void)state;
	status_world_init(&w);
	tree = tree_of(&w);
	items = route_of(tree, "path", "/items/{id}");
	string(items, "methods", "GET");
	string(items, "endpoint", "main.r0");
	string(items, "placement", "async");
	number(items, "requests", 100);
	number(items, "latency.mean_ms", 1.63);
	/* Buckets are an eighth of their values wide. */
	assert_true(at(items, "latency.p50_ms")->valuedouble > 0.9);
	assert_true(at(items, "latency.p99_ms")->valuedouble < 1.1);
	assert_true(at(items, "latency.p999_ms")->valuedouble > 57);
	number(route_of(tree, "path", "/items"), "in_flight", 1);
	none = route_of(tree, "what", "no route");
	number(none, "requests", 4);
	assert_true(cJSON_IsNull(at(none, "path")));
	cJSON_Delete(tree);
	status_world_fini(&w);
}

/* Of one type from one place they are one, with the first one's text. */
static void test_errors(void **state)
{
	struct status_world w;
	cJSON *tree;

	(void)state;
	status_world_init(&w);
	status_world_error(&w, 0, "ValueError", "main.py:3", "first");
	status_world_error(&w, 0, "ValueError", "main.py:3", "second");
	status_world_error(&w, 0, "KeyError", "main.py:9", "other");
	tree = tree_of(&w);
	assert_int_equal(cJSON_GetArraySize(at(tree, "last_errors")), 2);
	for (int i = 0; i < 2; i++) {
		const cJSON *e = cJSON_GetArrayItem(at(tree, "last_errors"), i);
		bool value = !strcmp(at(e, "type")->valuestring, "ValueError");

		number(e, "count", value ? 2 : 1);
		string(e, "place", value ? "main.py:3" : "main.py:9");
		string(e, "traceback", value ? "first" : "other");
		string(e, "route", "POST /items");
		number(e, "request", 42);
	}
	cJSON_Delete(tree);
	status_world_fini(&w);
}

/* A reason names a file of the application's: any bytes, and cut where it is too long. */
static void test_spare(void **state)
{
	static const char head[] = "the import left descriptor 3 open: /tmp/x\xff";
	char why[2 * FR_SPARE_WHY] = "";
	struct status_world w;
	const char *shown;
	cJSON *tree;

	(void)state;
	snprintf(why, sizeof why, "%s", head);
	while (strlen(why) < FR_SPARE_WHY)
		strcat(why, "\xc3\xa4");
	status_world_init(&w);
	fr_watch_spare(w.watch, 17, "parked", why);
	tree = tree_of(&w);
	number(tree, "spares.0.pid", 17);
	assert_true(cJSON_IsFalse(at(tree, "spares.0.forkable")));
	shown = at(tree, "spares.0.why")->valuestring;
	assert_int_equal(strlen(shown), FR_SPARE_WHY - 1);
	assert_true(fr_utf8_valid(shown, strlen(shown)));
	assert_int_equal(shown[sizeof head - 2], '?');
	assert_int_equal(shown[FR_SPARE_WHY - 2], '?'); /* half a character */
	assert_int_equal(strncmp(shown, head, sizeof head - 2), 0);
	cJSON_Delete(tree);
	fr_watch_spare(w.watch, 18, "parked", "");
	tree = tree_of(&w);
	assert_true(cJSON_IsTrue(at(tree, "spares.0.forkable")));
	assert_true(cJSON_IsNull(at(tree, "spares.0.why")));
	cJSON_Delete(tree);
	fr_watch_spare(w.watch, 0, NULL, "");
	tree = tree_of(&w);
	assert_int_equal(cJSON_GetArraySize(at(tree, "spares")), 0);
	cJSON_Delete(tree);
	status_world_fini(&w);
}

/* All of them are counted under their routes, and so many are shown. */
static void test_flights(void **state)
{
	struct fr_board_flight *flights;
	struct fr_board_slot *slot;
	struct status_world w;
	cJSON *tree;

	(void)state;
	status_world_init(&w);
	slot = fr_board_slot(w.board, 0);
	flights = fr_board_flights(w.board, 0);
	for (unsigned i = 1; i < 300; i++) {
		FR_BOARD_PUT(flights[i].begun_ns, 1);
		FR_BOARD_PUT(flights[i].route, i % 3);
		FR_BOARD_PUT(flights[i].method, FR_WEBSOCKET);
		FR_BOARD_PUT(flights[i].id, i % 10 ? 1000 + i : 0); /* each tenth is free */
	}
	FR_BOARD_PUT(slot->in_flight, 400);
	FR_BOARD_PUT(slot->flights_used, UINT64_MAX); /* more than there are */
	tree = tree_of(&w);
	number(tree, "in_flight", 400);
	assert_int_equal(cJSON_GetArraySize(at(tree, "workers.0.requests_in_flight")), 256);
	string(tree, "workers.0.requests_in_flight.1.method", "WEBSOCKET");
	number(tree, "workers.0.requests_in_flight.1.request", 1001);
	number(route_of(tree, "path", "/items/{id}"), "in_flight", 90);
	number(route_of(tree, "path", "/items"), "in_flight", 91);
	cJSON_Delete(tree);
	fr_watch_died(w.watch, 0, getpid(), "was ended by signal 9 (Killed)", true);
	tree = tree_of(&w);
	number(tree, "restarts.requests_lost", 400);
	cJSON_Delete(tree);
	status_world_fini(&w);
}

/* What a dead worker had counted stays in the totals; what it had in flight is lost. */
static void test_death(void **state)
{
	struct status_world w;
	cJSON *tree;

	(void)state;
	status_world_init(&w);
	fr_watch_died(w.watch, 0, getpid(), "was ended by signal 9 (Killed)", true);
	fr_status_reload_failed(w.status, "\xa4 a traceback: \xff, \xc3\xa4");
	tree = tree_of(&w);
	number(tree, "requests", 109);
	number(tree, "in_flight", 0);
	number(tree, "connections", 0);
	number(tree, "refused", 7);
	number(tree, "restarts.total", 1);
	number(tree, "restarts.requests_lost", 1);
	assert_int_equal(cJSON_GetArraySize(at(tree, "restarts.by_cause")), 1);
	assert_string_equal(at(tree, "restarts.by_cause")->child->string,
	                    "was ended by signal 9 (Killed)");
	string(tree, "workers.0.state", "not running");
	number(tree, "reload.failed", 1);
	string(tree, "reload.error", "? a traceback: ?, \xc3\xa4");
	cJSON_Delete(tree);
	status_world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_totals),  cmocka_unit_test(test_workers),
		cmocka_unit_test(test_routes),  cmocka_unit_test(test_errors),
		cmocka_unit_test(test_death),   cmocka_unit_test(test_spare),
		cmocka_unit_test(test_flights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

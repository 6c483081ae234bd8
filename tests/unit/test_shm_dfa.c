/* The automaton: what it accepts, how large it gets, and which routes are left out for that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "shm/dfa.h"
#include "shm/manifest.h"
#include "shm/route.h"
#include "shm/verify.h"
#include "tests/unit/chance.h"
#include "tests/unit/manifests.h"

#define MAX_ROUTES 64
#define MAX_DEPTH 20
#define PATH_BYTES 512

static struct fr_manifest *read_routes(const struct manifest_route *routes, size_t n)
{
	char *text = manifest_of(routes, n, true);
	struct fr_manifest *m = NULL;
	struct fr_diag diag = { 0 };

	if (fr_manifest_read(text, strlen(text), FR_MANIFEST_MAX, &m, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	free(text);
	return m;
}

static uint32_t collect(const struct fr_dfa *dfa, const char *path, struct fr_accept *ret)
{
	uint32_t n = fr_dfa_collect(dfa, path, strlen(path), NULL);

	assert_in_range(n, 0, 8);
	assert_int_equal(fr_dfa_collect(dfa, path, strlen(path), ret), n);
	return fr_dfa_prune(ret, n);
}

static void test_prune(void **state)
{
	struct fr_accept list[] = {
		{ .route = 5, .methods = FR_GET },   { .route = 2, .methods = FR_POST },
		{ .route = 3, .methods = FR_POST },  { .route = 7, .methods = FR_ANY },
		{ .route = 6, .methods = FR_OTHER }, { .route = 9, .methods = FR_PUT }
	};

	(void)state;
	assert_int_equal(fr_dfa_prune(list, 6), 4);
	assert_int_equal(list[0].route, 2);
	assert_int_equal(list[1].route, 5);
	assert_int_equal(list[2].route, 6);
	assert_int_equal(list[3].route, 7);
	assert_int_equal(fr_dfa_prune(list, 0), 0);
}

static void test_collects(void **state)
{
	const struct manifest_route routes[] = { { "/a/{x:int}", { "GET" } },
		                                 { "/{r:path}", { "POST" } },
		                                 { "/{x}/b", { "PUT" } },
		                                 { "/none", { "GET" } } };
	struct fr_manifest *m = read_routes(routes, 4);
	struct fr_accept found[8];
	struct fr_dfa *dfa = NULL;

	(void)state;
	assert_int_equal(fr_dfa_build(m, &dfa, NULL), 0);
	assert_int_equal(collect(dfa, "/a/7", found), 2);
	assert_int_equal(found[0].route, 0);
	assert_int_equal(found[0].segments, 2);
	assert_int_equal(found[1].route, 1);
	assert_true(found[1].methods & FR_ACCEPT_TAIL);
	assert_int_equal(collect(dfa, "/a/b", found), 2);
	assert_int_equal(found[0].route, 1);
	assert_int_equal(found[1].route, 2);
	assert_int_equal(collect(dfa, "/a/7\n", found), 0);
	assert_int_equal(collect(dfa, "/none", found), 1);
	fr_dfa_free(dfa);
	fr_manifest_free(m);
	m = read_routes(routes + 3, 1);
	assert_int_equal(fr_dfa_build(m, &dfa, NULL), 0);
	assert_int_equal(dfa->nstates, 0);
	fr_dfa_free(dfa);
	fr_manifest_free(m);
}

/* ---- sets that overlap in too many ways ---- */

struct set {
	struct manifest_route routes[MAX_ROUTES];
	char paths[MAX_ROUTES][PATH_BYTES];
	uint32_t literals[MAX_ROUTES]; /* bit i: segment i is "x" */
	uint32_t depth, n;
	bool aside[MAX_ROUTES];
};

static void add(struct set *s, uint32_t literals, const char *method)
{
	char *at = s->paths[s->n];

	for (uint32_t i = 0; i < s->depth; i++)
		at += literals >> i & 1 ? sprintf(at, "/x") : sprintf(at, "/{p%u}", i);
	s->literals[s->n] = literals;
	s->routes[s->n] = (struct manifest_route){ s->paths[s->n], { method } };
	s->n++;
}

/* n routes, each with its literal in another place. */
static void diagonal(struct set *s, uint32_t n)
{
	*s = (struct set){ .depth = n };
	for (uint32_t i = 0; i < n; i++)
		add(s, 1u << i, "GET");
}

static uint32_t misfits(struct set *s)
{
	struct fr_manifest *m = read_routes(s->routes, s->n);
	struct fr_diag diag = { 0 };
	uint32_t count = 0;

	if (fr_dfa_misfits(m, s->aside, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	fr_manifest_free(m);
	for (uint32_t i = 0; i < s->n; i++)
		count += s->aside[i];
	return count;
}

/* Without being asked about, such a set is refused, by the name of a route. */
static void test_overgrown(void **state)
{
	static struct set s;
	struct fr_dfa *dfa = NULL;
	struct fr_manifest *m;
	struct fr_diag diag = { 0 };

	(void)state;
	diagonal(&s, 8);
	m = read_routes(s.routes, s.n);
	assert_int_equal(fr_dfa_build(m, &dfa, &diag), 0);
	fr_dfa_free(dfa);
	fr_manifest_free(m);
	diagonal(&s, 20);
	m = read_routes(s.routes, s.n);
	dfa = NULL;
	assert_int_equal(fr_dfa_build(m, &dfa, &diag), FR_ELIMIT);
	assert_null(dfa);
	assert_non_null(strstr(diag.message, "overlap in too many ways"));
	assert_non_null(strstr(diag.message, "/{p0}/"));
	assert_non_null(strstr(diag.message, ": main.r19, main.py:20"));
	fr_manifest_free(m);
}

static void test_misfits(void **state)
{
	static struct set s;
	bool first[MAX_ROUTES];
	uint32_t count;

	(void)state;
	diagonal(&s, 8);
	assert_int_equal(misfits(&s), 0);
	diagonal(&s, 20);
	count = misfits(&s);
	assert_in_range(count, 1, 15);
	memcpy(first, s.aside, sizeof first);
	diagonal(&s, 20);
	assert_int_equal(misfits(&s), count);
	assert_memory_equal(first, s.aside, sizeof first);
}

/* Others stay in the table, whatever stands beside them. */
static void test_others_stay(void **state)
{
	static char paths[500][64];
	static struct manifest_route routes[520];
	static bool aside[520];
	static struct set s;
	struct fr_manifest *m;
	uint32_t count = 0;

	(void)state;
	diagonal(&s, 20);
	for (int i = 0; i < 500; i++) {
		sprintf(paths[i], "/api/v1/things%d/{id:int}/parts/{part}", i);
		routes[i] = (struct manifest_route){ paths[i], { "GET" } };
	}
	memcpy(routes + 500, s.routes, 20 * sizeof *routes);
	m = read_routes(routes, 520);
	assert_int_equal(fr_dfa_misfits(m, aside, NULL), 0);
	fr_manifest_free(m);
	for (int i = 0; i < 500; i++)
		assert_false(aside[i]);
	for (int i = 500; i < 520; i++)
		count += aside[i];
	assert_in_range(count, 1, 19);
}

/* What a pattern alone has too much of. */
static void test_excess(void **state)
{
	struct fr_manifest_segment segments[FR_MAX_SEGMENTS + 1];
	struct fr_manifest_route route = { .pattern = segments };
	struct fr_manifest m = { .routes = &route, .nroutes = 1 };
	bool aside = true;

	(void)state;
	for (int i = 0; i <= FR_MAX_SEGMENTS; i++)
		segments[i] =
			(struct fr_manifest_segment){ i < FR_MAX_PATH_PARAMS ? FR_CONV_STR : -1,
			                              "x" };
	route.npattern = FR_MAX_SEGMENTS;
	route.params.count = FR_MAX_PATH_PARAMS;
	assert_null(fr_manifest_excess(segments, route.npattern));
	assert_int_equal(fr_dfa_misfits(&m, &aside, NULL), 0);
	assert_false(aside);
	route.npattern++;
	assert_non_null(fr_manifest_excess(segments, route.npattern));
	assert_int_equal(fr_dfa_misfits(&m, &aside, NULL), 0);
	assert_true(aside);
	route.npattern = FR_MAX_PATH_PARAMS + 1;
	segments[FR_MAX_PATH_PARAMS].conv = FR_CONV_INT;
	route.params.count++;
	assert_int_equal(fr_dfa_misfits(&m, &aside, NULL), 0);
	assert_true(aside);
}

/* ---- look-ups, against one route after the other ---- */

/* xs: bit i says that segment i of the path is "x"; all have the set's depth. */
struct question {
	const struct set *set;
	uint32_t xs, asked;
	const char *method;
};

static int matches(const struct question *q, uint32_t route)
{
	if ((q->set->literals[route] & q->xs) != q->set->literals[route])
		return FR_MATCH_NONE;
	return strcmp(q->set->routes[route].methods[0], q->method) ? FR_MATCH_METHOD
	                                                           : FR_MATCH_FULL;
}

static int ask_side(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	struct question *q = arg;

	(void)path;
	(void)len;
	assert_true(q->set->aside[side->route]);
	q->asked++;
	return matches(q, side->route);
}

static void compare(const struct set *s, const struct fr_image *img)
{
	struct question q = { .set = s, .method = random_below(3) ? "GET" : "POST" };
	struct fr_span name = { q.method, strlen(q.method) };
	int want = FR_MATCH_NONE;
	uint32_t route = FR_NONE32;
	char path[4 * MAX_DEPTH], *at = path;
	struct fr_match m;

	for (uint32_t i = 0; i < s->depth; i++) {
		bool x = random_below(8) == 0;

		at += sprintf(at, x ? "/x" : "/y");
		q.xs |= (uint32_t)x << i;
	}
	for (uint32_t i = 0; i < s->n && want != FR_MATCH_FULL; i++) {
		int one = matches(&q, i);

		if (one == FR_MATCH_FULL || (one == FR_MATCH_METHOD && want == FR_MATCH_NONE)) {
			want = one;
			route = i;
		}
	}
	assert_int_equal(fr_route_find(img, fr_method_bit(name.p, name.len), name, path,
	                               strlen(path), ask_side, &q, &m),
	                 0);
	assert_int_equal(m.kind, want);
	assert_int_equal(m.route, route);
	if (want != FR_MATCH_NONE)
		assert_int_equal(m.side != FR_NONE32, s->aside[route]);
}

static void test_first_declared_wins_across_both(void **state)
{
	static struct set s;

	(void)state;
	for (int round = 0; round < 8; round++) {
		struct fr_image_buf buf = { 0 };
		struct fr_diag diag = { 0 };
		char *text;

		s = (struct set){ .depth = 15 + random_below(MAX_DEPTH - 14) };
		while (s.n < 30)
			add(&s, 1u << random_below(s.depth) | 1u << random_below(s.depth),
			    random_below(3) ? "GET" : "POST");
		assert_in_range(misfits(&s), 1, s.n - 1);
		text = manifest_aside(s.routes, s.n, true, s.aside);
		if (fr_image_build(text, strlen(text), random_state, &buf, &diag) < 0 ||
		    fr_image_verify(buf.image, buf.size, &diag) < 0)
			fail_msg("%s: %s", diag.where, diag.message);
		for (int i = 0; i < 500; i++)
			compare(&s, buf.image);
		free(text);
		fr_image_buf_fini(&buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prune),
		cmocka_unit_test(test_collects),
		cmocka_unit_test(test_overgrown),
		cmocka_unit_test(test_misfits),
		cmocka_unit_test(test_others_stay),
		cmocka_unit_test(test_excess),
		cmocka_unit_test(test_first_declared_wins_across_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

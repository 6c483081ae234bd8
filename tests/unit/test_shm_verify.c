/* The verifier: each kind of damage is found, and what it passes can be used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "shm/explain.h"
#include "shm/route.h"
#include "shm/verify.h"
#include "tests/unit/chance.h"
#include "tests/unit/manifests.h"

static struct fr_image_buf build(const char *text)
{
	struct fr_image_buf buf = { 0 };
	struct fr_diag diag = { 0 };

	if (fr_image_build(text, strlen(text), 7, &buf, &diag) < 0 ||
	    fr_image_verify(buf.image, buf.size, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	return buf;
}

/* Changes one value of a fresh image and wants the verifier to say where. */
#define assert_found(where_, change)                                                               \
	do {                                                                                       \
		struct fr_image_buf buf_ = build(manifest_full);                                   \
		struct fr_image *img = buf_.image;                                                 \
		struct fr_route *routes = (struct fr_route *)((char *)img + img->routes.off);      \
		struct fr_step *steps = (struct fr_step *)((char *)img + img->steps.off);          \
		struct fr_side *sides = (struct fr_side *)((char *)img + img->sides.off);          \
		struct fr_side *sockets = (struct fr_side *)((char *)img + img->sockets.off);      \
		uint32_t *states = (uint32_t *)((char *)img + img->states.off);                    \
		struct fr_route_state *start = (struct fr_route_state *)((char *)img + states[0]); \
		struct fr_diag diag_ = { 0 };                                                      \
		(void)routes, (void)steps, (void)sides, (void)sockets, (void)start;                \
		change;                                                                            \
		if (fr_image_verify(img, buf_.size, &diag_) != FR_ECORRUPT ||                      \
		    strcmp(diag_.where, where_))                                                   \
			fail_msg("%s: found at \"%s\": %s", #change, diag_.where, diag_.message);  \
		fr_image_buf_fini(&buf_);                                                          \
	} while (0)

static void test_header(void **state)
{
	(void)state;
	assert_found("magic", img->magic++);
	assert_found("version", img->version++);
	assert_found("size", img->size += 8);
	assert_found("app_flags", img->app_flags = 8);
	assert_found("nobjects", img->nobjects++);
	assert_found("app_name", img->app_name.len = UINT32_MAX);
	assert_found("app_name", img->app_name.len--);
	assert_found("root_path", img->root_path.off = img->size);
	assert_found("routes", img->routes.count = UINT32_MAX);
	assert_found("routes", img->routes.off += 4);
	assert_found("routes", img->routes.off = 0);
	assert_found("steps", img->steps.count--);
	assert_found("object_names", img->object_names.off = img->size);
	assert_found("middleware", img->middleware.count = img->size);
	assert_found("handlers", img->handlers.off = img->size);
	assert_found("last_handler", img->last_handler.off = 0);
	assert_found("statics", img->statics.count = 3);
	assert_found("states", img->states.count = UINT32_MAX / 4);
	assert_found("sides", img->sides.count = UINT32_MAX);
}

static void test_plan(void **state)
{
	(void)state;
	assert_found("routes[0].kind", routes[0].kind = 4);
	assert_found("routes[5].methods", routes[5].methods = FR_OTHER);
	assert_found("routes[5].object", routes[5].object = FR_NONE32);
	assert_found("routes[0].methods", routes[0].methods = FR_GET);
	assert_found("routes[0].object", routes[0].object = 14);
	assert_found("routes[1].object", routes[1].object = FR_NONE32);
	assert_found("routes[0].flags", routes[0].flags = 4);
	assert_found("routes[0].status", routes[0].status = 1000);
	assert_found("routes[0].body", routes[0].body = 3);
	assert_found("routes[0].steps", routes[0].steps.off += sizeof *steps);
	assert_found("routes[0].params", routes[0].params.count = 1u << 30);
	assert_found("routes[0].file", routes[0].file.off = 3);
	assert_found("routes[1].why", routes[1].why.len--);
	assert_found("routes[0].steps[4].slot", routes[0].nslots = 2);
	assert_found("routes[0].steps[0].op", steps[0].op = 11);
	assert_found("routes[0].steps[0].op", steps[0].op = 0);
	assert_found("routes[0].steps[0].mark", steps[0].mark = 1);
	assert_found("routes[0].steps[0].mark", steps[0].mark = FR_NONE16);
	assert_found("routes[0].steps[1].jump", steps[1].jump = 1);
	assert_found("routes[0].steps[1].jump", steps[1].jump = 12);
	assert_found("routes[0].steps[1].cache", steps[1].cache = 1);
	assert_found("routes[0].steps[2].jump", steps[2].jump = 5);
	assert_found("routes[0].steps[2].mode", steps[2].mode = 5);
	assert_found("routes[0].steps[2].object", steps[2].object = FR_NONE32);
	assert_found("routes[0].steps[2].place", steps[2].place = 2);
	assert_found("routes[0].steps[2].sync", steps[2].sync = 4);
	assert_found("routes[0].steps[3].in", steps[3].in = FR_IN_BODY);
	assert_found("routes[0].steps[3].sync", steps[3].sync = 1);
	assert_found("routes[0].steps[3].fast", steps[3].fast = 3);
	assert_found("routes[0].steps[3].object3", steps[3].object3 = 14);
	assert_found("routes[0].steps[4].object2", steps[4].object2 = FR_NONE32);
	assert_found("routes[0].steps[4].default_mode", steps[4].default_mode = 4);
	assert_found("routes[0].steps[4].flags", steps[4].flags = 128);
	assert_found("routes[0].steps[4].alias", steps[4].alias.len++);
	assert_found("routes[0].steps[7].args", steps[7].args.count = 1u << 29);
	assert_found("routes[0].steps[8].in", steps[8].in = 6);
	assert_found("routes[0].steps[11].op", (steps[11].op = FR_OP_ENDPOINT));
	assert_found("routes[0].steps[10].op", (steps[10].op = FR_OP_CALL));
	assert_found("routes[0].steps[2].op", (steps[2].op = FR_OP_ENDPOINT));
	assert_found("routes[0].steps[1].jump", steps[1].jump = 11); /* past the endpoint */
	assert_found("routes[0].steps[11].object", steps[11].object = FR_NONE32);
	assert_found("routes[0].steps[11].object3", steps[11].object3 = FR_NONE32);
	assert_found("routes[0].steps[11].object",
	             (steps[11].mode = FR_SERIALIZE_CLASS, steps[11].object2 = 0,
	              steps[11].flags = FR_STEP_VALIDATE_RESPONSE, steps[11].object = FR_NONE32));
	assert_found("routes[4].steps[1].object2", steps[17].object2 = FR_NONE32);
}

/* A run counts its steps in 16 bits, and jumps among them. */
static void test_the_longest_plan(void **state)
{
	char *text = manifest_of_steps(FR_MAX_STEPS);
	struct fr_image_buf buf = build(text);
	struct fr_image *img = buf.image;
	struct fr_route *routes = (struct fr_route *)((char *)img + img->routes.off);
	struct fr_diag diag;

	(void)state;
	assert_int_equal(routes[0].steps.count, FR_MAX_STEPS);
	routes[0].steps.count++; /* the first of the next route's */
	assert_int_equal(fr_image_verify(img, buf.size, &diag), FR_ECORRUPT);
	assert_string_equal(diag.where, "routes[0].steps");
	assert_string_equal(diag.message, "32768 is not from 0 to 32767");
	fr_image_buf_fini(&buf);
	free(text);
}

static struct fr_bucket *bucket(struct fr_image *img, struct fr_vec table, uint32_t skip)
{
	struct fr_bucket *b = (struct fr_bucket *)((char *)img + table.off);

	for (;; b++)
		if (b->at && !skip--)
			return b;
}

static void fill_up(struct fr_image *img, struct fr_vec table)
{
	struct fr_bucket *b = (struct fr_bucket *)((char *)img + table.off);

	for (uint32_t i = 0; i < table.count; i++)
		b[i] = *bucket(img, table, 0);
}

static void move_away(struct fr_image *img, struct fr_vec table)
{
	struct fr_bucket *b = bucket(img, table, 0), *first;
	uint32_t from;

	first = (struct fr_bucket *)((char *)img + table.off);
	from = (uint32_t)(b - first);
	first[(from + 2) & (table.count - 1)] = *b;
	*b = (struct fr_bucket){ 0, 0 };
}

static struct fr_static *static_at(struct fr_image *img)
{
	return (struct fr_static *)((char *)img + bucket(img, img->statics, 0)->at);
}

static struct fr_edge *edge_at(struct fr_image *img)
{
	return (struct fr_edge *)((char *)img + bucket(img, img->edges, 0)->at);
}

static void test_tables(void **state)
{
	struct fr_image_buf buf = build(manifest_full);
	struct fr_diag diag;

	(void)state;
	assert_found("statics", fill_up(img, img->statics));
	assert_found("edges", fill_up(img, img->edges));
	assert_found("states[0].next", start->next[0] = states[0] + 4);
	assert_found("states[0].accepts", start->accepts.count = img->size);
	assert_found("states[0].edge", (start->edge = FR_NONE32, img->edges.count = 0));
	assert_found("states[1]", states[1] = states[0]);
	assert_found("states[0]", states[0] = img->size - 8);
	assert_found("states[0].at", start->edge = img->size);
	assert_found("sides[0].kind", sides[0].kind = 3);
	assert_found("sides[1].route", sides[1].route = 1);
	assert_found("sides[1].route", sides[1].route = 5);
	assert_found("sockets[0].route", sockets[0].route = 4);
	assert_found("sockets[0].kind", sockets[0].kind = FR_SIDE_REGEX);
	assert_found("sockets", img->sockets.off = img->size);
	assert_found("sides[0].object", sides[0].object = FR_NONE32);
	assert_found("sides[0].prefix", sides[0].prefix.len++);
	/* Entries, wherever the hash has put them. */
	move_away(buf.image, buf.image->statics);
	assert_int_equal(fr_image_verify(buf.image, buf.size, &diag), FR_ECORRUPT);
	assert_string_equal(diag.message, "a probe would not come here");
	fr_image_buf_fini(&buf);
	buf = build(manifest_full);
	bucket(buf.image, buf.image->edges, 1)->tag++;
	assert_int_equal(fr_image_verify(buf.image, buf.size, &diag), FR_ECORRUPT);
	assert_non_null(strstr(diag.where, "].tag"));
	fr_image_buf_fini(&buf);
	buf = build(manifest_full);
	edge_at(buf.image)->to = 8;
	assert_int_equal(fr_image_verify(buf.image, buf.size, &diag), FR_ECORRUPT);
	assert_non_null(strstr(diag.where, "].to"));
	fr_image_buf_fini(&buf);
	buf = build(manifest_full);
	static_at(buf.image)->accepts.count = 0;
	assert_int_equal(fr_image_verify(buf.image, buf.size, &diag), FR_ECORRUPT);
	assert_non_null(strstr(diag.where, "].accepts"));
	fr_image_buf_fini(&buf);
}

static int on_side(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	(void)arg;
	(void)side;
	(void)path;
	(void)len;
	return FR_MATCH_METHOD;
}

/* All that readers do with an image that was passed. */
static void use(const struct fr_image *img, FILE *sink)
{
	static const char *const paths[] = { "/",          "/items/7", "/docs/a/b",
		                             "/a/b/c",     "/x/12/y",  "/static/../",
		                             "/files/a.b", "//",       "/chat/1" };
	struct fr_span name = { "PURGE", 5 };
	struct fr_match m;
	size_t len;
	int add;

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		const char *p = paths[i];

		(void)fr_route_find(img, FR_OTHER, name, p, strlen(p), on_side, NULL, &m);
		(void)fr_route_redirect(img, p, strlen(p), NULL, NULL, &len, &add);
		(void)fr_explain(img, "GET", p, sink);
		(void)fr_explain(img, "WEBSOCKET", p, sink);
	}
	fr_image_dump(img, sink);
}

static void damage(const struct fr_image_buf *good, int rounds, FILE *sink, int *ret_passed)
{
	unsigned char *copy = malloc(good->size);
	struct fr_diag diag;

	assert_non_null(copy);
	for (int i = 0; i < rounds; i++) {
		memcpy(copy, good->image, good->size);
		for (uint32_t n = 1 + random_below(3); n; n--) {
			unsigned char *at = copy + random_below((uint32_t)good->size);

			*at = random_below(2) ? (unsigned char)(*at ^ 1u << random_below(8))
			                      : (unsigned char)random_below(256);
		}
		if (fr_image_verify(copy, good->size, &diag) < 0)
			continue;
		++*ret_passed;
		use((const struct fr_image *)copy, sink);
	}
	free(copy);
}

static void test_random_damage(void **state)
{
	const struct manifest_route routes[] = {
		{ "/a/{x}/c", { "GET" } },       { "/{a}/{b:int}/{rest:path}", { "PURGE" } },
		{ "/x/{n:float}/y", { NULL } },  { "/a/b/c", { "GET", "POST" } },
		{ "/x/12/{u:uuid}", { "GET" } }, { "/a/{x}.{y}", { "GET" } },
	};
	char *text = manifest_of(routes, sizeof routes / sizeof *routes, true);
	struct fr_image_buf full = build(manifest_full), small = build(text);
	FILE *sink = fopen("/dev/null", "w");
	int passed = 0;

	(void)state;
	assert_non_null(sink);
	damage(&full, 15000, sink, &passed);
	damage(&small, 15000, sink, &passed);
	/* Most of an image is text and numbers that may be anything. */
	assert_true(passed > 100);
	fclose(sink);
	fr_image_buf_fini(&full);
	fr_image_buf_fini(&small);
	free(text);
}

static void test_truncated(void **state)
{
	struct fr_image_buf full = build(manifest_full);
	struct fr_diag diag;

	(void)state;
	for (size_t size = 0; size < full.size; size += 8) {
		struct fr_image *copy = malloc(size ? size : 1);

		assert_non_null(copy);
		memcpy(copy, full.image, size);
		assert_int_equal(fr_image_verify(copy, size, &diag), FR_ECORRUPT);
		if (size >= sizeof *copy) {
			copy->size = (uint32_t)size;
			assert_int_equal(fr_image_verify(copy, size, &diag), FR_ECORRUPT);
		}
		free(copy);
	}
	fr_image_buf_fini(&full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),    cmocka_unit_test(test_plan),
		cmocka_unit_test(test_tables),    cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_the_longest_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The manifest reader: what it takes, and where it says that something is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "shm/manifest.h"
#include "tests/unit/manifests.h"

#define NO_LIMIT SIZE_MAX

static struct fr_manifest *read_good(const char *text)
{
	struct fr_manifest *m = NULL;
	struct fr_diag diag = { 0 };

	if (fr_manifest_read(text, strlen(text), NO_LIMIT, &m, &diag) < 0)
		fail_msg("%s: %s", diag.where, diag.message);
	return m;
}

static void test_full(void **state)
{
	struct fr_manifest *m = read_good(manifest_full);
	const struct fr_manifest_route *r = m->routes;
	const struct fr_manifest_step *s = r->steps;

	(void)state;
	assert_string_equal(m->app_name, "main:app");
	assert_string_equal(m->root_path, "/api");
	assert_int_equal(m->middleware.count, 2);
	assert_string_equal(m->handlers.list[1], "main.Odd: main.on_odd");
	assert_string_equal(m->last_handler, "main.on_error");
	assert_string_equal(m->routes[1].why, "it is mounted");
	assert_int_equal(m->app_flags, FR_APP_REDIRECT_SLASHES);
	assert_int_equal(m->nplaces, 2);
	assert_int_equal(m->objects.count, 14);
	assert_string_equal(m->objects.list[11], "mount /static");
	assert_int_equal(m->nroutes, 6);
	assert_int_equal(r->kind, FR_ROUTE_PLAN);
	assert_int_equal(r->methods, FR_POST | FR_OTHER);
	assert_int_equal(r->npattern, 2);
	assert_int_equal(r->pattern[0].conv, -1);
	assert_int_equal(r->pattern[1].conv, FR_CONV_INT);
	assert_int_equal(r->status, 201);
	assert_int_equal(r->body, FR_BODY_JSON);
	assert_int_equal(r->max_body, 65536);
	assert_int_equal(r->flags, FR_ROUTE_STRICT_CONTENT_TYPE);
	assert_int_equal(r->nsteps, 12);
	assert_int_equal(s[1].op, FR_OP_CACHED);
	assert_int_equal(s[1].jump, 3);
	assert_int_equal(s[2].mode, FR_MODE_GEN);
	assert_int_equal(s[2].flags, FR_STEP_USE_CACHE);
	assert_int_equal(s[2].place, 0);
	assert_int_equal(s[3].in, FR_IN_PATH);
	assert_int_equal(s[3].fast, FR_FAST_INT);
	assert_int_equal(s[3].object2, FR_NONE32);
	assert_int_equal(s[4].flags, FR_STEP_SEQUENCE | FR_STEP_VALIDATE_DEFAULT);
	assert_int_equal(s[4].default_mode, FR_DEFAULT_COPY);
	assert_int_equal(s[4].object3, 10);
	assert_int_equal(s[7].nargs, 1);
	assert_int_equal(s[7].args[0].slot, 5);
	assert_int_equal(s[7].slot, FR_NONE16);
	assert_int_equal(s[8].in, FR_SPECIAL_SCOPES);
	assert_int_equal(s[11].mode, FR_SERIALIZE_FIELD_JSON);
	assert_int_equal(m->routes[1].kind, FR_ROUTE_ASGI);
	assert_int_equal(m->routes[1].methods, FR_ANY);
	assert_int_equal(m->routes[1].side_kind, FR_SIDE_ROUTE);
	assert_int_equal(m->routes[1].max_body, FR_NONE32);
	assert_null(m->routes[1].file);
	assert_string_equal(m->routes[2].side_prefix, "/files/");
	assert_int_equal(m->routes[5].kind, FR_ROUTE_WEBSOCKET);
	assert_int_equal(m->routes[5].methods, FR_WEBSOCKET);
	fr_manifest_free(m);
}

/* A copy with the first old replaced. */
static char *replace(const char *old, const char *new)
{
	const char *at = strstr(manifest_full, old);
	size_t before = at ? (size_t)(at - manifest_full) : 0;
	char *text = malloc(strlen(manifest_full) + strlen(new) + 1);

	assert_non_null(text);
	if (!at)
		fail_msg("not in the manifest: %s", old);
	memcpy(text, manifest_full, before);
	strcpy(stpcpy(text + before, new), at + strlen(old));
	return text;
}

static void test_errors(void **state)
{
	static const struct {
		const char *old, *new, *where;
	} cases[] = {
		{ "\"version\": 1", "\"version\": 2", "version" },
		{ "\"version\": 1", "\"version\": 1, \"extra\": 0", "extra" },
		{ "\"version\": 1,", "", "version" },
		{ "\"debug\": false", "\"debug\": 0", "app.debug" },
		{ "\"wrapped\"", "\"warped\"", "app.warped" },
		{ "\"wrapped\": false", "\"wrapped\": false, \"wrapped\": false", "app.wrapped" },
		{ "[\"main.Timed\",", "[1,", "app.middleware[0]" },
		{ " \"last_handler\": \"main.on_error\"", " \"last_handler\": 1",
		  "app.last_handler" },
		{ "\"why\": null", "\"why\": \"so\"", "routes[0].why" },
		{ "\"why\": \"it is mounted\"", "\"why\": null", "routes[1].why" },
		{ "\"places\": 2", "\"places\": 1", "routes[0].steps[10].place" },
		{ "\"places\": 2", "\"places\": -1", "places" },
		{ "\"places\": 2", "\"places\": 1.5", "places" },
		{ "\"places\": 2", "\"places\": 1e99", "places" },
		{ "\"scopes\",", "\"scopes\", null,", "objects[7]" },
		{ "\"kind\": \"plan\"", "\"kind\": \"plane\"", "routes[0].kind" },
		{ "[\"int\", \"item_id\"]", "[\"int\", \"id\"]", "routes[0].params" },
		{ "[\"int\", \"item_id\"]", "[\"integer\", \"item_id\"]", "routes[0].pattern[1]" },
		{ "[\"int\", \"item_id\"]", "[\"int\"]", "routes[0].pattern[1]" },
		{ "[\"lit\", \"items\"]", "[\"lit\", \"a/b\"]", "routes[0].pattern[0]" },
		{ "[\"lit\", \"items\"]", "[\"path\", \"items\"]", "routes[0].pattern" },
		{ "[\"POST\", \"PURGE\"]", "[\"PURGE\", \"POST\"]", "routes[0].methods" },
		{ "[\"POST\", \"PURGE\"]", "[\"POST\", \"POST\"]", "routes[0].methods" },
		{ "[\"POST\", \"PURGE\"]", "[\"\"]", "routes[0].methods" },
		{ "\"status\": 201", "\"status\": 1000", "routes[0].status" },
		{ "\"params\": [\"item_id\"]", "\"params\": []", "routes[0].params" },
		{ "\"params\": [\"item_id\"]", "\"params\": [\"item_id\", \"b\"]",
		  "routes[0].params" },
		{ "\"max_body\": 65536", "\"max_body\": \"64k\"", "routes[0].max_body" },
		{ "\"slots\": 9", "\"slots\": 8", "routes[0].steps[10].slot" },
		{ "\"marks\": 1", "\"marks\": 0", "routes[0].steps[0].mark" },
		{ "\"caches\": 1", "\"caches\": 0", "routes[0].steps[1].cache" },
		{ "\"op\": \"mark\"", "\"op\": \"marks\"", "routes[0].steps[0].op" },
		{ "{\"op\": \"mark\", ", "{", "routes[0].steps[0].op" },
		{ "\"op\": \"mark\"", "\"op\": \"mark\", \"slot\": 0", "routes[0].steps[0].slot" },
		{ "\"op\": \"mark\", \"mark\": 0", "\"op\": \"mark\", \"mark\": null",
		  "routes[0].steps[0].mark" },
		{ "\"jump\": 3", "\"jump\": 1", "routes[0].steps[1].jump" },
		{ "\"jump\": 3", "\"jump\": 12", "routes[0].steps[1].jump" },
		{ "\"jump\": 3", "\"jump\": 11", "routes[0].steps[1].jump" },
		{ "\"jump\": 3", "\"jump\": null", "routes[0].steps[1].jump" },
		{ "\"object\": 3", "\"object\": 14", "routes[0].steps[2].object" },
		{ "\"object\": 3", "\"object\": null", "routes[0].steps[2].object" },
		{ "\"in\": \"path\"", "\"in\": \"body\"", "routes[0].steps[3].in" },
		{ "\"alias\": \"item_id\",", "", "routes[0].steps[3].alias" },
		{ "\"sequence\": true", "\"sequence\": null", "routes[0].steps[4].sequence" },
		{ "\"object2\": 2", "\"object2\": null", "routes[0].steps[4].object2" },
		{ "[[\"file\", 5]]", "[[\"file\", 9]]", "routes[0].steps[7].args[0].slot" },
		{ "[[\"file\", 5]]", "[[5, \"file\"]]", "routes[0].steps[7].args[0]" },
		{ "\"what\": \"scopes\"", "\"what\": \"scope\"", "routes[0].steps[8].what" },
		{ "\"op\": \"endpoint\"", "\"op\": \"respond\"", "routes[0].steps[10].name" },
		{ "\"mode\": \"field_json\"", "\"mode\": \"sync\"", "routes[0].steps[11].mode" },
		{ "\"object3\": 9", "\"object3\": null", "routes[0].steps[11].object3" },
		{ "\"object\": 5, \"object3\": 9", "\"object\": null, \"object3\": 9",
		  "routes[0].steps[11].object" },
		{ "\"op\": \"special\", \"what\": \"request\",",
		  "\"op\": \"endpoint\", \"name\": \"a\", \"object\": 4, \"mode\": \"sync\",",
		  "routes[0].steps[9].op" },
		{ "\"object\": 11, \"prefix\"", "\"object\": null, \"prefix\"",
		  "routes[1].side.object" },
		{ "\"object\": 11, \"params\"", "\"object\": null, \"params\"",
		  "routes[1].object" },
		{ "\"side\": {\"kind\": \"route\", \"object\": 11, \"prefix\": \"/static\"}",
		  "\"side\": null", "routes[1].pattern" },
		{ "\"steps\": []", "\"steps\": [{\"op\": \"respond\", \"mode\": \"encoder\"}]",
		  "routes[1].steps" },
		{ "[[\"lit\", \"\"]]", "[]", "routes[3].pattern" },
		{ "[\"WEBSOCKET\"]", "null", "routes[5].methods" },
		{ "[\"WEBSOCKET\"]", "[\"GET\", \"WEBSOCKET\"]", "routes[5].methods" },
		{ "{\"kind\": \"route\", \"object\": 13,", "{\"kind\": \"regex\", \"object\": 13,",
		  "routes[5].side" },
		{ "\"object\": 13, \"params\"", "\"object\": null, \"params\"",
		  "routes[5].object" },
		{ "\"main:app\"", "\"main\\u0000app\"", "manifest" },
		{ "\"main:app\"", "\"main\xffpp\"", "manifest" },
		{ "\"main:app\"", "\"main\xed\xa0\x80\"", "manifest" },
		{ "\"main:app\"", "\"main\xc0\xaf\"", "manifest" },
		{ "]}\n ]}", "]}\n ]}}", "manifest" },
		{ "{\"version\"", "[\"version\"", "manifest" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = replace(cases[i].old, cases[i].new);
		struct fr_manifest *m = NULL;
		struct fr_diag diag = { 0 };
		int rc = fr_manifest_read(text, strlen(text), NO_LIMIT, &m, &diag);

		if (rc != FR_EINVAL || diag.code != FR_EINVAL || strcmp(diag.where, cases[i].where))
			fail_msg("%s -> %s: %d at %s (expected %s): %s", cases[i].old, cases[i].new,
			         rc, diag.where, cases[i].where, diag.message);
		assert_null(m);
		free(text);
	}
}

static void test_escaped_backslash_is_no_nul(void **state)
{
	char *text = replace("\"main:app\"", "\"main\\\\u0000app\"");
	struct fr_manifest *m = read_good(text);

	(void)state;
	assert_string_equal(m->app_name, "main\\u0000app");
	fr_manifest_free(m);
	free(text);
}

static void test_absent_keys_of_a_step(void **state)
{
	char *text = replace(", \"sequence\": false, \"fast\": \"int\", \"object\": 1,"
	                     " \"default_mode\": \"required\"",
	                     "");
	struct fr_manifest *m = read_good(text);
	const struct fr_manifest_step *s = &m->routes[0].steps[3];

	(void)state;
	assert_int_equal(s->flags, 0);
	assert_int_equal(s->fast, FR_FAST_NONE);
	assert_int_equal(s->default_mode, FR_DEFAULT_REQUIRED);
	assert_int_equal(s->object, FR_NONE32);
	fr_manifest_free(m);
	free(text);
}

static void test_limits(void **state)
{
	char path[FR_MAX_SEGMENTS * 8 + 64];
	struct manifest_route route = { path, { "GET" } };
	struct fr_manifest *m = NULL;
	struct fr_diag diag = { 0 };
	char *text, *at = path;

	(void)state;
	assert_int_equal(fr_manifest_read(manifest_full, strlen(manifest_full), 100, &m, &diag),
	                 FR_ELIMIT);
	assert_null(m);
	for (int i = 0; i < FR_MAX_SEGMENTS; i++)
		at = stpcpy(at, "/x");
	strcpy(at, "/{p}");
	text = manifest_of(&route, 1, true);
	assert_int_equal(fr_manifest_read(text, strlen(text), NO_LIMIT, &m, &diag), FR_ELIMIT);
	assert_string_equal(diag.where, "routes[0].pattern");
	assert_non_null(strstr(diag.message, "more than 64 segments"));
	assert_non_null(strstr(diag.message, "/x/{p}: main.r0, main.py:1)"));
	free(text);
	strcpy(path + 2 * (FR_MAX_SEGMENTS - 1), "/{p}");
	text = manifest_of(&route, 1, true);
	fr_manifest_free(read_good(text));
	free(text);
	at = path;
	for (int i = 0; i < 33; i++)
		at = stpcpy(at, "/{p}");
	text = manifest_of(&route, 1, true);
	assert_int_equal(fr_manifest_read(text, strlen(text), NO_LIMIT, &m, &diag), FR_ELIMIT);
	assert_string_equal(diag.where, "routes[0].pattern");
	assert_non_null(strstr(diag.message, "more than 32 parameters"));
	assert_non_null(strstr(diag.message, "/{p}: main.r0, main.py:1)"));
	free(text);
}

static void test_the_longest_plan(void **state)
{
	char *most = manifest_of_steps(FR_MAX_STEPS), *more = manifest_of_steps(FR_MAX_STEPS + 1);
	struct fr_diag diag = { 0 };
	struct fr_manifest *m;

	(void)state;
	m = read_good(most);
	assert_int_equal(m->routes[0].nsteps, FR_MAX_STEPS);
	fr_manifest_free(m);
	assert_int_equal(fr_manifest_read(more, strlen(more), NO_LIMIT, &m, &diag), FR_ELIMIT);
	assert_string_equal(diag.where, "routes[0].steps");
	assert_non_null(strstr(diag.message, "32768 steps; at most 32767 are possible"));
	free(most);
	free(more);
}

/* Cut anywhere, the text is an error, never a crash or a leak. */
static void test_prefixes(void **state)
{
	struct fr_manifest *m = NULL;
	size_t len = strlen(manifest_full) - 1; /* the last byte is a newline */

	(void)state;
	for (size_t i = 0; i < len; i++) {
		char *text = malloc(i ? i : 1);

		assert_non_null(text);
		memcpy(text, manifest_full, i);
		assert_int_equal(fr_manifest_read(text, i, NO_LIMIT, &m, NULL), FR_EINVAL);
		free(text);
	}
	assert_null(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_escaped_backslash_is_no_nul),
		cmocka_unit_test(test_absent_keys_of_a_step),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_the_longest_plan),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

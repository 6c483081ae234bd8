/* The route lookup: by example, and on random route sets against regular expressions, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "shm/route.h"
#include "shm/verify.h"
#include "tests/unit/chance.h"
#include "tests/unit/manifests.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

static struct fr_image_buf build(const struct manifest_route *routes, size_t n, uint64_t seed)
{
	char *text = manifest_of(routes, n, true);
	struct fr_image_buf buf = { 0 };
	struct fr_diag diag = { 0 };

	if (fr_image_build(text, strlen(text), seed, &buf, &diag) < 0)
		fail_msg("%s: %s\n%s", diag.where, diag.message, text);
	if (fr_image_verify(buf.image, buf.size, &diag) < 0)
		fail_msg("%s: %s\n%s", diag.where, diag.message, text);
	free(text);
	return buf;
}

static struct fr_match find_by(const struct fr_image *img, const char *method, const char *path,
                               fr_side_fn *side, void *arg)
{
	struct fr_span name = { method, strlen(method) };
	struct fr_match m;

	assert_int_equal(fr_route_find(img, fr_method_bit(name.p, name.len), name, path,
	                               strlen(path), side, arg, &m),
	                 0);
	return m;
}

static struct fr_match find(const struct fr_image *img, const char *method, const char *path)
{
	return find_by(img, method, path, NULL, NULL);
}

#define assert_match(img, method, path, want_kind, want_route)                                     \
	do {                                                                                       \
		struct fr_match m_ = find(img, method, path);                                      \
		assert_int_equal(m_.kind, want_kind);                                              \
		assert_int_equal(m_.route, want_route);                                            \
	} while (0)

static void test_methods(void **state)
{
	(void)state;
	assert_int_equal(fr_method_bit("GET", 3), FR_GET);
	assert_int_equal(fr_method_bit("CONNECT", 7), FR_CONNECT);
	assert_int_equal(fr_method_bit("get", 3), FR_OTHER);
	assert_int_equal(fr_method_bit("PURGE", 5), FR_OTHER);
	assert_int_equal(fr_method_bit("", 0), FR_OTHER);
}

static void test_first_declared_wins(void **state)
{
	const struct manifest_route routes[] = {
		{ "/users/{id:int}", { "GET" } },       { "/users/me", { "GET" } },
		{ "/users/{name}", { "GET", "POST" } }, { "/users/7", { "GET", "PURGE" } },
		{ "/users/{name}", { NULL } },          { "/users/me", { "POST", "PUT" } },
	};
	struct fr_image_buf buf = build(routes, COUNT(routes), 1);

	(void)state;
	assert_match(buf.image, "GET", "/users/me", FR_MATCH_FULL, 1);
	assert_match(buf.image, "POST", "/users/me", FR_MATCH_FULL, 2);
	assert_match(buf.image, "PUT", "/users/me", FR_MATCH_FULL, 4);
	assert_match(buf.image, "GET", "/users/7", FR_MATCH_FULL, 0);
	assert_match(buf.image, "POST", "/users/7", FR_MATCH_FULL, 2);
	assert_match(buf.image, "PURGE", "/users/7", FR_MATCH_FULL, 3);
	assert_match(buf.image, "OTHER", "/users/7", FR_MATCH_FULL, 4);
	assert_match(buf.image, "GET", "/users/8", FR_MATCH_FULL, 0);
	assert_match(buf.image, "GET", "/users/x", FR_MATCH_FULL, 2);
	assert_match(buf.image, "GET", "/users/", FR_MATCH_NONE, FR_NONE32);
	assert_match(buf.image, "GET", "/users", FR_MATCH_NONE, FR_NONE32);
	assert_match(buf.image, "GET", "", FR_MATCH_NONE, FR_NONE32);
	assert_match(buf.image, "GET", "*", FR_MATCH_NONE, FR_NONE32);
	fr_image_buf_fini(&buf);
}

static void test_method_mismatch(void **state)
{
	const struct manifest_route routes[] = { { "/a/{x}", { "POST" } },
		                                 { "/a/b", { "PUT" } },
		                                 { "/a/{rest:path}", { "PURGE" } } };
	struct fr_image_buf buf = build(routes, COUNT(routes), 2);

	(void)state;
	assert_match(buf.image, "GET", "/a/b", FR_MATCH_METHOD, 0);
	assert_match(buf.image, "PUT", "/a/b", FR_MATCH_FULL, 1);
	assert_match(buf.image, "PURGE", "/a/b", FR_MATCH_FULL, 2);
	assert_match(buf.image, "LINK", "/a/b", FR_MATCH_METHOD, 0);
	assert_match(buf.image, "GET", "/a/b/c", FR_MATCH_METHOD, 2);
	fr_image_buf_fini(&buf);
}

static void test_captures(void **state)
{
	const struct manifest_route routes[] = { { "/{a}/x/{b:float}/{rest:path}", { "GET" } },
		                                 { "/{u:uuid}", { "GET" } } };
	struct fr_image_buf buf = build(routes, COUNT(routes), 3);
	struct fr_match m = find(buf.image, "GET", "/one/x/2.50/three//four/");

	(void)state;
	assert_int_equal(m.kind, FR_MATCH_FULL);
	assert_int_equal(m.nparams, 3);
	assert_int_equal(m.params[0].len, 3);
	assert_memory_equal(m.params[0].p, "one", 3);
	assert_int_equal(m.params[1].len, 4);
	assert_memory_equal(m.params[1].p, "2.50", 4);
	assert_int_equal(m.params[2].len, 12);
	assert_memory_equal(m.params[2].p, "three//four/", 12);
	m = find(buf.image, "GET", "/one/x/2/");
	assert_int_equal(m.kind, FR_MATCH_FULL);
	assert_int_equal(m.params[2].len, 0);
	assert_match(buf.image, "GET", "/one/x/2", FR_MATCH_NONE, FR_NONE32);
	assert_match(buf.image, "GET", "/one/x/2./r", FR_MATCH_NONE, FR_NONE32);
	assert_match(buf.image, "GET", "/one/x/.5/r", FR_MATCH_NONE, FR_NONE32);
	assert_match(buf.image, "GET", "/0123abCD-0123-abcd0123-0123456789ab", FR_MATCH_FULL, 1);
	assert_match(buf.image, "GET", "/0123abCD-0123-abcd0123-0123456789a", FR_MATCH_NONE,
	             FR_NONE32);
	assert_match(buf.image, "GET", "/01234567890123456789012345678901", FR_MATCH_FULL, 1);
	fr_image_buf_fini(&buf);
}

static void test_newline(void **state)
{
	const struct manifest_route routes[] = { { "/a", { "GET" } },
		                                 { "/i/{i:int}", { "GET" } },
		                                 { "/s/{s}", { "GET" } },
		                                 { "/p/{p:path}", { "GET" } } };
	struct fr_image_buf buf = build(routes, COUNT(routes), 4);
	struct fr_match m;

	(void)state;
	assert_match(buf.image, "GET", "/a\n", FR_MATCH_FULL, 0);
	assert_match(buf.image, "GET", "/a\n\n", FR_MATCH_NONE, FR_NONE32);
	m = find(buf.image, "GET", "/i/5\n");
	assert_int_equal(m.kind, FR_MATCH_FULL);
	assert_int_equal(m.params[0].len, 1);
	m = find(buf.image, "GET", "/s/5\n");
	assert_int_equal(m.params[0].len, 2);
	m = find(buf.image, "GET", "/p/x/y\n");
	assert_int_equal(m.kind, FR_MATCH_FULL);
	assert_int_equal(m.params[0].len, 3);
	assert_match(buf.image, "GET", "/p/x\ny", FR_MATCH_NONE, FR_NONE32);
	fr_image_buf_fini(&buf);
}

static void test_redirect(void **state)
{
	const struct manifest_route routes[] = { { "/a", { "POST" } },
		                                 { "/b/{x}/", { "GET" } },
		                                 { "/", { "GET" } } };
	struct fr_image_buf buf = build(routes, COUNT(routes), 5);
	char longest[FR_REDIRECT_STACK * 2];
	size_t len = 0;
	int add = -1;

	(void)state;
	assert_int_equal(fr_route_redirect(buf.image, "/a//", 4, NULL, NULL, &len, &add), 1);
	assert_int_equal(len, 2);
	assert_int_equal(add, 0);
	assert_int_equal(fr_route_redirect(buf.image, "/b/x", 4, NULL, NULL, &len, &add), 1);
	assert_int_equal(len, 5);
	assert_int_equal(add, 1);
	assert_int_equal(fr_route_redirect(buf.image, "/", 1, NULL, NULL, &len, &add), 0);
	assert_int_equal(fr_route_redirect(buf.image, "//", 2, NULL, NULL, &len, &add), 0);
	assert_int_equal(fr_route_redirect(buf.image, "/c", 2, NULL, NULL, &len, &add), 0);
	memset(longest, 'x', sizeof longest);
	memcpy(longest, "/b/", 3);
	assert_int_equal(
		fr_route_redirect(buf.image, longest, sizeof longest, NULL, NULL, &len, &add), 1);
	assert_int_equal(len, sizeof longest + 1);
	buf.image->app_flags &= ~(uint32_t)FR_APP_REDIRECT_SLASHES;
	assert_int_equal(fr_route_redirect(buf.image, "/b/x", 4, NULL, NULL, &len, &add), 0);
	fr_image_buf_fini(&buf);
}

static int side_fails(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	(void)side;
	(void)path;
	(void)len;
	++*(int *)arg;
	return -42;
}

static void test_side_only_where_it_could_win(void **state)
{
	const struct manifest_route routes[] = { { "/a/b", { "GET" } },
		                                 { "/a/{x}.{y}", { "GET" } },
		                                 { "/a/c.d", { "GET" } } };
	struct fr_image_buf buf = build(routes, COUNT(routes), 6);
	struct fr_span name = { "GET", 3 };
	struct fr_match m;
	int calls = 0;

	(void)state;
	m = find_by(buf.image, "GET", "/a/b", side_fails, &calls);
	assert_int_equal(m.route, 0);
	m = find_by(buf.image, "GET", "/b/c.d", side_fails, &calls);
	assert_int_equal(m.kind, FR_MATCH_NONE);
	assert_int_equal(calls, 0);
	assert_int_equal(
		fr_route_find(buf.image, FR_GET, name, "/a/c.d", 6, side_fails, &calls, &m), -42);
	assert_int_equal(calls, 1);
	m = find(buf.image, "GET", "/a/c.d");
	assert_int_equal(m.route, 2);
	assert_true(m.undecided);
	m = find(buf.image, "GET", "/a/b");
	assert_false(m.undecided);
	m = find(buf.image, "GET", "/a/x");
	assert_int_equal(m.kind, FR_MATCH_NONE);
	assert_true(m.undecided);
	m = find(buf.image, "GET", "/b");
	assert_false(m.undecided);
	fr_image_buf_fini(&buf);
}

/* Says yes to the route that arg is the number of, and maybe to route 1. */
static int takes_socket(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	const uint32_t *wanted = arg;

	assert_memory_equal(path, "/", len ? 1 : 0);
	if (side->route == wanted[0])
		return FR_MATCH_FULL;
	return side->route == wanted[1] ? FR_MATCH_METHOD : FR_MATCH_NONE;
}

static void test_sockets(void **state)
{
	static const struct {
		const char *path;
		uint32_t full, partial, want;
	} cases[] = {
		{ "/chat/1", 5, FR_NONE32, 5 },
		{ "/chat/1", FR_NONE32, FR_NONE32, FR_NONE32 },
		{ "/chat/1", FR_NONE32, 5, 5 },
		{ "/static/1", 1, 5, 1 }, /* whatever decides for itself may take one */
		{ "/chat/1", 1, FR_NONE32, FR_NONE32 }, /* but is asked for its own paths only */
		{ "/files/a.b", 2, FR_NONE32, FR_NONE32 }, /* an expression doesn't */
		{ "/chat", 5, FR_NONE32, FR_NONE32 },
		{ "", 5, FR_NONE32, FR_NONE32 },
	};
	struct fr_image_buf buf = { 0 };
	uint32_t route;
	int calls = 0;

	(void)state;
	assert_int_equal(fr_image_build(manifest_full, strlen(manifest_full), 1, &buf, NULL), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t wanted[] = { cases[i].full, cases[i].partial };

		assert_int_equal(fr_route_find_socket(buf.image, cases[i].path,
		                                      strlen(cases[i].path), takes_socket, wanted,
		                                      &route),
		                 0);
		assert_int_equal(route, cases[i].want);
	}
	assert_int_equal(fr_route_find_socket(buf.image, "/chat/1", 7, side_fails, &calls, &route),
	                 -42);
	assert_int_equal(calls, 1);
	assert_int_equal(find(buf.image, "GET", "/chat/1").kind, FR_MATCH_NONE);
	fr_image_buf_fini(&buf);
}

/* Overlaps in every segment: the probes stay bounded, and so does the automaton's limit. */
static void test_probes_are_bounded(void **state)
{
	struct manifest_route routes[256];
	static char paths[256][64];
	struct fr_image_buf buf;
	struct fr_match m;

	(void)state;
	for (int i = 0; i < 256; i++) {
		char *at = paths[i];

		for (int bit = 0; bit < 8; bit++)
			at += i >> bit & 1 ? sprintf(at, "/{p%d}", bit) : sprintf(at, "/x");
		routes[i] = (struct manifest_route){ paths[i], { "GET" } };
	}
	buf = build(routes, 256, 7);
	m = find(buf.image, "GET", "/x/x/x/x/x/x/x/y");
	assert_int_equal(m.kind, FR_MATCH_FULL);
	assert_int_equal(m.route, 128);
	assert_true(m.probes <= 9);
	m = find(buf.image, "GET", "/x/x/x/x/x/x/x/x");
	assert_int_equal(m.route, 0);
	assert_int_equal(m.probes, 1);
	fr_image_buf_fini(&buf);
}

/* ---- random sets ---- */

static const char *const texts[] = { "a",
	                             "b",
	                             "users",
	                             "7",
	                             "15",
	                             "1.5",
	                             "",
	                             "x.y",
	                             "a.",
	                             "\xc3\xa9",
	                             "0",
	                             "deadbeef",
	                             "me",
	                             "b\n",
	                             "\n",
	                             "..",
	                             "12345678123412341234123456789012",
	                             "12345678-1234-1234-1234-1234567890ab",
	                             "1234567812341234123412345678901" };
static const char *const params[] = { "{p%d}", "{p%d:int}", "{p%d:float}", "{p%d:uuid}",
	                              "{p%d:str}" };
static const char *const method_sets[][MANIFEST_METHODS] = { { "GET" },         { "GET" },
	                                                     { "GET" },         { "POST" },
	                                                     { "GET", "POST" }, { "PURGE" },
	                                                     { "GET", "LINK" }, { NULL } };
static const char *const asked[] = { "GET", "GET", "POST", "PURGE", "LINK", "DELETE", "get" };

#define SET_ROUTES 14
#define PATH_BYTES 512

struct set {
	struct manifest_route routes[SET_ROUTES];
	char paths[SET_ROUTES][PATH_BYTES];
	regex_t regex[SET_ROUTES];
	size_t n;
	const char *method;
};

static void random_path(char *at, int with_params)
{
	uint32_t n = 1 + random_below(4), p = 0;

	for (uint32_t i = 0; i < n; i++) {
		*at++ = '/';
		if (with_params && random_below(100) < 45) {
			if (i + 1 == n && random_below(4) == 0)
				at += sprintf(at, "{p%u:path}", p++);
			else
				at += sprintf(at, params[random_below(COUNT(params))], p++);
			if (random_below(12) == 0)
				at += sprintf(at, ".%s", random_below(2) ? "x" : "y");
		} else {
			at = stpcpy(at, texts[random_below(COUNT(texts))]);
		}
	}
	*at = '\0';
}

/* What Starlette would compile, for regcomp: "." is no newline, "$" also stands before a last one. */
static void to_regex(const char *path, char *out)
{
	const char *end;

	*out++ = '^';
	while (*path) {
		if (*path != '{') {
			if (strchr(".[]()*+?{}|^$\\", *path))
				*out++ = '\\';
			*out++ = *path++;
			continue;
		}
		end = strchr(path, '}');
		if (!memcmp(end - 4, ":int", 4))
			out = stpcpy(out, "([0-9]+)");
		else if (!memcmp(end - 6, ":float", 6))
			out = stpcpy(out, "([0-9]+|[0-9]+[.][0-9]+)");
		else if (!memcmp(end - 5, ":path", 5))
			out = stpcpy(out, "([^\n]*)");
		else if (!memcmp(end - 5, ":uuid", 5))
			out = stpcpy(out, "([0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?"
			                  "[0-9a-fA-F]{4}-?[0-9a-fA-F]{12})");
		else
			out = stpcpy(out, "([^/]+)");
		path = end + 1;
	}
	strcpy(out, "\n?$");
}

static int matches(const struct set *s, size_t i, const char *path, regmatch_t *groups)
{
	if (regexec(&s->regex[i], path, groups ? 8 : 0, groups, 0))
		return FR_MATCH_NONE;
	if (!s->routes[i].methods[0])
		return FR_MATCH_FULL;
	for (size_t k = 0; k < MANIFEST_METHODS && s->routes[i].methods[k]; k++)
		if (!strcmp(s->routes[i].methods[k], s->method))
			return FR_MATCH_FULL;
	return FR_MATCH_METHOD;
}

static int ask_side(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	const struct set *s = arg;

	assert_true(side->route < s->n);
	assert_true(manifest_is_side(s->routes[side->route].path));
	assert_int_equal(path[len], '\0');
	return matches(s, side->route, path, NULL);
}

static void compare(struct set *s, const struct fr_image *img, const char *path)
{
	int want = FR_MATCH_NONE;
	size_t route = FR_NONE32, segments = 0;
	regmatch_t groups[8];
	struct fr_match m = find_by(img, s->method, path, ask_side, s);

	for (size_t i = 0; i < s->n && want != FR_MATCH_FULL; i++) {
		int one = matches(s, i, path, NULL);

		if (one == FR_MATCH_FULL || (one == FR_MATCH_METHOD && want == FR_MATCH_NONE)) {
			want = one;
			route = i;
		}
	}
	if ((int)m.kind != want || m.route != (uint32_t)route) {
		for (size_t i = 0; i < s->n; i++)
			print_message("%zu %s %s\n", i, s->routes[i].path,
			              s->routes[i].methods[0] ? s->routes[i].methods[0] : "any");
		fail_msg("%s %s: kind %d route %d, expected kind %d route %d", s->method, path,
		         (int)m.kind, (int)m.route, want, (int)route);
	}
	for (const char *p = path; *p; p++)
		segments += *p == '/';
	assert_true(m.probes <= 2 * (segments + 1));
	if (!strchr(path, '\n'))
		assert_true(m.probes <= segments + 1);
	if (want == FR_MATCH_NONE)
		return;
	assert_int_equal(m.side != FR_NONE32, manifest_is_side(s->routes[route].path));
	if (m.side != FR_NONE32)
		return;
	matches(s, route, path, groups);
	assert_int_equal(m.nparams, s->regex[route].re_nsub);
	for (uint32_t i = 0; i < m.nparams; i++) {
		assert_ptr_equal(m.params[i].p, path + groups[i + 1].rm_so);
		assert_int_equal(m.params[i].len, groups[i + 1].rm_eo - groups[i + 1].rm_so);
	}
}

static void random_set(struct set *s)
{
	char regex[PATH_BYTES * 2];

	s->n = 1 + random_below(SET_ROUTES);
	for (size_t i = 0; i < s->n; i++) {
		random_path(s->paths[i], 1);
		s->routes[i].path = s->paths[i];
		memcpy(s->routes[i].methods, method_sets[random_below(COUNT(method_sets))],
		       sizeof s->routes[i].methods);
		to_regex(s->paths[i], regex);
		assert_int_equal(regcomp(&s->regex[i], regex, REG_EXTENDED), 0);
	}
}

static void test_random_sets(void **state)
{
	static struct set s;
	struct fr_image_buf buf;
	char path[PATH_BYTES];

	(void)state;
	random_state = 0x2545f4914f6cdd1dULL;
	for (int round = 0; round < 3000; round++) {
		random_set(&s);
		buf = build(s.routes, s.n, random_state);
		for (int i = 0; i < 30; i++) {
			s.method = asked[random_below(COUNT(asked))];
			random_path(path, 0);
			if (random_below(20) == 0)
				strcat(path, "\n");
			compare(&s, buf.image, path);
		}
		for (size_t i = 0; i < s.n; i++)
			regfree(&s.regex[i]);
		fr_image_buf_fini(&buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_first_declared_wins),
		cmocka_unit_test(test_method_mismatch),
		cmocka_unit_test(test_captures),
		cmocka_unit_test(test_newline),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_side_only_where_it_could_win),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_probes_are_bounded),
		cmocka_unit_test(test_random_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

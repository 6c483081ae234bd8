/*
 * The route lookup: any set of routes, any path; a plain matcher that tries
 * one route after the other must agree.
 *
 * The input spells out routes, one byte a segment, until a 0xff or eight
 * routes; the rest is the path.  A literal with SIDE_BIT puts its route on the
 * side list, where a callback of ours decides.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "shm/route.h"
#include "shm/verify.h"
#include "tests/fuzz/check.h"
#include "tests/unit/manifests.h"

#define MAX_ROUTES 8
#define MAX_PARTS 6
#define PATH_END 7 /* a token that ends a route */
#define PATH_REST 6
#define SIDE_BIT 0x40

static const char *const texts[] = { "a",  "",   "7",   "1.5",
	                             "me", "\n", "a\n", "00000000000000000000000000000000" };
static const char *const convs[] = { "", "str", "int", "float", "uuid", "str", "path" };

struct pattern {
	uint8_t parts[MAX_PARTS]; /* low three bits: 0 a literal, 1 to 5 a convertor, 6 the rest */
	uint32_t count;
	size_t prefix; /* of a side entry: bytes before its first parameter; else 0 */
	char path[512];
};

static size_t digits(const char *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

static bool is_uuid(const char *p, size_t len)
{
	static const int groups[] = { 8, 4, 4, 4, 12 };
	size_t at = 0;

	for (int g = 0; g < 5; g++) {
		if (g && at < len && p[at] == '-')
			at++;
		for (int i = 0; i < groups[g]; i++, at++)
			if (at >= len || !p[at] || !strchr("0123456789abcdefABCDEF", p[at]))
				return false;
	}
	return at == len;
}

static bool part_takes(uint8_t part, const char *p, size_t len)
{
	const char *text = texts[part >> 3 & 7];
	size_t n = digits(p, len);

	if (!(part & 7))
		return len == strlen(text) && !memcmp(p, text, len);
	switch (convs[part & 7][0]) {
	case 's':
		return len > 0;
	case 'i':
		return n > 0 && n == len;
	case 'f':
		if (!n || n == len)
			return n > 0;
		return p[n] == '.' && len > n + 1 && digits(p + n + 1, len - n - 1) == len - n - 1;
	default:
		return is_uuid(p, len);
	}
}

/* What a side entry's own matcher says where its prefix fits: any rule will do. */
static bool side_matches(const char *path, size_t len, size_t prefix)
{
	return len > prefix && path[len - 1] != 'x';
}

static bool matches(const struct pattern *t, const char *path, size_t len)
{
	const char *p = path, *end = path + len, *next;

	if (t->prefix)
		return len >= t->prefix && !memcmp(path, t->path, t->prefix) &&
		       side_matches(path, len, t->prefix);
	for (uint32_t i = 0; i < t->count; i++) {
		if (p == end || *p != '/')
			return false;
		p++;
		if ((t->parts[i] & 7) == PATH_REST)
			return !memchr(p, '\n', (size_t)(end - p));
		next = memchr(p, '/', (size_t)(end - p));
		next = next ? next : end;
		if (!part_takes(t->parts[i], p, (size_t)(next - p)))
			return false;
		p = next;
	}
	return p == end;
}

static const uint8_t *read_pattern(const uint8_t *data, const uint8_t *end, struct pattern *t)
{
	char *at = t->path;

	t->count = 0;
	t->prefix = 0;
	while (data < end && t->count < MAX_PARTS && *data != 0xff && (*data & 7) != PATH_END) {
		uint8_t part = *data++;

		if (part & 7)
			at += sprintf(at, "/{p%u:%s}", t->count, convs[part & 7]);
		else
			at += sprintf(at, "/%s", texts[part >> 3 & 7]);
		t->parts[t->count++] = part;
		if (!(part & 7) && (part & SIDE_BIT)) {
			sprintf(at, "s{q}");
			t->prefix = strcspn(t->path, "{"); /* as manifest_of() has it */
			break;
		}
		if ((part & 7) == PATH_REST)
			break;
	}
	if (!t->count) {
		strcpy(t->path, "/");
		t->parts[t->count++] = 1 << 3;
	}
	if (data < end && *data != 0xff && (*data & 7) == PATH_END)
		data++;
	return data;
}

/* Every third route answers POST, the others GET. */
static bool takes_get(uint32_t route)
{
	return route % 3 != 2;
}

struct table {
	const struct fr_image *img;
	const struct pattern *patterns;
	uint32_t n;
	bool broken_side;
};

static int on_side(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	struct table *t = arg;

	if (side->route >= t->n || !t->patterns[side->route].prefix) {
		t->broken_side = true;
		return FR_MATCH_NONE;
	}
	if (!matches(&t->patterns[side->route], path, len))
		return FR_MATCH_NONE;
	return takes_get(side->route) ? FR_MATCH_FULL : FR_MATCH_METHOD;
}

/* "$" also stands before a newline that ends the path. */
static bool route_takes(const struct pattern *t, const char *path, size_t len)
{
	return matches(t, path, len) ||
	       (!t->prefix && len && path[len - 1] == '\n' && matches(t, path, len - 1));
}

static uint32_t find(const struct table *t, const char *path, size_t len, uint32_t *ret_route)
{
	uint32_t kind = FR_MATCH_NONE;

	*ret_route = FR_NONE32;
	for (uint32_t i = 0; i < t->n && kind != FR_MATCH_FULL; i++) {
		if (!route_takes(&t->patterns[i], path, len))
			continue;
		if (takes_get(i) || kind == FR_MATCH_NONE) {
			kind = takes_get(i) ? FR_MATCH_FULL : FR_MATCH_METHOD;
			*ret_route = i;
		}
	}
	return kind;
}

static void compare(struct table *t, const char *path, size_t len)
{
	struct fr_span get = { "GET", 3 };
	uint32_t route, kind = find(t, path, len, &route);
	struct fr_match m;

	if (fr_route_find(t->img, FR_GET, get, path, len, on_side, t, &m) || t->broken_side ||
	    m.kind != kind || m.route != route)
		abort();
	if (kind != FR_MATCH_NONE && (m.side != FR_NONE32) != (t->patterns[route].prefix != 0))
		abort();
	for (uint32_t i = 0; i < m.nparams; i++)
		if (m.params[i].p < path || m.params[i].p + m.params[i].len > path + len)
			abort();
	/* Without the side entries: what it says is right, or it says that it can't tell. */
	if (fr_route_find(t->img, FR_GET, get, path, len, NULL, NULL, &m))
		abort();
	if (!m.undecided && kind == FR_MATCH_FULL && m.route != route)
		abort();
}

static void compare_redirect(struct table *t, const char *path, size_t len)
{
	size_t other = len, got_len = 0;
	char *copy = malloc(len + 1);
	uint32_t route;
	int want, got, add = -1;

	if (!copy)
		abort();
	memcpy(copy, path, len);
	if (len && path[len - 1] == '/')
		while (other && path[other - 1] == '/')
			other--;
	else
		copy[other++] = '/';
	want = !(len == 1 && *path == '/') && find(t, copy, other, &route) != FR_MATCH_NONE;
	got = fr_route_redirect(t->img, path, len, on_side, t, &got_len, &add);
	if (got != want || (got && (got_len != other || add != (other > len))))
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pattern patterns[MAX_ROUTES];
	struct manifest_route routes[MAX_ROUTES];
	const uint8_t *end = data + size;
	struct fr_image_buf image;
	struct fr_diag diag;
	struct table t = { .patterns = patterns };
	char *text, *path;
	size_t len;

	while (data < end && t.n < MAX_ROUTES && *data != 0xff) {
		data = read_pattern(data, end, &patterns[t.n]);
		routes[t.n] = (struct manifest_route){ patterns[t.n].path,
			                               { takes_get(t.n) ? "GET" : "POST" } };
		t.n++;
	}
	data += data < end && *data == 0xff;
	len = (size_t)(end - data);
	text = manifest_of(routes, t.n, true);
	if (fr_image_build(text, strlen(text), 3, &image, &diag) ||
	    fr_image_verify(image.image, image.size, &diag))
		abort();
	free(text);
	/* In memory of its own size, for the sanitizer. */
	path = malloc(len ? len : 1);
	if (!path)
		abort();
	memcpy(path, data, len);
	t.img = image.image;
	compare(&t, path, len);
	compare_redirect(&t, path, len);
	free(path);
	fr_image_buf_fini(&image);
	return 0;
}

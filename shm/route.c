#include "shm/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "shm/hash.h"

/* The path cut at its slashes: segment i lies from start[i] to start[i + 1] - 1. */
struct split {
	uint32_t count; /* FR_MAX_SEGMENTS + 1: that many or more */
	size_t start[FR_MAX_SEGMENTS + 2];
};

/* The best candidate so far for one outcome. */
struct pick {
	uint32_t route; /* FR_NONE32: none */
	const struct fr_accept *accept;
	size_t len; /* of the path as it was matched */
};

struct lookup {
	const struct fr_image *img;
	uint32_t method;
	struct fr_span method_name;
	struct pick full, partial;
	uint32_t probes;
	size_t split_len; /* of the path that split is of; 0: none */
	struct split split;
};

uint32_t fr_method_bit(const char *name, size_t len)
{
	static const struct {
		const char *name;
		uint32_t len, bit;
	} known[] = {
		{ "GET", 3, FR_GET },         { "POST", 4, FR_POST },
		{ "PUT", 3, FR_PUT },         { "DELETE", 6, FR_DELETE },
		{ "PATCH", 5, FR_PATCH },     { "HEAD", 4, FR_HEAD },
		{ "OPTIONS", 7, FR_OPTIONS }, { "TRACE", 5, FR_TRACE },
		{ "CONNECT", 7, FR_CONNECT },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].len == len && !memcmp(known[i].name, name, len))
			return known[i].bit;
	return FR_OTHER;
}

static const struct split *split_path(struct lookup *l, const char *path, size_t len)
{
	struct split *ret = &l->split;
	uint32_t n = 1;

	if (l->split_len == len)
		return ret;

	ret->start[0] = 1;
	for (size_t i = 1; i < len && n <= FR_MAX_SEGMENTS; i++)
		if (path[i] == '/')
			ret->start[n++] = i + 1;
	ret->start[n] = len + 1;
	ret->count = n;
	l->split_len = len;
	return ret;
}

static bool takes_named(const struct lookup *l, const struct fr_accept *a)
{
	const struct fr_route *routes = FR_IMAGE_AT(l->img, l->img->routes.off);
	const struct fr_vec names = routes[a->route].method_names;
	const struct fr_str *name = FR_IMAGE_AT(l->img, names.off);

	for (uint32_t i = 0; i < names.count; i++)
		if (name[i].len == l->method_name.len &&
		    !memcmp(fr_str_in(l->img, name[i]), l->method_name.p, name[i].len))
			return true;
	return false;
}

static bool takes(const struct lookup *l, const struct fr_accept *a)
{
	if (a->methods & FR_ANY)
		return true;
	if (!(a->methods & l->method))
		return false;
	return l->method != FR_OTHER || takes_named(l, a);
}

/* Lets a list of accepts (in declaration order) compete. */
static void consider(struct lookup *l, struct fr_vec accepts, size_t len)
{
	const struct fr_accept *a = FR_IMAGE_AT(l->img, accepts.off);

	for (uint32_t i = 0; i < accepts.count && a[i].route < l->full.route; i++) {
		if (takes(l, &a[i])) {
			l->full = (struct pick){ a[i].route, &a[i], len };
			return;
		}
		if (a[i].route < l->partial.route)
			l->partial = (struct pick){ a[i].route, &a[i], len };
	}
}

static const struct fr_static *find_static(struct lookup *l, const char *path, size_t len)
{
	const struct fr_bucket *buckets = FR_IMAGE_AT(l->img, l->img->statics.off);
	uint32_t mask = l->img->statics.count - 1;
	uint64_t hash = fr_hash_static(l->img, path, len);
	const struct fr_static *s;

	l->probes++;
	for (uint32_t i = (uint32_t)hash & mask; buckets[i].at; i = (i + 1) & mask) {
		if (buckets[i].tag != fr_hash_tag(hash))
			continue;
		s = FR_IMAGE_AT(l->img, buckets[i].at);
		if (s->path.len == len && !memcmp(fr_str_in(l->img, s->path), path, len))
			return s;
	}
	return NULL;
}

static bool is_edge(const struct fr_image *img, const struct fr_edge *e, uint32_t from,
                    const char *segment, size_t len)
{
	return e->from == from && e->segment.len == len &&
	       !memcmp(fr_str_in(img, e->segment), segment, len);
}

/* The state that a segment leads to, 0 for none. */
static uint32_t step(struct lookup *l, uint32_t from, const char *segment, size_t len)
{
	const struct fr_route_state *s = FR_IMAGE_AT(l->img, from);
	const struct fr_bucket *buckets;
	const struct fr_edge *e;
	uint32_t mask;
	uint64_t hash;

	if (s->edge == FR_NONE32) {
		buckets = FR_IMAGE_AT(l->img, l->img->edges.off);
		mask = l->img->edges.count - 1;
		hash = fr_hash_edge(l->img, from, segment, len);
		l->probes++;
		for (uint32_t i = (uint32_t)hash & mask; buckets[i].at; i = (i + 1) & mask) {
			if (buckets[i].tag != fr_hash_tag(hash))
				continue;
			e = FR_IMAGE_AT(l->img, buckets[i].at);
			if (is_edge(l->img, e, from, segment, len))
				return e->to;
		}
	} else if (s->edge) {
		e = FR_IMAGE_AT(l->img, s->edge);
		l->probes++;
		if (is_edge(l->img, e, from, segment, len))
			return e->to;
	}
	return len ? s->next[fr_hash_class(segment, len)] : 0;
}

/* The routes with parameters, by the one way that the path's segments allow. */
static void walk(struct lookup *l, const char *path, size_t len)
{
	const uint32_t *states = FR_IMAGE_AT(l->img, l->img->states.off);
	const struct fr_route_state *s;
	uint32_t at = states[0], i;
	const struct split *split = split_path(l, path, len);

	for (i = 0; i < split->count && i < FR_MAX_SEGMENTS; i++) {
		size_t start = split->start[i];

		s = FR_IMAGE_AT(l->img, at);
		/* As in a regular expression, ".*" takes no newline. */
		if (s->tails.count && !memchr(path + start, '\n', len - start))
			consider(l, s->tails, len);
		at = step(l, at, path + start, split->start[i + 1] - 1 - start);
		if (!at)
			return;
	}
	if (i < split->count)
		return;
	s = FR_IMAGE_AT(l->img, at);
	consider(l, s->accepts, len);
}

static void find_paths(struct lookup *l, const char *path, size_t len)
{
	const struct fr_static *s;

	if (!len || path[0] != '/')
		return;
	if (l->img->statics.count) {
		s = find_static(l, path, len);
		if (s) {
			consider(l, s->accepts, len);
			return;
		}
	}
	if (l->img->states.count)
		walk(l, path, len);
}

static bool fits(const struct fr_image *img, const struct fr_side *s, const char *path, size_t len)
{
	return s->prefix.len <= len && !memcmp(fr_str_in(img, s->prefix), path, s->prefix.len);
}

/* Whether a side entry could win over what was found. */
static bool side_fits(const struct lookup *l, const char *path, size_t len)
{
	const struct fr_side *sides = FR_IMAGE_AT(l->img, l->img->sides.off);

	for (uint32_t i = 0; i < l->img->sides.count && sides[i].route < l->full.route; i++)
		if (fits(l->img, &sides[i], path, len))
			return true;
	return false;
}

static int find_sides(struct lookup *l, const char *path, size_t len, fr_side_fn *side,
                      void *side_arg, uint32_t *ret_full, uint32_t *ret_partial)
{
	const struct fr_side *sides = FR_IMAGE_AT(l->img, l->img->sides.off);
	const struct fr_side *s;
	int rc;

	for (uint32_t i = 0; i < l->img->sides.count; i++) {
		s = &sides[i];
		if (s->route > l->full.route)
			break;
		if (!fits(l->img, s, path, len))
			continue;
		rc = side(side_arg, s, path, len);
		if (rc < 0)
			return rc;
		if (rc == FR_MATCH_FULL) {
			l->full = (struct pick){ .route = s->route };
			*ret_full = i;
			break;
		}
		if (rc == FR_MATCH_METHOD && s->route < l->partial.route) {
			l->partial = (struct pick){ .route = s->route };
			*ret_partial = i;
		}
	}
	return 0;
}

static void capture(struct lookup *l, const struct pick *pick, const char *path,
                    struct fr_match *ret)
{
	uint64_t left = pick->accept->segments;
	const struct split *split = split_path(l, path, pick->len);
	uint32_t n = 0;

	while (left && n < FR_MAX_PATH_PARAMS) {
		uint32_t i = (uint32_t)__builtin_ctzll(left);

		left &= left - 1;
		if (i >= split->count)
			break;
		ret->params[n].p = path + split->start[i];
		ret->params[n].len = split->start[i + 1] - 1 - split->start[i];
		if (!left && (pick->accept->methods & FR_ACCEPT_TAIL))
			ret->params[n].len = pick->len - split->start[i];
		n++;
	}
	ret->nparams = n;
}

int fr_route_find(const struct fr_image *img, uint32_t method, struct fr_span method_name,
                  const char *path, size_t len, fr_side_fn *side, void *side_arg,
                  struct fr_match *ret_match)
{
	struct lookup l; /* too big to be zeroed each time */
	uint32_t full_side = FR_NONE32, partial_side = FR_NONE32;
	const struct pick *won;
	int rc;

	l.img = img;
	l.method = method;
	l.method_name = method_name;
	l.full = l.partial = (struct pick){ .route = FR_NONE32 };
	l.probes = 0;
	l.split_len = 0;
	find_paths(&l, path, len);
	/* "$" also stands before a newline that ends the path; the longer match has precedence. */
	if (len && path[len - 1] == '\n')
		find_paths(&l, path, len - 1);
	if (side && img->sides.count) {
		rc = find_sides(&l, path, len, side, side_arg, &full_side, &partial_side);
		if (rc < 0)
			return rc;
	}
	ret_match->undecided = !side && side_fits(&l, path, len);
	won = l.full.route != FR_NONE32 ? &l.full : &l.partial;
	ret_match->kind = won == &l.full            ? FR_MATCH_FULL
	                  : won->route != FR_NONE32 ? FR_MATCH_METHOD
	                                            : FR_MATCH_NONE;
	ret_match->route = won->route;
	ret_match->side = won == &l.full ? full_side : partial_side;
	ret_match->probes = l.probes;
	ret_match->nparams = 0;
	if (won->accept && won->accept->segments)
		capture(&l, won, path, ret_match);
	return 0;
}

int fr_route_find_socket(const struct fr_image *img, const char *path, size_t len, fr_side_fn *side,
                         void *side_arg, uint32_t *ret_route)
{
	const struct fr_side *sides = FR_IMAGE_AT(img, img->sides.off), *side_end, *s;
	const struct fr_side *sockets = FR_IMAGE_AT(img, img->sockets.off), *socket_end;
	uint32_t partial = FR_NONE32;
	int rc;

	side_end = sides + img->sides.count;
	socket_end = sockets + img->sockets.count;
	while (sides < side_end || sockets < socket_end) {
		/* Both lists are in order of declaration. */
		bool socket = sides == side_end ||
		              (sockets < socket_end && sockets->route < sides->route);

		s = socket ? sockets++ : sides++;
		if (s->kind != FR_SIDE_ROUTE || !fits(img, s, path, len))
			continue;
		rc = side(side_arg, s, path, len);
		if (rc < 0)
			return rc;
		if (rc == FR_MATCH_FULL) {
			*ret_route = s->route;
			return 0;
		}
		if (rc == FR_MATCH_METHOD && partial == FR_NONE32)
			partial = s->route;
	}
	*ret_route = partial;
	return 0;
}

int fr_route_redirect(const struct fr_image *img, const char *path, size_t len, fr_side_fn *side,
                      void *side_arg, size_t *ret_len, int *ret_add)
{
	char stack[FR_REDIRECT_STACK], *copy = NULL;
	struct fr_span none = { "", 0 };
	struct fr_match match;
	size_t other = len;
	int rc, add;

	if (!(img->app_flags & FR_APP_REDIRECT_SLASHES) || (len == 1 && path[0] == '/'))
		return 0;
	add = !len || path[len - 1] != '/';
	if (add) {
		copy = len < sizeof stack ? stack : malloc(len + 1);
		if (!copy)
			return FR_ENOMEM;
		memcpy(copy, path, len);
		copy[len] = '/';
		other = len + 1;
	} else {
		while (other && path[other - 1] == '/')
			other--;
	}
	/* A path that matches with another method is redirected, too. */
	rc = fr_route_find(img, FR_GET, none, add ? copy : path, other, side, side_arg, &match);
	if (copy != stack)
		free(copy);
	if (rc < 0)
		return rc;
	if (match.kind == FR_MATCH_NONE)
		return 0;
	*ret_len = other;
	*ret_add = add;
	return 1;
}

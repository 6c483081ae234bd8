#include "shm/verify.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "shm/hash.h"
#include "shm/layout.h"
#include "shm/route.h"

struct verifier {
	const struct fr_image *img;
	size_t size;
	struct fr_diag *diag;
	char where[96]; /* of what is being looked at */
};

static int bad(const struct verifier *v, const char *what, const char *fmt, ...) FR_PRINTF(3, 4);

static int bad(const struct verifier *v, const char *what, const char *fmt, ...)
{
	char where[160], text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	snprintf(where, sizeof where, "%s%s%s", v->where, v->where[0] && what[0] ? "." : "", what);
	return fr_diag_set(v->diag, FR_ECORRUPT, where, "%s", text);
}

static void at(struct verifier *v, const char *list, uint32_t i)
{
	snprintf(v->where, sizeof v->where, "%s[%u]", list, i);
}

/* Whether count elements of size bytes lie at off, behind the header. */
static bool inside(const struct verifier *v, uint32_t off, uint64_t count, size_t size)
{
	return off >= sizeof *v->img && off % 8 == 0 && off + count * size <= v->size;
}

static int check_vec(const struct verifier *v, const char *what, struct fr_vec vec, size_t size)
{
	if (vec.count && !inside(v, vec.off, vec.count, size))
		return bad(v, what, "%u elements at %u are not inside", vec.count, vec.off);
	return 0;
}

static int check_str(const struct verifier *v, const char *what, struct fr_str s)
{
	if (s.off < sizeof *v->img || (uint64_t)s.off + s.len >= v->size)
		return bad(v, what, "a string of %u bytes at %u is not inside", s.len, s.off);
	if (fr_str_in(v->img, s)[s.len])
		return bad(v, what, "the string does not end with NUL");
	return 0;
}

static int check_strs(const struct verifier *v, const char *what, struct fr_vec vec)
{
	const struct fr_str *s = FR_IMAGE_AT(v->img, vec.off);
	int rc = check_vec(v, what, vec, sizeof *s);

	for (uint32_t i = 0; rc == 0 && i < vec.count; i++)
		rc = check_str(v, what, s[i]);
	return rc;
}

static int check_id(const struct verifier *v, const char *what, uint32_t id, uint32_t count)
{
	if (id != FR_NONE32 && id >= count)
		return bad(v, what, "%u, but there are %u", id, count);
	return 0;
}

static int check_register(const struct verifier *v, const char *what, uint16_t reg, uint16_t count)
{
	if (reg != FR_NONE16 && reg >= count)
		return bad(v, what, "%u, but there are %u", reg, count);
	return 0;
}

static int check_range(const struct verifier *v, const char *what, uint32_t value, uint32_t from,
                       uint32_t to)
{
	if (value < from || value > to)
		return bad(v, what, "%u is not from %u to %u", value, from, to);
	return 0;
}

static const struct fr_route *route_at(const struct verifier *v, uint32_t index)
{
	return (const struct fr_route *)FR_IMAGE_AT(v->img, v->img->routes.off) + index;
}

/* ---- plans ---- */

#define OP(x) (1u << (x))
#define ANY_OF(op, mask) ((1u << (op)) & (mask))

static int check_values(const struct verifier *v, const struct fr_step *s)
{
	const uint32_t calls = OP(FR_OP_CALL) | OP(FR_OP_ENDPOINT) | OP(FR_OP_RESPOND);
	uint32_t in_from = 0, in_to = 0;
	int rc = check_range(v, "op", s->op, FR_OP_MARK, FR_OP_RESPOND);

	if (rc < 0)
		return rc;
	if (ANY_OF(s->op, OP(FR_OP_PARAM) | OP(FR_OP_PYPARAM))) {
		in_from = FR_IN_PATH;
		in_to = FR_IN_COOKIE;
	} else if (ANY_OF(s->op, OP(FR_OP_BODY) | OP(FR_OP_PYBODY))) {
		in_from = in_to = FR_IN_BODY;
	} else if (s->op == FR_OP_SPECIAL) {
		in_from = FR_SPECIAL_REQUEST;
		in_to = FR_SPECIAL_SCOPES;
	}
	rc = check_range(v, "in", s->in, in_from, in_to);
	if (rc == 0)
		rc = check_range(v, "fast", s->fast, 0, FR_FAST_INT);
	if (rc == 0)
		rc = check_range(v, "mode", s->mode, ANY_OF(s->op, calls) ? 1 : 0,
		                 ANY_OF(s->op, calls) ? 4 : 0);
	if (rc == 0)
		rc = check_range(v, "flags", s->flags, 0, FR_STEP_VALIDATE_RESPONSE * 2 - 1);
	if (rc == 0)
		rc = check_range(v, "sync", s->sync, 0,
		                 ANY_OF(s->op, OP(FR_OP_CALL) | OP(FR_OP_ENDPOINT))
		                         ? FR_STEP_SYNC_THREADS
		                         : 0);
	if (rc == 0)
		rc = check_range(v, "default_mode", s->default_mode, 0, FR_DEFAULT_CALL);
	return rc;
}

static int check_ids(const struct verifier *v, const struct fr_step *s, const struct fr_route *r)
{
	const uint32_t objects = v->img->nobjects;
	int rc = check_id(v, "object", s->object, objects);

	if (rc == 0)
		rc = check_id(v, "object2", s->object2, objects);
	if (rc == 0)
		rc = check_id(v, "object3", s->object3, objects);
	if (rc == 0)
		rc = check_id(v, "object4", s->object4, objects);
	if (rc == 0)
		rc = check_id(v, "place", s->place, v->img->nplaces);
	if (rc == 0)
		rc = check_register(v, "slot", s->slot, r->nslots);
	if (rc == 0)
		rc = check_register(v, "mark", s->mark, r->nmarks);
	if (rc == 0)
		rc = check_register(v, "cache", s->cache, r->ncaches);
	return rc;
}

/* What an op can't do without. */
static int check_needs(const struct verifier *v, const struct fr_step *s)
{
	const uint32_t callers =
		OP(FR_OP_PYPARAM) | OP(FR_OP_PYBODY) | OP(FR_OP_CALL) | OP(FR_OP_ENDPOINT);

	if (ANY_OF(s->op, callers) && s->object == FR_NONE32)
		return bad(v, "object", "missing");
	if (s->default_mode != FR_DEFAULT_REQUIRED && s->object2 == FR_NONE32)
		return bad(v, "object2", "missing");
	if (s->op == FR_OP_MARK && s->mark == FR_NONE16)
		return bad(v, "mark", "missing");
	if (s->op == FR_OP_CACHED && s->cache == FR_NONE16)
		return bad(v, "cache", "missing");
	if (s->op == FR_OP_RESPOND && s->object2 == FR_NONE32 &&
	    (s->mode == FR_SERIALIZE_CLASS || s->mode == FR_SERIALIZE_PYTHON))
		return bad(v, "object2", "missing");
	if (s->op == FR_OP_RESPOND &&
	    (s->mode == FR_SERIALIZE_FIELD_JSON || s->flags & FR_STEP_VALIDATE_RESPONSE)) {
		if (s->object == FR_NONE32)
			return bad(v, "object", "missing");
		if (s->object3 == FR_NONE32)
			return bad(v, "object3", "missing");
	}
	return 0;
}

static int check_step(const struct verifier *v, const struct fr_route *r, uint32_t index)
{
	const struct fr_step *s = (const struct fr_step *)FR_IMAGE_AT(v->img, r->steps.off) + index;
	const struct fr_arg *args = FR_IMAGE_AT(v->img, s->args.off);
	int rc = check_values(v, s);

	if (rc == 0)
		rc = check_ids(v, s, r);
	if (rc == 0)
		rc = check_needs(v, s);
	if (rc == 0)
		rc = check_str(v, "name", s->name);
	if (rc == 0)
		rc = check_str(v, "alias", s->alias);
	if (rc == 0)
		rc = check_vec(v, "args", s->args, sizeof *args);
	for (uint32_t i = 0; rc == 0 && i < s->args.count; i++) {
		rc = check_str(v, "args.name", args[i].name);
		if (rc == 0 && args[i].slot >= r->nslots)
			rc = bad(v, "args.slot", "%u, but there are %u", args[i].slot, r->nslots);
	}
	if (rc == 0 && s->op == FR_OP_CACHED &&
	    (s->jump <= index || s->jump + 1ull >= r->steps.count))
		rc = bad(v, "jump", "%u does not lead forward, as far as the endpoint", s->jump);
	if (rc == 0 && s->op != FR_OP_CACHED && s->jump)
		rc = bad(v, "jump", "not 0");
	if (rc == 0 && (s->op == FR_OP_RESPOND) != (index + 1 == r->steps.count))
		rc = bad(v, "op", "the last step, and no other, is RESPOND");
	if (rc == 0 &&
	    (r->steps.count < 2 || (s->op == FR_OP_ENDPOINT) != (index + 2 == r->steps.count)))
		rc = bad(v, "op", "the last step but one, and no other, is ENDPOINT");
	return rc;
}

/* ---- routes ---- */

static int check_params(const struct verifier *v, const struct fr_route *r)
{
	const struct fr_path_param *p = FR_IMAGE_AT(v->img, r->params.off);
	int rc = check_vec(v, "params", r->params, sizeof *p);

	for (uint32_t i = 0; rc == 0 && i < r->params.count; i++) {
		rc = check_str(v, "params.name", p[i].name);
		if (rc == 0)
			rc = check_range(v, "params.conv", p[i].conv, 0, FR_CONV_REGEX);
		if (rc < 0 || p[i].conv == FR_CONV_REGEX)
			continue;
		rc = check_range(v, "params", i, 0, FR_MAX_PATH_PARAMS - 1);
		if (rc == 0)
			rc = check_range(v, "params.segment", p[i].segment,
			                 i ? p[i - 1].segment + 1u : 0, FR_MAX_SEGMENTS - 1);
		if (rc == 0 && p[i].conv == FR_CONV_PATH && i + 1 < r->params.count)
			rc = bad(v, "params.conv", "a path in the middle");
	}
	return rc;
}

static int check_methods(const struct verifier *v, const struct fr_route *r)
{
	const struct fr_str *names = FR_IMAGE_AT(v->img, r->method_names.off);
	uint32_t mask = r->method_names.count ? 0 : FR_ANY;
	int rc = check_strs(v, "method_names", r->method_names);

	for (uint32_t i = 0; rc == 0 && i < r->method_names.count; i++)
		mask |= fr_method_bit(fr_str_in(v->img, names[i]), names[i].len);
	if (r->kind == FR_ROUTE_WEBSOCKET)
		mask = FR_WEBSOCKET;
	if (rc == 0 && mask != r->methods)
		rc = bad(v, "methods", "%#x, but the names say %#x", r->methods, mask);
	return rc;
}

static int check_route(struct verifier *v, const struct fr_route *r, uint32_t index)
{
	const char *strings[] = { "path", "name", "endpoint", "file", "why" };
	const struct fr_str values[] = { r->path, r->name, r->endpoint, r->file, r->why };
	int rc = check_range(v, "kind", r->kind, FR_ROUTE_PLAN, FR_ROUTE_WEBSOCKET);

	for (int i = 0; rc == 0 && i < 5; i++)
		rc = check_str(v, strings[i], values[i]);
	if (rc == 0)
		rc = check_methods(v, r);
	if (rc == 0)
		rc = check_params(v, r);
	if (rc == 0)
		rc = check_id(v, "object", r->object, v->img->nobjects);
	if (rc == 0 && r->kind != FR_ROUTE_PLAN && r->object == FR_NONE32)
		rc = bad(v, "object", "missing");
	if (rc == 0)
		rc = check_range(v, "flags", r->flags, 0, FR_ROUTE_STRICT_CONTENT_TYPE * 2 - 1);
	if (rc == 0)
		rc = check_range(v, "status", r->status, 0, 999);
	if (rc == 0)
		rc = check_range(v, "body", r->body, 0, FR_BODY_FORM);
	if (rc == 0)
		rc = check_vec(v, "steps", r->steps, sizeof(struct fr_step));
	if (rc == 0 && (r->kind == FR_ROUTE_PLAN) != (r->steps.count > 0))
		rc = bad(v, "steps", "%u of them in a route of kind %u", r->steps.count, r->kind);
	if (rc == 0)
		rc = check_range(v, "steps", r->steps.count, 0, FR_MAX_STEPS);
	for (uint32_t i = 0; rc == 0 && i < r->steps.count; i++) {
		snprintf(v->where, sizeof v->where, "routes[%u].steps[%u]", index, i);
		rc = check_step(v, r, i);
	}
	return rc;
}

static int check_routes(struct verifier *v)
{
	const struct fr_image *img = v->img;
	uint64_t next = img->steps.off;
	int rc = check_vec(v, "routes", img->routes, sizeof(struct fr_route));

	if (rc == 0)
		rc = check_vec(v, "steps", img->steps, sizeof(struct fr_step));
	for (uint32_t i = 0; rc == 0 && i < img->routes.count; i++) {
		const struct fr_route *r = route_at(v, i);

		at(v, "routes", i);
		if (r->steps.off != next)
			return bad(v, "steps", "at %u, expected at %llu", r->steps.off,
			           (unsigned long long)next);
		next += (uint64_t)r->steps.count * sizeof(struct fr_step);
		rc = check_route(v, r, i);
	}
	v->where[0] = '\0';
	if (rc == 0 && next != img->steps.off + (uint64_t)img->steps.count * sizeof(struct fr_step))
		rc = bad(v, "steps", "%u, but the routes have others", img->steps.count);
	return rc;
}

/* ---- lookup tables ---- */

/* Bits of the segments that are parameters; TAIL and REGEX as flags beside them. */
static uint64_t param_segments(const struct verifier *v, const struct fr_route *r, bool *ret_tail,
                               bool *ret_regex)
{
	const struct fr_path_param *p = FR_IMAGE_AT(v->img, r->params.off);
	uint64_t bits = 0;

	*ret_tail = *ret_regex = false;
	for (uint32_t i = 0; i < r->params.count; i++) {
		*ret_tail |= p[i].conv == FR_CONV_PATH;
		*ret_regex |= p[i].conv == FR_CONV_REGEX;
		bits |= 1ULL << (p[i].segment % FR_MAX_SEGMENTS);
	}
	return bits;
}

static int check_accepts(const struct verifier *v, const char *what, struct fr_vec accepts)
{
	const struct fr_accept *a = FR_IMAGE_AT(v->img, accepts.off);
	const struct fr_route *r;
	bool tail, regex;
	int rc = check_vec(v, what, accepts, sizeof *a);

	for (uint32_t i = 0; rc == 0 && i < accepts.count; i++) {
		if (a[i].route >= v->img->routes.count || (i && a[i].route <= a[i - 1].route))
			return bad(v, what, "route %u is out of range or out of order", a[i].route);
		r = route_at(v, a[i].route);
		if (r->kind == FR_ROUTE_WEBSOCKET)
			return bad(v, what, "route %u is a WebSocket's", a[i].route);
		if (a[i].segments != param_segments(v, r, &tail, &regex) || regex)
			return bad(v, what, "the parameters are not those of route %u", a[i].route);
		if (a[i].methods != (r->methods | (tail ? FR_ACCEPT_TAIL : 0)))
			return bad(v, what, "the methods are not those of route %u", a[i].route);
	}
	return rc;
}

/* A table that ends every probe, and in which every entry is found. */
static int check_table(struct verifier *v, const char *name, struct fr_vec table,
                       int (*record)(struct verifier *, uint32_t at, uint64_t *ret_hash))
{
	const struct fr_bucket *b = FR_IMAGE_AT(v->img, table.off);
	uint32_t mask = table.count - 1, first = 0, empty, home;
	uint64_t hash = 0;
	int rc = check_vec(v, name, table, sizeof *b);

	if (rc < 0 || !table.count)
		return rc;
	if (table.count & mask)
		return bad(v, name, "%u buckets are not a power of two", table.count);
	while (first < table.count && b[first].at)
		first++;
	if (first == table.count)
		return bad(v, name, "no bucket is empty");
	empty = first;
	for (uint32_t n = 1; n < table.count; n++) {
		uint32_t i = (first + n) & mask;

		if (!b[i].at) {
			empty = i;
			continue;
		}
		at(v, name, i);
		rc = record(v, b[i].at, &hash);
		if (rc < 0)
			return rc;
		if (b[i].tag != fr_hash_tag(hash))
			return bad(v, "tag", "%#x, expected %#x", b[i].tag, fr_hash_tag(hash));
		/* The bucket to begin with lies behind the last empty one. */
		home = (uint32_t)hash & mask;
		if (((i - home) & mask) >= ((i - empty) & mask))
			return bad(v, "", "a probe would not come here");
	}
	v->where[0] = '\0';
	return 0;
}

static int check_static(struct verifier *v, uint32_t off, uint64_t *ret_hash)
{
	const struct fr_static *s = FR_IMAGE_AT(v->img, off);
	int rc;

	if (!inside(v, off, 1, sizeof *s))
		return bad(v, "at", "%u is not inside", off);
	rc = check_str(v, "path", s->path);
	if (rc == 0 && (!s->path.len || fr_str_in(v->img, s->path)[0] != '/'))
		rc = bad(v, "path", "does not begin with '/'");
	if (rc == 0 && !s->accepts.count)
		rc = bad(v, "accepts", "none");
	if (rc == 0)
		rc = check_accepts(v, "accepts", s->accepts);
	if (rc == 0)
		*ret_hash = fr_hash_static(v->img, fr_str_in(v->img, s->path), s->path.len);
	return rc;
}

static bool is_state(const struct verifier *v, uint32_t off)
{
	const uint32_t *list = FR_IMAGE_AT(v->img, v->img->states.off);
	uint32_t lo = 0, hi = v->img->states.count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (list[mid] == off)
			return true;
		if (list[mid] < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static int check_edge(struct verifier *v, uint32_t off, uint64_t *ret_hash)
{
	const struct fr_edge *e = FR_IMAGE_AT(v->img, off);
	int rc;

	if (!inside(v, off, 1, sizeof *e))
		return bad(v, "at", "%u is not inside", off);
	rc = check_str(v, "segment", e->segment);
	if (rc == 0 && memchr(fr_str_in(v->img, e->segment), '/', e->segment.len))
		rc = bad(v, "segment", "has a '/'");
	if (rc == 0 && !is_state(v, e->from))
		rc = bad(v, "from", "%u is no state", e->from);
	if (rc == 0 && !is_state(v, e->to))
		rc = bad(v, "to", "%u is no state", e->to);
	if (rc == 0)
		*ret_hash = fr_hash_edge(v->img, e->from, fr_str_in(v->img, e->segment),
		                         e->segment.len);
	return rc;
}

static int check_state(struct verifier *v, uint32_t off)
{
	const struct fr_route_state *s = FR_IMAGE_AT(v->img, off);
	const struct fr_edge *e;
	uint64_t hash;
	int rc = check_accepts(v, "accepts", s->accepts);

	if (rc == 0)
		rc = check_accepts(v, "tails", s->tails);
	for (int c = 0; rc == 0 && c < FR_CLASSES; c++)
		if (s->next[c] && !is_state(v, s->next[c]))
			rc = bad(v, "next", "%u is no state", s->next[c]);
	if (rc < 0 || !s->edge)
		return rc;
	if (s->edge == FR_NONE32)
		return v->img->edges.count ? 0 : bad(v, "edge", "there is no table");
	rc = check_edge(v, s->edge, &hash);
	if (rc < 0)
		return rc;
	e = FR_IMAGE_AT(v->img, s->edge);
	return e->from == off ? 0 : bad(v, "edge", "belongs to another state");
}

static int check_states(struct verifier *v)
{
	const struct fr_vec states = v->img->states;
	const uint32_t *list = FR_IMAGE_AT(v->img, states.off);
	int rc = check_vec(v, "states", states, sizeof *list);

	for (uint32_t i = 0; rc == 0 && i < states.count; i++) {
		at(v, "states", i);
		if (!inside(v, list[i], 1, sizeof(struct fr_route_state)) ||
		    (i && list[i] <= list[i - 1]))
			rc = bad(v, "", "%u is not inside, or out of order", list[i]);
	}
	for (uint32_t i = 0; rc == 0 && i < states.count; i++) {
		at(v, "states", i);
		rc = check_state(v, list[i]);
	}
	if (rc == 0)
		v->where[0] = '\0';
	return rc;
}

static int check_sides(struct verifier *v, const char *what, struct fr_vec sides, bool sockets)
{
	const struct fr_side *s = FR_IMAGE_AT(v->img, sides.off);
	int rc = check_vec(v, what, sides, sizeof *s);

	for (uint32_t i = 0; rc == 0 && i < sides.count; i++) {
		at(v, what, i);
		rc = check_range(v, "kind", s[i].kind, sockets ? FR_SIDE_ROUTE : FR_SIDE_REGEX,
		                 FR_SIDE_ROUTE);
		if (rc == 0 &&
		    (s[i].route >= v->img->routes.count || (i && s[i].route <= s[i - 1].route)))
			rc = bad(v, "route", "%u is out of range or out of order", s[i].route);
		if (rc == 0 && (route_at(v, s[i].route)->kind == FR_ROUTE_WEBSOCKET) != sockets)
			rc = bad(v, "route", "%u is of another kind", s[i].route);
		if (rc == 0 && s[i].object >= v->img->nobjects)
			rc = bad(v, "object", "%u, but there are %u", s[i].object,
			         v->img->nobjects);
		if (rc == 0)
			rc = check_str(v, "prefix", s[i].prefix);
	}
	if (rc == 0)
		v->where[0] = '\0';
	return rc;
}

int fr_image_verify(const void *p, size_t size, struct fr_diag *diag)
{
	const struct fr_image *img = p;
	struct verifier v = { .img = img, .size = size, .diag = diag };
	int rc;

	if (size < sizeof *img || (uintptr_t)p % 8)
		return bad(&v, "size", "%zu bytes, or not aligned", size);
	if (img->magic != FR_IMAGE_MAGIC)
		return bad(&v, "magic", "not an image");
	if (img->version != FR_IMAGE_VERSION)
		return bad(&v, "version", "%u, this program reads %u", img->version,
		           FR_IMAGE_VERSION);
	if (img->size != size)
		return bad(&v, "size", "%u, but there are %zu bytes", img->size, size);
	rc = check_range(&v, "app_flags", img->app_flags, 0, FR_APP_DEBUG * 2 - 1);
	if (rc == 0 && img->nobjects != img->object_names.count)
		rc = bad(&v, "nobjects", "%u, but %u names", img->nobjects,
		         img->object_names.count);
	if (rc == 0)
		rc = check_str(&v, "app_name", img->app_name);
	if (rc == 0)
		rc = check_str(&v, "root_path", img->root_path);
	if (rc == 0)
		rc = check_str(&v, "last_handler", img->last_handler);
	if (rc == 0)
		rc = check_strs(&v, "middleware", img->middleware);
	if (rc == 0)
		rc = check_strs(&v, "handlers", img->handlers);
	if (rc == 0)
		rc = check_strs(&v, "object_names", img->object_names);
	if (rc == 0)
		rc = check_routes(&v);
	if (rc == 0)
		rc = check_table(&v, "statics", img->statics, check_static);
	if (rc == 0)
		rc = check_states(&v);
	if (rc == 0)
		rc = check_table(&v, "edges", img->edges, check_edge);
	if (rc == 0)
		rc = check_sides(&v, "sides", img->sides, false);
	if (rc == 0)
		rc = check_sides(&v, "sockets", img->sockets, true);
	return rc;
}

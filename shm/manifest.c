#include "shm/manifest.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/manifest_text.h"
#include "shm/route.h"

/* Arrays of the tree, freed together. */
struct block {
	struct block *next;
	max_align_t data[];
};

struct document {
	struct fr_manifest manifest; /* first: what the caller holds */
	cJSON *json;
	struct block *blocks;
};

struct reader {
	struct document *doc;
	struct fr_diag *diag;
	size_t where_len;
	char where[200]; /* JSON path of the value being read */
};

enum type {
	T_U32, /* 0..arg */
	T_LIMIT, /* the same, or null: FR_NONE32 */
	T_FLAG, /* bool: bit arg */
	T_ID, /* < number of objects, or null */
	T_PLACE, /* < number of places, or null */
	T_REG, /* < FR_MAX_REGISTERS, or null: FR_NONE16 */
	T_STR,
	T_OSTR, /* or null: NULL */
	T_ENUM, /* one of names: its index + arg */
	T_FN,
};

struct field {
	const char *key;
	enum type type;
	uint32_t ops; /* steps: bits of the ops that have it; else 1 */
	uint32_t need; /* steps: bits of the ops that can't be without it; else 1 or 0 */
	size_t offset;
	uint32_t arg;
	const char *const *names;
	int (*fn)(struct reader *r, const cJSON *item, void *out);
};

static int fail(struct reader *r, enum fr_err code, const char *fmt, ...) FR_PRINTF(3, 4);

static int fail(struct reader *r, enum fr_err code, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return fr_diag_set(r->diag, code, r->where, "%s", text);
}

static int out_of_memory(struct reader *r)
{
	return fail(r, FR_ENOMEM, "out of memory while reading the manifest");
}

/* Adds to the JSON path; leave() takes it off again. */
static size_t enter(struct reader *r, const char *key, long index)
{
	size_t before = r->where_len, room = sizeof r->where - before;
	int n;

	if (key)
		n = snprintf(r->where + before, room, "%s%.60s", before ? "." : "", key);
	else
		n = snprintf(r->where + before, room, "[%ld]", index);
	r->where_len += (size_t)n < room ? (size_t)n : room - 1;
	return before;
}

static void leave(struct reader *r, size_t before)
{
	r->where_len = before;
	r->where[before] = '\0';
}

static void *take(struct reader *r, size_t count, size_t size)
{
	struct block *b = calloc(1, sizeof *b + (count ? count : 1) * size);

	if (!b)
		return NULL;
	b->next = r->doc->blocks;
	r->doc->blocks = b;
	return b->data;
}

static const char *type_name(const cJSON *item)
{
	if (cJSON_IsNull(item))
		return "null";
	if (cJSON_IsBool(item))
		return "a bool";
	if (cJSON_IsNumber(item))
		return "a number";
	if (cJSON_IsString(item))
		return "a string";
	return cJSON_IsArray(item) ? "a list" : "an object";
}

static int want(struct reader *r, const cJSON *item, const char *what)
{
	return fail(r, FR_EINVAL, "expected %s, found %s", what, type_name(item));
}

static int read_number(struct reader *r, const cJSON *item, uint32_t max, uint32_t *ret)
{
	double d;

	if (!cJSON_IsNumber(item))
		return want(r, item, "a number");
	d = item->valuedouble;
	if (!(d >= 0 && d <= (double)max) || d != (double)(uint32_t)d)
		return fail(r, FR_EINVAL, "expected a whole number from 0 to %u, found %.17g", max, d);
	*ret = (uint32_t)d;
	return 0;
}

static int read_id(struct reader *r, const cJSON *item, uint32_t count, const char *what,
                   uint32_t *ret)
{
	uint32_t id;
	int rc;

	if (!item || cJSON_IsNull(item)) {
		*ret = FR_NONE32;
		return 0;
	}
	rc = read_number(r, item, UINT32_MAX - 1, &id);
	if (rc < 0)
		return rc;
	if (id >= count)
		return fail(r, FR_EINVAL, "%s %u is out of range: there are %u", what, id, count);
	*ret = id;
	return 0;
}

static int read_string(struct reader *r, const cJSON *item, const char **ret)
{
	if (!cJSON_IsString(item))
		return want(r, item, "a string");
	*ret = item->valuestring;
	return 0;
}

static int read_enum(struct reader *r, const cJSON *item, const struct field *f, uint32_t *ret)
{
	char known[256] = "";
	size_t used = 0;

	if (!cJSON_IsString(item))
		return want(r, item, "a string");
	for (uint32_t i = 0; f->names[i]; i++) {
		if (!strcmp(f->names[i], item->valuestring)) {
			*ret = i + f->arg;
			return 0;
		}
		used += (size_t)snprintf(known + used, sizeof known - used, "%s\"%s\"",
		                         i ? ", " : "", f->names[i]);
	}
	return fail(r, FR_EINVAL, "unknown value \"%.100s\"; known are %s", item->valuestring, known);
}

/* item is NULL when the key is absent and need not be there. */
static int read_field(struct reader *r, const cJSON *item, const struct field *f, char *out)
{
	void *at = out + f->offset;
	const struct fr_manifest *m = &r->doc->manifest;

	switch (f->type) {
	case T_U32:
		return item ? read_number(r, item, f->arg, at) : 0;
	case T_LIMIT:
		if (item && !cJSON_IsNull(item))
			return read_number(r, item, f->arg, at);
		*(uint32_t *)at = FR_NONE32;
		return 0;
	case T_FLAG:
		if (item && !cJSON_IsBool(item))
			return want(r, item, "a bool");
		if (item && cJSON_IsTrue(item))
			*(uint32_t *)at |= f->arg;
		return 0;
	case T_ID:
		return read_id(r, item, m->objects.count, "object", at);
	case T_PLACE:
		return read_id(r, item, m->nplaces, "place", at);
	case T_REG:
		if (item && !cJSON_IsNull(item))
			return read_number(r, item, FR_MAX_REGISTERS - 1, at);
		*(uint32_t *)at = FR_NONE16;
		return 0;
	case T_OSTR:
		if (!item || cJSON_IsNull(item))
			return 0;
		return read_string(r, item, at);
	case T_STR:
		return item ? read_string(r, item, at) : 0;
	case T_ENUM:
		return item ? read_enum(r, item, f, at) : 0;
	case T_FN:
		return item ? f->fn(r, item, at) : 0;
	}
	return 0;
}

/*
 * Reads an object by its table: unknown, repeated and missing keys are
 * errors.  Fields are read in the table's order, whatever the text's.
 */
static int read_object(struct reader *r, const cJSON *object, const struct field *fields, size_t n,
                       uint32_t op, void *out)
{
	const cJSON *items[32] = {NULL};
	const cJSON *item;
	size_t i, before;
	int rc;

	if (!cJSON_IsObject(object))
		return want(r, object, "an object");
	cJSON_ArrayForEach(item, object) {
		for (i = 0; i < n; i++)
			if ((fields[i].ops & op) && !strcmp(fields[i].key, item->string))
				break;
		before = enter(r, item->string, 0);
		if (i == n)
			return fail(r, FR_EINVAL, "unknown key");
		if (items[i])
			return fail(r, FR_EINVAL, "the key is there twice");
		leave(r, before);
		items[i] = item;
	}
	for (i = 0; i < n; i++) {
		if (!(fields[i].ops & op))
			continue;
		before = enter(r, fields[i].key, 0);
		if (!items[i] && (fields[i].need & op))
			return fail(r, FR_EINVAL, "the key is missing");
		rc = read_field(r, items[i], &fields[i], out);
		if (rc < 0)
			return rc;
		leave(r, before);
	}
	return 0;
}

/* A list's elements, each by fn into an array of elements of size bytes. */
static int read_list(struct reader *r, const cJSON *list, size_t size,
                     int (*fn)(struct reader *, const cJSON *, void *), void *ret_list,
                     uint32_t *ret_count)
{
	const cJSON *item;
	size_t n = 0, before;
	char *out;
	int rc;

	if (!cJSON_IsArray(list))
		return want(r, list, "a list");
	cJSON_ArrayForEach(item, list)
		n++;
	if (n > FR_MANIFEST_MAX_LIST)
		return fail(r, FR_ELIMIT, "%zu elements; at most %u are possible", n,
		            FR_MANIFEST_MAX_LIST);
	out = take(r, n, size);
	if (!out)
		return out_of_memory(r);
	n = 0;
	cJSON_ArrayForEach(item, list) {
		before = enter(r, NULL, (long)n);
		rc = fn(r, item, out + n * size);
		if (rc < 0)
			return rc;
		leave(r, before);
		n++;
	}
	memcpy(ret_list, &out, sizeof out);
	*ret_count = (uint32_t)n;
	return 0;
}

static int read_string_element(struct reader *r, const cJSON *item, void *out)
{
	return read_string(r, item, out);
}

static int read_strings(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_strings *s = out;

	return read_list(r, item, sizeof *s->list, read_string_element, &s->list, &s->count);
}

/* The two elements of a pair such as ["lit", "users"]. */
static int read_pair(struct reader *r, const cJSON *item, const cJSON **ret_a, const cJSON **ret_b)
{
	if (!cJSON_IsArray(item))
		return want(r, item, "a list of two");
	if (cJSON_GetArraySize(item) != 2)
		return fail(r, FR_EINVAL, "expected a list of two, found one of %d",
		            cJSON_GetArraySize(item));
	*ret_a = item->child;
	*ret_b = item->child->next;
	return 0;
}

/* ---- steps ---- */

#define OP(x) (1u << (x))
#define M OP(FR_OP_MARK)
#define P OP(FR_OP_PARAM)
#define Y OP(FR_OP_PYPARAM)
#define B OP(FR_OP_BODY)
#define Z OP(FR_OP_PYBODY)
#define S OP(FR_OP_SPECIAL)
#define C OP(FR_OP_CACHED)
#define L OP(FR_OP_CALL)
#define E OP(FR_OP_ENDPOINT)
#define R OP(FR_OP_RESPOND)
#define AT(member) offsetof(struct fr_manifest_step, member)

static const char *const op_names[] = {"mark",   "param", "pyparam",  "body",    "pybody", "special",
                                       "cached", "call",  "endpoint", "respond", NULL};
static const char *const in_names[] = {"path", "query", "header", "cookie", NULL};
static const char *const fast_names[] = {"none", "str", "int", NULL};
static const char *const mode_names[] = {"sync", "async", "gen", "agen", NULL};
static const char *const what_names[] = {"request",    "connection", "response",
                                         "background", "scopes",     NULL};
static const char *const default_names[] = {"required", "const", "copy", "call", NULL};
static const char *const serialize_names[] = {"encoder", "field_json", "class", "python", NULL};

static int read_arg(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_arg *arg = out;
	const cJSON *name, *slot;
	uint32_t n = 0;
	int rc = read_pair(r, item, &name, &slot);

	if (rc == 0)
		rc = read_string(r, name, &arg->name);
	if (rc == 0)
		rc = read_number(r, slot, FR_MAX_REGISTERS - 1, &n);
	arg->slot = (uint16_t)n;
	return rc;
}

static int read_args(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_step *step =
	        (struct fr_manifest_step *)((char *)out - AT(args));

	return read_list(r, item, sizeof *step->args, read_arg, &step->args, &step->nargs);
}

static const struct field op_field = {"op", T_ENUM, 1, 1, AT(op), 1, op_names, NULL};

static const struct field step_fields[] = {
        {"op", T_ENUM, ~0u, ~0u, AT(op), 1, op_names, NULL},
        {"in", T_ENUM, P | Y, P | Y, AT(in), 1, in_names, NULL},
        {"what", T_ENUM, S, S, AT(in), 1, what_names, NULL},
        {"name", T_OSTR, P | Y | B | L | E, P | L | E, AT(name), 0, NULL, NULL},
        {"alias", T_OSTR, P | B, P, AT(alias), 0, NULL, NULL},
        {"slot", T_REG, P | Y | B | S | C | L | E | R, 0, AT(slot), 0, NULL, NULL},
        {"mark", T_REG, M | L, M, AT(mark), 0, NULL, NULL},
        {"cache", T_REG, C | L, C, AT(cache), 0, NULL, NULL},
        {"jump", T_U32, C, C, AT(jump), FR_MANIFEST_MAX_LIST, NULL, NULL},
        {"sequence", T_FLAG, P, 0, AT(flags), FR_STEP_SEQUENCE, NULL, NULL},
        {"fast", T_ENUM, P, 0, AT(fast), 0, fast_names, NULL},
        {"mode", T_ENUM, L | E, L | E, AT(mode), 1, mode_names, NULL},
        {"mode", T_ENUM, R, R, AT(mode), 1, serialize_names, NULL},
        {"embed", T_FLAG, B, 0, AT(flags), FR_STEP_EMBED, NULL, NULL},
        {"direct", T_FLAG, B, 0, AT(flags), FR_STEP_DIRECT_JSON, NULL, NULL},
        {"object", T_ID, P | Y | B | Z | S | L | E | R, Y | Z | L | E, AT(object), 0, NULL, NULL},
        {"default_mode", T_ENUM, P | B, 0, AT(default_mode), 0, default_names, NULL},
        {"object2", T_ID, P | B | R, 0, AT(object2), 0, NULL, NULL},
        {"validate_default", T_FLAG, P | B, 0, AT(flags), FR_STEP_VALIDATE_DEFAULT, NULL, NULL},
        {"object3", T_ID, P | B | R, 0, AT(object3), 0, NULL, NULL},
        {"object4", T_ID, R, 0, AT(object4), 0, NULL, NULL},
        {"validate", T_FLAG, R, 0, AT(flags), FR_STEP_VALIDATE_RESPONSE, NULL, NULL},
        {"args", T_FN, Z | L | E, 0, AT(args), 0, NULL, read_args},
        {"use_cache", T_FLAG, L, 0, AT(flags), FR_STEP_USE_CACHE, NULL, NULL},
        {"function_scope", T_FLAG, L, 0, AT(flags), FR_STEP_FUNCTION_SCOPE, NULL, NULL},
        {"place", T_PLACE, L | E, 0, AT(place), 0, NULL, NULL},
};

#undef AT

static int read_step(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_step *step = out;
	const cJSON *op;
	size_t before;
	int rc;

	if (!cJSON_IsObject(item))
		return want(r, item, "an object");
	op = cJSON_GetObjectItemCaseSensitive(item, "op");
	before = enter(r, "op", 0);
	if (!op)
		return fail(r, FR_EINVAL, "the key is missing");
	rc = read_enum(r, op, &op_field, &step->op);
	if (rc < 0)
		return rc;
	leave(r, before);
	step->slot = step->mark = step->cache = FR_NONE16;
	step->object = step->object2 = step->object3 = step->object4 = step->place = FR_NONE32;
	return read_object(r, item, step_fields, sizeof step_fields / sizeof *step_fields,
	                   OP(step->op), step);
}

static int check_register(struct reader *r, const char *key, uint32_t reg, uint32_t count)
{
	if (reg == FR_NONE16 || reg < count)
		return 0;
	enter(r, key, 0);
	return fail(r, FR_EINVAL, "register %u is out of range: the route has %u", reg, count);
}

static int need(struct reader *r, const char *key, bool there)
{
	if (there)
		return 0;
	enter(r, key, 0);
	return fail(r, FR_EINVAL, "must not be null here");
}

/* What holds between the values of one step. */
static int check_step(struct reader *r, const struct fr_manifest_route *route, uint32_t index)
{
	const struct fr_manifest_step *s = &route->steps[index];
	uint32_t op = OP(s->op);
	int rc = check_register(r, "slot", s->slot, route->nslots);

	if (rc == 0)
		rc = check_register(r, "mark", s->mark, route->nmarks);
	if (rc == 0)
		rc = check_register(r, "cache", s->cache, route->ncaches);
	for (uint32_t i = 0; rc == 0 && i < s->nargs; i++)
		if (s->args[i].slot >= route->nslots) {
			enter(r, "args", 0);
			enter(r, NULL, i);
			rc = check_register(r, "slot", s->args[i].slot, route->nslots);
		}
	if (rc == 0 && (op & (Y | Z | L | E)))
		rc = need(r, "object", s->object != FR_NONE32);
	if (rc == 0 && (op & (P | B)) && s->default_mode != FR_DEFAULT_REQUIRED)
		rc = need(r, "object2", s->object2 != FR_NONE32);
	if (rc == 0 && (op & P))
		rc = need(r, "alias", s->alias != NULL);
	if (rc == 0 && (op & M))
		rc = need(r, "mark", s->mark != FR_NONE16);
	if (rc == 0 && (op & C))
		rc = need(r, "cache", s->cache != FR_NONE16);
	if (rc == 0 && (op & R) && (s->mode == FR_SERIALIZE_CLASS || s->mode == FR_SERIALIZE_PYTHON))
		rc = need(r, "object2", s->object2 != FR_NONE32);
	if (rc == 0 && (op & R) && s->mode == FR_SERIALIZE_FIELD_JSON)
		rc = need(r, "object3", s->object3 != FR_NONE32);
	if (rc == 0 && (op & C) && (s->jump <= index || s->jump >= route->nsteps)) {
		enter(r, "jump", 0);
		rc = fail(r, FR_EINVAL, "must lead forward, to a step from %u to %u; is %u", index + 1,
		          route->nsteps - 1, s->jump);
	}
	if (rc == 0 && (s->op == FR_OP_RESPOND) != (index + 1 == route->nsteps)) {
		enter(r, "op", 0);
		rc = fail(r, FR_EINVAL, "the last step, and no other, is \"respond\"");
	}
	return rc;
}

#undef M
#undef P
#undef Y
#undef B
#undef Z
#undef S
#undef C
#undef L
#undef E
#undef R

/* ---- routes ---- */

#define AT(member) offsetof(struct fr_manifest_route, member)
#define ROUTE(out, member) ((struct fr_manifest_route *)((char *)(out)-AT(member)))

static const char *const kind_names[] = {"plan", "asgi", NULL};
static const char *const side_names[] = {"regex", "route", NULL};
static const char *const body_names[] = {"none", "json", "form", NULL};
static const char *const conv_names[] = {"str", "path", "int", "float", "uuid", "lit", NULL};
static const struct field conv_field = {"", T_ENUM, 1, 1, 0, 0, conv_names, NULL};

static int read_segment(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_segment *segment = out;
	const cJSON *conv, *text;
	uint32_t n = 0;
	int rc = read_pair(r, item, &conv, &text);

	if (rc == 0)
		rc = read_enum(r, conv, &conv_field, &n);
	if (rc == 0)
		rc = read_string(r, text, &segment->text);
	if (rc < 0)
		return rc;
	segment->conv = n <= FR_CONV_UUID ? (int)n : -1;
	if (segment->conv < 0 && strchr(segment->text, '/'))
		return fail(r, FR_EINVAL, "a segment has no '/'");
	return 0;
}

static int read_pattern(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = ROUTE(out, pattern);
	uint32_t params = 0;
	int rc;

	if (cJSON_IsNull(item))
		return 0;
	rc = read_list(r, item, sizeof *route->pattern, read_segment, &route->pattern,
	               &route->npattern);
	if (rc < 0)
		return rc;
	if (!route->npattern)
		return fail(r, FR_EINVAL, "a pattern has at least one segment");
	for (uint32_t i = 0; i < route->npattern; i++) {
		if (route->pattern[i].conv == FR_CONV_PATH && i + 1 < route->npattern)
			return fail(r, FR_EINVAL, "segment %u: \"path\" may only be the last", i);
		params += route->pattern[i].conv >= 0;
	}
	if (params > FR_MAX_PATH_PARAMS)
		return fail(r, FR_ELIMIT, "%u parameters; at most %d are possible", params,
		            FR_MAX_PATH_PARAMS);
	if (params && route->npattern > FR_MAX_SEGMENTS)
		return fail(r, FR_ELIMIT, "%u segments; a path with parameters has at most %d",
		            route->npattern, FR_MAX_SEGMENTS);
	return 0;
}

static const struct field side_fields[] = {
        {"kind", T_ENUM, 1, 1, AT(side_kind), 1, side_names, NULL},
        {"object", T_ID, 1, 1, AT(side_object), 0, NULL, NULL},
        {"prefix", T_STR, 1, 1, AT(side_prefix), 0, NULL, NULL},
};

static int read_side(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = ROUTE(out, side_kind);
	int rc;

	if (cJSON_IsNull(item))
		return 0;
	rc = read_object(r, item, side_fields, sizeof side_fields / sizeof *side_fields, 1, route);
	if (rc == 0)
		rc = need(r, "object", route->side_object != FR_NONE32);
	return rc;
}

static int read_methods(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = ROUTE(out, methods);
	struct fr_manifest_strings *names = &route->method_names;
	int rc;

	if (!cJSON_IsNull(item)) {
		rc = read_strings(r, item, names);
		if (rc < 0)
			return rc;
	}
	/* Starlette takes an empty set for "any", too. */
	if (!names->count)
		route->methods = FR_ANY;
	for (uint32_t i = 0; i < names->count; i++) {
		if (!names->list[i][0])
			return fail(r, FR_EINVAL, "a method has a name");
		if (i && strcmp(names->list[i - 1], names->list[i]) >= 0)
			return fail(r, FR_EINVAL, "\"%.40s\" is not in order, or there twice",
			            names->list[i]);
		route->methods |= fr_method_bit(names->list[i], strlen(names->list[i]));
	}
	return 0;
}

static int read_steps(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = ROUTE(out, steps);

	return read_list(r, item, sizeof *route->steps, read_step, &route->steps, &route->nsteps);
}

static const struct field route_fields[] = {
        {"kind", T_ENUM, 1, 1, AT(kind), 1, kind_names, NULL},
        {"path", T_STR, 1, 1, AT(path), 0, NULL, NULL},
        {"pattern", T_FN, 1, 1, AT(pattern), 0, NULL, read_pattern},
        {"side", T_FN, 1, 1, AT(side_kind), 0, NULL, read_side},
        {"methods", T_FN, 1, 1, AT(methods), 0, NULL, read_methods},
        {"name", T_OSTR, 1, 1, AT(name), 0, NULL, NULL},
        {"endpoint", T_OSTR, 1, 1, AT(endpoint), 0, NULL, NULL},
        {"file", T_OSTR, 1, 1, AT(file), 0, NULL, NULL},
        {"line", T_U32, 1, 1, AT(line), INT32_MAX, NULL, NULL},
        {"object", T_ID, 1, 1, AT(object), 0, NULL, NULL},
        {"params", T_FN, 1, 1, AT(params), 0, NULL, read_strings},
        {"status", T_U32, 1, 1, AT(status), 999, NULL, NULL},
        {"body", T_ENUM, 1, 1, AT(body), 0, body_names, NULL},
        {"strict_content_type", T_FLAG, 1, 1, AT(flags), FR_ROUTE_STRICT_CONTENT_TYPE, NULL, NULL},
        {"max_body", T_LIMIT, 1, 1, AT(max_body), UINT32_MAX - 1, NULL, NULL},
        {"fast", T_FLAG, 1, 1, AT(flags), FR_ROUTE_FAST, NULL, NULL},
        {"slots", T_U32, 1, 1, AT(nslots), FR_MAX_REGISTERS, NULL, NULL},
        {"marks", T_U32, 1, 1, AT(nmarks), FR_MAX_REGISTERS, NULL, NULL},
        {"caches", T_U32, 1, 1, AT(ncaches), FR_MAX_REGISTERS, NULL, NULL},
        {"steps", T_FN, 1, 1, AT(steps), 0, NULL, read_steps},
};

#undef AT

/* The names in params are those of the pattern, in its order. */
static int check_params(struct reader *r, const struct fr_manifest_route *route)
{
	uint32_t n = 0;

	enter(r, "params", 0);
	for (uint32_t i = 0; i < route->npattern; i++) {
		if (route->pattern[i].conv < 0)
			continue;
		if (n >= route->params.count || strcmp(route->params.list[n], route->pattern[i].text))
			return fail(r, FR_EINVAL, "parameter %u of the pattern is \"%.100s\"", n,
			            route->pattern[i].text);
		n++;
	}
	if (n != route->params.count)
		return fail(r, FR_EINVAL, "%u names, but the pattern has %u parameters",
		            route->params.count, n);
	return 0;
}

static int check_route(struct reader *r, const struct fr_manifest_route *route)
{
	size_t before = r->where_len, steps;
	int rc;

	if ((route->pattern != NULL) == (route->side_kind != 0)) {
		enter(r, "pattern", 0);
		return fail(r, FR_EINVAL, "either the pattern or the side is null, not both");
	}
	if (route->pattern) {
		rc = check_params(r, route);
		if (rc < 0)
			return rc;
		leave(r, before);
	}
	if (route->kind == FR_ROUTE_ASGI) {
		rc = need(r, "object", route->object != FR_NONE32);
		if (rc < 0)
			return rc;
	}
	steps = enter(r, "steps", 0);
	if ((route->kind == FR_ROUTE_PLAN) != (route->nsteps > 0))
		return fail(r, FR_EINVAL, "a route of kind \"plan\" has steps, one of \"asgi\" has none");
	for (uint32_t i = 0; i < route->nsteps; i++) {
		before = enter(r, NULL, i);
		rc = check_step(r, route, i);
		if (rc < 0)
			return rc;
		leave(r, before);
	}
	leave(r, steps);
	return 0;
}

static int read_route(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = out;
	int rc = read_object(r, item, route_fields, sizeof route_fields / sizeof *route_fields, 1,
	                     route);

	return rc < 0 ? rc : check_route(r, route);
}

/* ---- the whole ---- */

#define AT(member) offsetof(struct fr_manifest, member)

static const struct field app_fields[] = {
        {"name", T_STR, 1, 1, AT(app_name), 0, NULL, NULL},
        {"redirect_slashes", T_FLAG, 1, 1, AT(app_flags), FR_APP_REDIRECT_SLASHES, NULL, NULL},
        {"wrapped", T_FLAG, 1, 1, AT(app_flags), FR_APP_WRAPPED, NULL, NULL},
        {"debug", T_FLAG, 1, 1, AT(app_flags), FR_APP_DEBUG, NULL, NULL},
        {"root_path", T_STR, 1, 1, AT(root_path), 0, NULL, NULL},
};

static int read_version(struct reader *r, const cJSON *item, void *out)
{
	uint32_t version;
	int rc = read_number(r, item, UINT32_MAX, &version);

	(void)out;
	if (rc == 0 && version != FR_MANIFEST_VERSION)
		return fail(r, FR_EINVAL, "version %u is unknown; this program reads %d", version,
		            FR_MANIFEST_VERSION);
	return rc;
}

static int read_app(struct reader *r, const cJSON *item, void *out)
{
	(void)out;
	return read_object(r, item, app_fields, sizeof app_fields / sizeof *app_fields, 1,
	                   &r->doc->manifest);
}

static int read_routes(struct reader *r, const cJSON *item, void *out)
{
	struct fr_manifest *m = &r->doc->manifest;

	(void)out;
	return read_list(r, item, sizeof *m->routes, read_route, &m->routes, &m->nroutes);
}

static const struct field top_fields[] = {
        {"version", T_FN, 1, 1, 0, 0, NULL, read_version},
        {"app", T_FN, 1, 1, 0, 0, NULL, read_app},
        {"places", T_U32, 1, 1, AT(nplaces), FR_MANIFEST_MAX_LIST, NULL, NULL},
        {"objects", T_FN, 1, 1, AT(objects), 0, NULL, read_strings},
        {"routes", T_FN, 1, 1, AT(routes), 0, NULL, read_routes},
};

int fr_manifest_read(const char *text, size_t len, size_t max_len, struct fr_manifest **ret,
                     struct fr_diag *diag)
{
	struct reader r = {.diag = diag};
	const char *end = NULL;
	int rc;

	if (len > max_len)
		return fr_diag_set(diag, FR_ELIMIT, "manifest", "%zu bytes; the limit is %zu", len,
		                   max_len);
	rc = fr_manifest_check_text(text, len, diag);
	if (rc < 0)
		return rc;
	r.doc = calloc(1, sizeof *r.doc);
	if (!r.doc)
		return out_of_memory(&r);
	r.doc->json = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	if (!r.doc->json) {
		rc = fr_diag_set(diag, FR_EINVAL, "manifest", "not JSON, at byte %zu",
		                 end ? (size_t)(end - text) : 0);
		goto out;
	}
	while (end < text + len && strchr(" \t\r\n", *end))
		end++;
	if (end != text + len) {
		rc = fr_diag_set(diag, FR_EINVAL, "manifest", "more text after the object, at byte %zu",
		                 (size_t)(end - text));
		goto out;
	}
	rc = read_object(&r, r.doc->json, top_fields, sizeof top_fields / sizeof *top_fields, 1,
	                 &r.doc->manifest);
out:
	if (rc < 0) {
		fr_manifest_free(&r.doc->manifest);
		return rc;
	}
	*ret = &r.doc->manifest;
	return 0;
}

void fr_manifest_free(struct fr_manifest *manifest)
{
	struct document *doc = (struct document *)manifest;
	struct block *b, *next;

	if (!doc)
		return;
	for (b = doc->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	cJSON_Delete(doc->json);
	free(doc);
}

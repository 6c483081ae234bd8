#include "shm/builder.h"

#include <assert.h>
#include <sodium/crypto_generichash.h>
#include <stdlib.h>
#include <string.h>

#include "shm/dfa.h"
#include "shm/hash.h"
#include "shm/manifest.h"

/* Records that a hash table leads to begin at a cache line: most fit into one. */
#define LINE 64

/* A path without parameters, and which routes accept it. */
struct plain {
	char *path;
	uint32_t len;
	uint32_t first; /* the lowest route of this very path */
	struct fr_accept *accepts;
	uint32_t naccepts;
	uint32_t at; /* of its struct fr_static, once measured */
};

/*
 * The image is emitted twice by the same code: with base NULL, which only
 * moves the end and so measures, then into memory of that size.  The second
 * time all offsets are known from the first.
 */
struct build {
	const struct fr_manifest *m;
	struct fr_dfa *dfa;
	struct plain *plains;
	uint32_t nplains;
	uint64_t seed;
	uint32_t *state_at, *edge_at; /* offsets, from the first pass */
	uint32_t *state_pass; /* the pass that has emitted it */
	uint32_t *state_list; /* offsets in order */
	uint32_t nstate_list, pass;
	char *base;
	size_t end;
};

static uint32_t reserve(struct build *b, size_t count, size_t size, size_t align)
{
	size_t off = (b->end + align - 1) & ~(align - 1);

	b->end = off + count * size;
	return (uint32_t)off;
}

static void fill(struct build *b, uint32_t off, const void *src, size_t n)
{
	if (b->base && n)
		memcpy(b->base + off, src, n);
}

static struct fr_vec reserve_vec(struct build *b, size_t count, size_t size)
{
	struct fr_vec v = { 0, (uint32_t)count };

	if (count)
		v.off = reserve(b, count, size, 8);
	return v;
}

static struct fr_vec put_vec(struct build *b, const void *src, size_t count, size_t size)
{
	struct fr_vec v = reserve_vec(b, count, size);

	fill(b, v.off, src, count * size);
	return v;
}

static struct fr_str put_text(struct build *b, const char *text, size_t len)
{
	struct fr_str s = { reserve(b, len + 1, 1, 1), (uint32_t)len };

	fill(b, s.off, text, len);
	return s;
}

static struct fr_str put_string(struct build *b, const char *text)
{
	return text ? put_text(b, text, strlen(text)) : put_text(b, "", 0);
}

static struct fr_vec put_strings(struct build *b, const struct fr_manifest_strings *s)
{
	struct fr_vec v = reserve_vec(b, s->count, sizeof(struct fr_str));

	for (uint32_t i = 0; i < s->count; i++) {
		struct fr_str text = put_string(b, s->list[i]);

		fill(b, v.off + i * (uint32_t)sizeof text, &text, sizeof text);
	}
	return v;
}

/* ---- paths without parameters ---- */

static int by_path(const void *a, const void *b)
{
	const struct plain *x = a, *y = b;
	int c = strcmp(x->path, y->path);

	return c ? c : (x->first > y->first) - (x->first < y->first);
}

static char *join_pattern(const struct fr_manifest_route *r)
{
	size_t len = 0;
	char *path, *at;

	for (uint32_t i = 0; i < r->npattern; i++)
		len += 1 + strlen(r->pattern[i].text);
	at = path = malloc(len + 1);
	if (!path)
		return NULL;
	for (uint32_t i = 0; i < r->npattern; i++) {
		*at++ = '/';
		at = stpcpy(at, r->pattern[i].text);
	}
	return path;
}

/* Merges the routes from..to-1 of one path, and those with parameters that match it, into one. */
static int merge_plain(struct build *b, uint32_t from, uint32_t to, struct plain *ret)
{
	struct plain p = b->plains[from];
	uint32_t n = to - from;

	p.len = (uint32_t)strlen(p.path);
	p.accepts = calloc(n + fr_dfa_collect(b->dfa, p.path, p.len, NULL), sizeof *p.accepts);
	if (!p.accepts)
		return FR_ENOMEM;
	for (uint32_t i = from; i < to; i++) {
		uint32_t route = b->plains[i].first;

		p.accepts[i - from] = (struct fr_accept){ route, b->m->routes[route].methods, 0 };
	}
	n += fr_dfa_collect(b->dfa, p.path, p.len, p.accepts + n);
	p.naccepts = fr_dfa_prune(p.accepts, n);
	for (uint32_t i = from + 1; i < to; i++)
		free(b->plains[i].path);
	b->plains[from].path = NULL;
	*ret = p;
	return 0;
}

static int collect_plains(struct build *b)
{
	uint32_t n = 0, done = 0, last;
	struct plain merged;

	b->plains = calloc(b->m->nroutes + 1, sizeof *b->plains);
	if (!b->plains)
		return FR_ENOMEM;
	for (uint32_t i = 0; i < b->m->nroutes; i++) {
		const struct fr_manifest_route *r = &b->m->routes[i];

		if (!r->pattern || r->params.count)
			continue;
		b->plains[n].first = i;
		b->plains[n].path = join_pattern(r);
		b->nplains = ++n;
		if (!b->plains[n - 1].path)
			return FR_ENOMEM;
	}
	if (n)
		qsort(b->plains, n, sizeof *b->plains, by_path);
	for (uint32_t i = 0; i < n; i = last) {
		for (last = i + 1; last < n; last++)
			if (strcmp(b->plains[i].path, b->plains[last].path))
				break;
		if (merge_plain(b, i, last, &merged) < 0)
			return FR_ENOMEM;
		for (uint32_t k = i; k < last; k++)
			b->plains[k].path = NULL;
		b->plains[done++] = merged;
	}
	b->nplains = done;
	return 0;
}

/* ---- routing ---- */

/* Between three eighths and three quarters full, never wholly. */
static uint32_t table_size(uint32_t n)
{
	uint64_t size = 4;

	if (!n)
		return 0;
	while (size * 3 < (uint64_t)n * 4)
		size *= 2;
	return (uint32_t)size;
}

static void insert(struct build *b, struct fr_vec table, uint64_t hash, uint32_t at)
{
	struct fr_bucket *buckets = (struct fr_bucket *)(b->base + table.off);
	uint32_t i = (uint32_t)hash & (table.count - 1);

	while (buckets[i].at)
		i = (i + 1) & (table.count - 1);
	buckets[i] = (struct fr_bucket){ fr_hash_tag(hash), at };
}

static void put_statics(struct build *b, struct fr_image *img)
{
	img->statics = reserve_vec(b, table_size(b->nplains), sizeof(struct fr_bucket));
	for (uint32_t i = 0; i < b->nplains; i++) {
		struct plain *p = &b->plains[i];
		struct fr_static s;

		p->at = reserve(b, 1, sizeof s, LINE);
		s.accepts = put_vec(b, p->accepts, p->naccepts, sizeof *p->accepts);
		s.path = put_text(b, p->path, p->len);
		fill(b, p->at, &s, sizeof s);
		if (b->base)
			insert(b, img->statics, fr_hash_static(img, p->path, p->len), p->at);
	}
}

static uint32_t offset_of(const struct build *b, uint32_t state)
{
	return state == FR_NONE32 ? 0 : b->state_at[state];
}

/* A state, then all that it leads to: depth first, as lookups go.  As deep as paths have segments. */
static void put_state(struct build *b, const struct fr_image *img, uint32_t state)
{
	const struct fr_dfa_state *s = &b->dfa->states[state];
	const struct fr_accept *accepts = b->dfa->accepts;
	struct fr_route_state out = { 0 };

	b->state_pass[state] = b->pass;
	b->state_at[state] = reserve(b, 1, sizeof out, 8);
	b->state_list[b->nstate_list++] = b->state_at[state];
	out.accepts = put_vec(b, accepts + s->accepts, s->naccepts, sizeof *accepts);
	out.tails = put_vec(b, accepts + s->tails, s->ntails, sizeof *accepts);
	for (uint32_t i = s->edges; i < s->edges + s->nedges; i++) {
		const struct fr_dfa_edge *e = &b->dfa->edges[i];
		struct fr_edge edge = { .from = b->state_at[state], .to = offset_of(b, e->to) };

		b->edge_at[i] = reserve(b, 1, sizeof edge, s->nedges > 1 ? LINE : 8);
		edge.segment = put_text(b, e->text, e->len);
		fill(b, b->edge_at[i], &edge, sizeof edge);
		if (b->base && s->nedges > 1)
			insert(b, img->edges, fr_hash_edge(img, edge.from, e->text, e->len),
			       b->edge_at[i]);
		if (b->state_pass[e->to] != b->pass)
			put_state(b, img, e->to);
	}
	for (int c = 0; c < FR_CLASSES; c++) {
		out.next[c] = offset_of(b, s->next[c]);
		if (s->next[c] != FR_NONE32 && b->state_pass[s->next[c]] != b->pass)
			put_state(b, img, s->next[c]);
	}
	out.edge = s->nedges == 1 ? b->edge_at[s->edges] : s->nedges ? FR_NONE32 : 0;
	fill(b, b->state_at[state], &out, sizeof out);
}

static void put_states(struct build *b, struct fr_image *img)
{
	uint32_t hashed = 0;

	for (uint32_t i = 0; i < b->dfa->nstates; i++)
		if (b->dfa->states[i].nedges > 1)
			hashed += b->dfa->states[i].nedges;
	img->edges = reserve_vec(b, table_size(hashed), sizeof(struct fr_bucket));
	b->nstate_list = 0;
	if (b->dfa->nstates)
		put_state(b, img, 0);
	/* Every state is reached from the start: that is how it was made. */
	assert(b->nstate_list == b->dfa->nstates);
	img->states = put_vec(b, b->state_list, b->nstate_list, sizeof *b->state_list);
}

static bool is_side(const struct fr_manifest_route *r, bool sockets)
{
	return r->side_kind && (r->kind == FR_ROUTE_WEBSOCKET) == sockets;
}

/* The entries of the WebSockets, or those of all others. */
static struct fr_vec put_sides(struct build *b, bool sockets)
{
	struct fr_vec v;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->m->nroutes; i++)
		n += is_side(&b->m->routes[i], sockets);
	v = reserve_vec(b, n, sizeof(struct fr_side));
	n = v.off;
	for (uint32_t i = 0; i < b->m->nroutes; i++) {
		const struct fr_manifest_route *r = &b->m->routes[i];
		struct fr_side side = { .kind = r->side_kind,
			                .route = i,
			                .object = r->side_object };

		if (!is_side(r, sockets))
			continue;
		side.prefix = put_string(b, r->side_prefix);
		fill(b, n, &side, sizeof side);
		n += (uint32_t)sizeof side;
	}
	return v;
}

/* ---- routes and plans ---- */

static void put_step(struct build *b, const struct fr_manifest_step *s, uint32_t at)
{
	struct fr_step step = {
		.op = (uint8_t)s->op,
		.in = (uint8_t)(s->op == FR_OP_BODY || s->op == FR_OP_PYBODY ? FR_IN_BODY : s->in),
		.fast = (uint8_t)s->fast,
		.mode = (uint8_t)s->mode,
		.sync = (uint16_t)s->sync,
		.flags = (uint16_t)s->flags,
		.default_mode = (uint16_t)s->default_mode,
		.slot = (uint16_t)s->slot,
		.mark = (uint16_t)s->mark,
		.cache = (uint16_t)s->cache,
		.jump = s->jump,
		.object = s->object,
		.object2 = s->object2,
		.object3 = s->object3,
		.object4 = s->object4,
		.place = s->place,
		.name = put_string(b, s->name),
		.alias = put_string(b, s->alias),
		.args = reserve_vec(b, s->nargs, sizeof(struct fr_arg)),
	};

	for (uint32_t i = 0; i < s->nargs; i++) {
		struct fr_arg arg = { .name = put_string(b, s->args[i].name),
			              .slot = s->args[i].slot };

		fill(b, step.args.off + i * (uint32_t)sizeof arg, &arg, sizeof arg);
	}
	fill(b, at, &step, sizeof step);
}

static struct fr_vec put_params(struct build *b, const struct fr_manifest_route *r)
{
	struct fr_vec v = reserve_vec(b, r->params.count, sizeof(struct fr_path_param));
	uint32_t segment = 0;

	for (uint32_t i = 0; i < r->params.count; i++) {
		struct fr_path_param p = { .conv = FR_CONV_REGEX };

		if (r->pattern) {
			while (r->pattern[segment].conv < 0)
				segment++;
			p.segment = (uint16_t)segment;
			p.conv = (uint16_t)r->pattern[segment++].conv;
		}
		p.name = put_string(b, r->params.list[i]);
		fill(b, v.off + i * (uint32_t)sizeof p, &p, sizeof p);
	}
	return v;
}

static void put_route(struct build *b, const struct fr_manifest_route *r, uint32_t at,
                      struct fr_vec steps)
{
	struct fr_route route = {
		.kind = r->kind,
		.methods = r->methods,
		.method_names = put_strings(b, &r->method_names),
		.path = put_string(b, r->path),
		.name = put_string(b, r->name),
		.endpoint = put_string(b, r->endpoint),
		.file = put_string(b, r->file),
		.why = put_string(b, r->why),
		.line = r->line,
		.object = r->object,
		.params = put_params(b, r),
		.steps = steps,
		.nslots = (uint16_t)r->nslots,
		.nmarks = (uint16_t)r->nmarks,
		.ncaches = (uint16_t)r->ncaches,
		.flags = (uint16_t)r->flags,
		.status = r->status,
		.body = r->body,
		.max_body = r->max_body,
	};

	for (uint32_t i = 0; i < r->nsteps; i++)
		put_step(b, &r->steps[i], steps.off + i * (uint32_t)sizeof(struct fr_step));
	fill(b, at, &route, sizeof route);
}

static void put_routes(struct build *b, struct fr_image *img)
{
	const struct fr_manifest *m = b->m;
	uint32_t at = 0;

	for (uint32_t i = 0; i < m->nroutes; i++)
		at += m->routes[i].nsteps;
	img->routes = reserve_vec(b, m->nroutes, sizeof(struct fr_route));
	img->steps = reserve_vec(b, at, sizeof(struct fr_step));
	at = img->steps.off;
	for (uint32_t i = 0; i < m->nroutes; i++) {
		struct fr_vec steps = { at, m->routes[i].nsteps };

		put_route(b, &m->routes[i], img->routes.off + i * (uint32_t)sizeof(struct fr_route),
		          steps);
		at += steps.count * (uint32_t)sizeof(struct fr_step);
	}
}

/* ---- the whole ---- */

static void emit(struct build *b, const uint8_t fingerprint[32])
{
	const struct fr_manifest *m = b->m;
	struct fr_image img = {
		.magic = FR_IMAGE_MAGIC,
		.version = FR_IMAGE_VERSION,
		.seed = b->seed,
		.app_flags = m->app_flags,
		.nobjects = m->objects.count,
		.nplaces = m->nplaces,
	};

	b->pass++;
	b->end = sizeof img;
	memcpy(img.fingerprint, fingerprint, sizeof img.fingerprint);
	put_statics(b, &img);
	put_states(b, &img);
	img.sides = put_sides(b, false);
	img.sockets = put_sides(b, true);
	put_routes(b, &img);
	img.app_name = put_string(b, m->app_name);
	img.root_path = put_string(b, m->root_path);
	img.last_handler = put_string(b, m->last_handler);
	img.middleware = put_strings(b, &m->middleware);
	img.handlers = put_strings(b, &m->handlers);
	img.object_names = put_strings(b, &m->objects);
	img.size = reserve(b, 0, 1, 8);
	fill(b, 0, &img, sizeof img);
}

static void build_fini(struct build *b)
{
	for (uint32_t i = 0; i < b->nplains; i++) {
		free(b->plains[i].path);
		free(b->plains[i].accepts);
	}
	free(b->plains);
	free(b->state_at);
	free(b->edge_at);
	free(b->state_pass);
	free(b->state_list);
	fr_dfa_free(b->dfa);
}

/* Measures, then fills. */
static int build_image(struct build *b, const uint8_t fingerprint[32], struct fr_image_buf *ret,
                       struct fr_diag *diag)
{
	size_t measured;

	b->state_at = calloc(b->dfa->nstates + 1, sizeof *b->state_at);
	b->state_pass = calloc(b->dfa->nstates + 1, sizeof *b->state_pass);
	b->state_list = calloc(b->dfa->nstates + 1, sizeof *b->state_list);
	b->edge_at = calloc(b->dfa->nedges + 1, sizeof *b->edge_at);
	if (!b->state_at || !b->state_pass || !b->state_list || !b->edge_at ||
	    collect_plains(b) < 0)
		return fr_diag_set(diag, FR_ENOMEM, "routes",
		                   "out of memory while building the image");
	emit(b, fingerprint);
	measured = b->end;
	if (measured > FR_IMAGE_MAX)
		return fr_diag_set(diag, FR_ELIMIT, "image", "%zu bytes; the limit is %u", measured,
		                   FR_IMAGE_MAX);
	b->base = aligned_alloc(LINE, (measured + LINE - 1) & ~(size_t)(LINE - 1));
	if (!b->base)
		return fr_diag_set(diag, FR_ENOMEM, "image", "out of memory: %zu bytes", measured);
	memset(b->base, 0, measured);
	emit(b, fingerprint);
	assert(b->end == measured);
	ret->image = (struct fr_image *)b->base;
	ret->size = measured;
	return 0;
}

void fr_image_fingerprint(const char *manifest, size_t len, uint8_t ret[32])
{
	/* Can't fail with these sizes; needs no sodium_init(). */
	(void)crypto_generichash(ret, 32, (const unsigned char *)manifest, len, NULL, 0);
}

int fr_image_build(const char *manifest, size_t len, uint64_t seed, struct fr_image_buf *ret,
                   struct fr_diag *diag)
{
	struct build b = { .seed = seed };
	struct fr_manifest *m = NULL;
	uint8_t fingerprint[32];
	int rc = fr_manifest_read(manifest, len, FR_MANIFEST_MAX, &m, diag);

	if (rc < 0)
		return rc;
	b.m = m;
	rc = fr_dfa_build(m, &b.dfa, diag);
	if (rc < 0)
		goto out;
	fr_image_fingerprint(manifest, len, fingerprint);
	rc = build_image(&b, fingerprint, ret, diag);
out:
	build_fini(&b);
	fr_manifest_free(m);
	return rc;
}

void fr_image_buf_fini(struct fr_image_buf *buf)
{
	free(buf->image);
	buf->image = NULL;
	buf->size = 0;
}

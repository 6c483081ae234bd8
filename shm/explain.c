#include "shm/explain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shm/route.h"

static const char *const op_words[] = { "?",      "mark",
	                                "take",   "take with a function",
	                                "read",   "read the body with a function",
	                                "inject", "reuse",
	                                "call",   "endpoint",
	                                "respond" };
static const char *const in_words[] = { "", "path", "query", "header", "cookie", "body" };
static const char *const mode_words[] = { "", "def", "async def", "generator", "async generator" };
static const char *const special_words[] = {
	"", "the request", "the connection", "the response", "the background tasks", "the scopes"
};
static const char *const fast_words[] = { "", ", str in C", ", int in C" };
static const char *const default_words[] = { ", required", ", default", ", default (a copy)",
	                                     ", default from a factory" };
static const char *const sync_words[] = { "", ": auto", ": inline", ": threads" };
static const char *const serialize_words[] = { "", "the encoder", "the response model, to JSON",
	                                       "a response class", "a function" };
static const char *const body_words[] = { "none", "JSON", "form" };
static const char *const conv_words[] = { "str", "path", "int", "float", "uuid", "regex" };

/* Bytes as a person may read them on one line. */
static void put_bytes(FILE *out, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
}

static void put_str(FILE *out, const struct fr_image *img, struct fr_str s)
{
	put_bytes(out, fr_str_in(img, s), s.len);
}

static void put_object(FILE *out, const struct fr_image *img, const char *label, uint32_t id)
{
	const struct fr_str *names = FR_IMAGE_AT(img, img->object_names.off);

	if (id == FR_NONE32)
		return;
	fprintf(out, ", %s #%" PRIu32 " ", label, id);
	put_str(out, img, names[id]);
}

static void put_slot(FILE *out, uint16_t slot)
{
	if (slot != FR_NONE16)
		fprintf(out, " -> slot %u", slot);
}

static void put_args(FILE *out, const struct fr_image *img, struct fr_vec args)
{
	const struct fr_arg *a = FR_IMAGE_AT(img, args.off);

	fputc('(', out);
	for (uint32_t i = 0; i < args.count; i++) {
		fputs(i ? ", " : "", out);
		put_str(out, img, a[i].name);
		fprintf(out, "=slot %u", a[i].slot);
	}
	fputc(')', out);
}

static void put_name(FILE *out, const struct fr_image *img, const struct fr_step *s)
{
	fputc(' ', out);
	put_str(out, img, s->name);
	if (s->alias.len &&
	    (s->alias.len != s->name.len ||
	     memcmp(fr_str_in(img, s->alias), fr_str_in(img, s->name), s->alias.len))) {
		fputs(" (\"", out);
		put_str(out, img, s->alias);
		fputs("\")", out);
	}
}

static void put_flags(FILE *out, const struct fr_step *s)
{
	static const struct {
		unsigned flag;
		const char *word;
	} words[] = {
		{ FR_STEP_SEQUENCE, ", all values" },
		{ FR_STEP_VALIDATE_DEFAULT, ", default validated" },
		{ FR_STEP_EMBED, ", embedded" },
		{ FR_STEP_DIRECT_JSON, ", validated from the bytes" },
		{ FR_STEP_USE_CACHE, ", cached" },
		{ FR_STEP_FUNCTION_SCOPE, ", ends before the response" },
		{ FR_STEP_VALIDATE_RESPONSE, ", validated" },
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (s->flags & words[i].flag)
			fputs(words[i].word, out);
}

static void put_call(FILE *out, const struct fr_image *img, const struct fr_step *s)
{
	put_name(out, img, s);
	put_args(out, img, s->args);
	fprintf(out, ", %s", mode_words[s->mode]);
	if (s->place != FR_NONE32)
		fprintf(out, ", placement %" PRIu32 "%s", s->place, sync_words[s->sync]);
	if (s->cache != FR_NONE16)
		fprintf(out, ", cache %u", s->cache);
	if (s->mark != FR_NONE16)
		fprintf(out, ", unless errors since mark %u", s->mark);
}

static void put_step(FILE *out, const struct fr_image *img, const struct fr_step *s, uint32_t index)
{
	fprintf(out, "  %3" PRIu32 "  %s", index, op_words[s->op]);
	switch (s->op) {
	case FR_OP_MARK:
		fprintf(out, " %u: the errors so far", s->mark);
		break;
	case FR_OP_PARAM:
		fprintf(out, " %s", in_words[s->in]);
		put_name(out, img, s);
		fprintf(out, "%s%s", fast_words[s->fast], default_words[s->default_mode]);
		break;
	case FR_OP_PYPARAM:
		fprintf(out, " %s", in_words[s->in]);
		put_name(out, img, s);
		break;
	case FR_OP_BODY:
		fputs(" the body", out);
		put_name(out, img, s);
		fputs(default_words[s->default_mode], out);
		break;
	case FR_OP_PYBODY:
		put_args(out, img, s->args);
		break;
	case FR_OP_SPECIAL:
		fprintf(out, " %s", special_words[s->in]);
		break;
	case FR_OP_CACHED:
		fprintf(out, " cache %u if it is set, then go to step %" PRIu32, s->cache, s->jump);
		break;
	case FR_OP_RESPOND:
		fprintf(out, " with %s", serialize_words[s->mode]);
		break;
	default:
		put_call(out, img, s);
	}
	put_flags(out, s);
	put_object(out, img, "object", s->object);
	put_object(out, img, "second", s->object2);
	put_object(out, img, "third", s->object3);
	put_object(out, img, "fourth", s->object4);
	put_slot(out, s->slot);
	fputc('\n', out);
}

static void put_methods(FILE *out, const struct fr_image *img, const struct fr_route *r)
{
	const struct fr_str *names = FR_IMAGE_AT(img, r->method_names.off);

	if (!r->method_names.count)
		fputs("any method", out);
	for (uint32_t i = 0; i < r->method_names.count; i++) {
		fputs(i ? ", " : "", out);
		put_str(out, img, names[i]);
	}
}

static void put_route(FILE *out, const struct fr_image *img, uint32_t index)
{
	const struct fr_route *r =
		(const struct fr_route *)FR_IMAGE_AT(img, img->routes.off) + index;
	const struct fr_path_param *p = FR_IMAGE_AT(img, r->params.off);
	const struct fr_step *steps = FR_IMAGE_AT(img, r->steps.off);

	fprintf(out, "route %" PRIu32 ": ", index);
	put_methods(out, img, r);
	fputc(' ', out);
	put_str(out, img, r->path);
	fputs("\n  answered by ", out);
	put_str(out, img, r->endpoint.len ? r->endpoint : r->name);
	if (r->file.len) {
		fputs(" at ", out);
		put_str(out, img, r->file);
		fprintf(out, ":%" PRIu32, r->line);
	}
	if (r->why.len) {
		fputs("\n  through ASGI: ", out);
		put_str(out, img, r->why);
	} else if (r->kind == FR_ROUTE_WEBSOCKET) {
		fputs("\n  a WebSocket: the application's router finds it", out);
	} else if (img->app_flags & FR_APP_WRAPPED) {
		fputs("\n  a plan, entered through ASGI: there is middleware around it", out);
	}
	fprintf(out, "\n  body %s", body_words[r->body]);
	if (r->max_body != FR_NONE32)
		fprintf(out, " of at most %" PRIu32 " bytes", r->max_body);
	if (r->status)
		fprintf(out, ", status %" PRIu32, r->status);
	fprintf(out, ", registers: %u slots, %u marks, %u caches\n", r->nslots, r->nmarks,
	        r->ncaches);
	for (uint32_t i = 0; i < r->params.count; i++) {
		fputs("  parameter ", out);
		put_str(out, img, p[i].name);
		fprintf(out, ": %s", conv_words[p[i].conv]);
		if (p[i].conv != FR_CONV_REGEX)
			fprintf(out, ", segment %u", p[i].segment);
		fputc('\n', out);
	}
	for (uint32_t i = 0; i < r->steps.count; i++)
		put_step(out, img, &steps[i], i);
}

/* ---- the order ---- */

static void put_line(FILE *out, int *n, const char *words)
{
	fprintf(out, "  %3d  %s", ++*n, words);
}

static bool is_generator(const struct fr_step *s)
{
	return s->op == FR_OP_CALL && (s->mode == FR_MODE_GEN || s->mode == FR_MODE_AGEN);
}

/* Dependencies that yield go on from there, the last one first. */
static void put_ends(FILE *out, const struct fr_image *img, const struct fr_route *r, int *n,
                     unsigned function_scope)
{
	const struct fr_step *steps = FR_IMAGE_AT(img, r->steps.off);

	for (uint32_t i = r->steps.count; i-- > 0;) {
		if (!is_generator(&steps[i]) ||
		    (steps[i].flags & FR_STEP_FUNCTION_SCOPE) != function_scope)
			continue;
		put_line(out, n, "the end of ");
		put_str(out, img, steps[i].name);
		fputc('\n', out);
	}
}

static void put_plan_order(FILE *out, const struct fr_image *img, const struct fr_route *r, int *n)
{
	const struct fr_step *steps = FR_IMAGE_AT(img, r->steps.off);

	if (r->body != FR_BODY_NONE) {
		put_line(out, n, "the body is read: ");
		fprintf(out, "%s\n", body_words[r->body]);
	}
	for (uint32_t i = 0; i < r->steps.count; i++) {
		const struct fr_step *s = &steps[i];

		if (s->op != FR_OP_CALL && s->op != FR_OP_ENDPOINT)
			continue;
		put_line(out, n, s->op == FR_OP_CALL ? "dependency " : "endpoint ");
		put_str(out, img, s->name);
		fprintf(out, ", %s%s\n", mode_words[s->mode],
		        is_generator(s) ? ", as far as its yield" : "");
	}
	put_ends(out, img, r, n, FR_STEP_FUNCTION_SCOPE);
	put_line(out, n, "the response is sent\n");
	put_line(out, n, "background tasks\n");
	put_ends(out, img, r, n, 0);
}

/* What runs for a request that this route answers, from the outside in. */
static void put_order(FILE *out, const struct fr_image *img, const struct fr_route *r)
{
	const struct fr_str *middleware = FR_IMAGE_AT(img, img->middleware.off);
	const struct fr_str *handlers = FR_IMAGE_AT(img, img->handlers.off);
	int n = 0;

	fputs("  order; what is raised goes back up, as the answer does:\n", out);
	put_line(out, &n, "what nothing below handles: ");
	if (img->last_handler.len)
		put_str(out, img, img->last_handler);
	else
		fputs("500", out);
	fputc('\n', out);
	for (uint32_t i = 0; i < img->middleware.count; i++) {
		put_line(out, &n, "middleware ");
		put_str(out, img, middleware[i]);
		fputc('\n', out);
	}
	put_line(out, &n, "exception handlers, by status or nearest class: ");
	for (uint32_t i = 0; i < img->handlers.count; i++) {
		fputs(i ? ", " : "", out);
		put_str(out, img, handlers[i]);
	}
	fputs(img->handlers.count ? "\n" : "none\n", out);
	if (r->kind != FR_ROUTE_PLAN) {
		put_line(out, &n, "the route, with all that it runs itself\n");
	} else {
		put_plan_order(out, img, r, &n);
	}
}

static void put_params(FILE *out, const struct fr_image *img, const struct fr_match *m)
{
	const struct fr_route *r =
		(const struct fr_route *)FR_IMAGE_AT(img, img->routes.off) + m->route;
	const struct fr_path_param *p = FR_IMAGE_AT(img, r->params.off);

	for (uint32_t i = 0; i < m->nparams; i++) {
		fputs("  ", out);
		put_str(out, img, p[i].name);
		fputs(" = \"", out);
		put_bytes(out, m->params[i].p, m->params[i].len);
		fputs("\"\n", out);
	}
}

static void put_side(FILE *out, const struct fr_image *img, const struct fr_side *s)
{
	const struct fr_route *routes = FR_IMAGE_AT(img, img->routes.off);

	fprintf(out, "  route %" PRIu32 " ", s->route);
	put_str(out, img, routes[s->route].path);
	fprintf(out, ": %s, paths beginning with \"",
	        s->kind == FR_SIDE_REGEX ? "a regular expression" : "a route that decides itself");
	put_str(out, img, s->prefix);
	fputc('"', out);
	put_object(out, img, "object", s->object);
	fputc('\n', out);
}

/* Notes the side entries that would be asked, with their plans; tries none. */
struct asked {
	FILE *out; /* is shown after the head line, which counts them */
	const struct fr_image *img;
	int count;
};

static int on_side(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	struct asked *asked = arg;
	const struct fr_route *routes = FR_IMAGE_AT(asked->img, asked->img->routes.off);

	(void)path;
	(void)len;
	if (!asked->count++)
		fputs("the application itself is asked about:\n", asked->out);
	put_side(asked->out, asked->img, side);
	put_route(asked->out, asked->img, side->route);
	put_order(asked->out, asked->img, &routes[side->route]);
	return FR_MATCH_NONE;
}

static int explain_socket(const struct fr_image *img, const char *path, FILE *out)
{
	struct asked asked = { out, img, 0 };
	uint32_t route;

	fputs("WEBSOCKET ", out);
	put_bytes(out, path, strlen(path));
	fputs(": ", out);
	(void)fr_route_find_socket(img, path, strlen(path), on_side, &asked, &route);
	fputs(asked.count ? "no other route: 403, unless the application says otherwise\n"
	                  : "no route: 403\n",
	      out);
	return 1;
}

static void explain_none(const struct fr_image *img, const char *path, int asked, FILE *out)
{
	size_t len;
	int add;

	if (fr_route_redirect(img, path, strlen(path), NULL, NULL, &len, &add) == 1) {
		fputs("no route: redirected to ", out);
		put_bytes(out, path, add ? len - 1 : len);
		fputs(add ? "/\n" : "\n", out);
	} else {
		fputs(asked ? "no other route: 404, unless the application says otherwise\n"
		            : "no route: 404\n",
		      out);
	}
}

int fr_explain(const struct fr_image *img, const char *method, const char *path, FILE *out)
{
	struct fr_span name = { method, strlen(method) };
	struct asked asked = { NULL, img, 0 };
	char *sides = NULL;
	size_t len = 0;
	struct fr_match m;
	int rc;

	if (!strcmp(method, "WEBSOCKET"))
		return explain_socket(img, path, out);
	asked.out = open_memstream(&sides, &len);
	if (!asked.out)
		return 1;
	rc = fr_route_find(img, fr_method_bit(method, name.len), name, path, strlen(path), on_side,
	                   &asked, &m);
	if (fclose(asked.out) || rc < 0) {
		free(sides);
		return 1;
	}
	put_bytes(out, method, name.len);
	fputc(' ', out);
	put_bytes(out, path, strlen(path));
	fprintf(out, ": %" PRIu32 " probes, %d side entries\n", m.probes, asked.count);
	fwrite(sides, 1, len, out);
	free(sides);
	if (m.kind == FR_MATCH_NONE) {
		explain_none(img, path, asked.count, out);
		return 1;
	}
	if (m.kind == FR_MATCH_METHOD)
		fputs("the path matches, the method does not: 405 by\n", out);
	put_params(out, img, &m);
	put_route(out, img, m.route);
	if (m.kind == FR_MATCH_FULL)
		put_order(out, img,
		          (const struct fr_route *)FR_IMAGE_AT(img, img->routes.off) + m.route);
	return m.kind == FR_MATCH_FULL ? 0 : 1;
}

static uint32_t filled(const struct fr_image *img, struct fr_vec table)
{
	const struct fr_bucket *b = FR_IMAGE_AT(img, table.off);
	uint32_t n = 0;

	for (uint32_t i = 0; i < table.count; i++)
		n += b[i].at != 0;
	return n;
}

static void dump_statics(const struct fr_image *img, FILE *out)
{
	const struct fr_bucket *b = FR_IMAGE_AT(img, img->statics.off);

	for (uint32_t i = 0; i < img->statics.count; i++) {
		const struct fr_static *s = FR_IMAGE_AT(img, b[i].at);
		const struct fr_accept *a;

		if (!b[i].at)
			continue;
		a = FR_IMAGE_AT(img, s->accepts.off);
		fprintf(out, "  bucket %" PRIu32 ": ", i);
		put_str(out, img, s->path);
		for (uint32_t k = 0; k < s->accepts.count; k++)
			fprintf(out, "%s %" PRIu32, k ? "," : " -> route", a[k].route);
		fputc('\n', out);
	}
}

static void dump_accepts(const struct fr_image *img, const char *what, struct fr_vec accepts,
                         FILE *out)
{
	const struct fr_accept *a = FR_IMAGE_AT(img, accepts.off);

	for (uint32_t i = 0; i < accepts.count; i++)
		fprintf(out, "%s %" PRIu32, i ? "," : what, a[i].route);
}

static void dump_states(const struct fr_image *img, FILE *out)
{
	static const char *const classes[] = { "str", "float", "int", "uuid", "int or uuid" };
	const uint32_t *list = FR_IMAGE_AT(img, img->states.off);

	for (uint32_t i = 0; i < img->states.count; i++) {
		const struct fr_route_state *s = FR_IMAGE_AT(img, list[i]);

		fprintf(out, "  state %" PRIu32 ":", list[i]);
		for (int c = 0; c < FR_CLASSES; c++)
			if (s->next[c])
				fprintf(out, " %s -> %" PRIu32 ";", classes[c], s->next[c]);
		if (s->edge && s->edge != FR_NONE32) {
			const struct fr_edge *e = FR_IMAGE_AT(img, s->edge);

			fputs(" \"", out);
			put_str(out, img, e->segment);
			fprintf(out, "\" -> %" PRIu32 ";", e->to);
		} else if (s->edge) {
			fputs(" literals by table;", out);
		}
		dump_accepts(img, " ends route", s->accepts, out);
		dump_accepts(img, " rest goes to route", s->tails, out);
		fputc('\n', out);
	}
}

static void dump_edges(const struct fr_image *img, FILE *out)
{
	const struct fr_bucket *b = FR_IMAGE_AT(img, img->edges.off);

	for (uint32_t i = 0; i < img->edges.count; i++) {
		const struct fr_edge *e = FR_IMAGE_AT(img, b[i].at);

		if (!b[i].at)
			continue;
		fprintf(out, "  bucket %" PRIu32 ": state %" PRIu32 " \"", i, e->from);
		put_str(out, img, e->segment);
		fprintf(out, "\" -> %" PRIu32 "\n", e->to);
	}
}

void fr_image_dump(const struct fr_image *img, FILE *out)
{
	const struct fr_side *sides = FR_IMAGE_AT(img, img->sides.off);
	const struct fr_side *sockets = FR_IMAGE_AT(img, img->sockets.off);
	const struct fr_str *names = FR_IMAGE_AT(img, img->object_names.off);

	fprintf(out, "image version %" PRIu32 ", %" PRIu32 " bytes\nmanifest ", img->version,
	        img->size);
	for (size_t i = 0; i < sizeof img->fingerprint; i++)
		fprintf(out, "%02x", img->fingerprint[i]);
	fputs("\napp ", out);
	put_str(out, img, img->app_name);
	fputs(", root path \"", out);
	put_str(out, img, img->root_path);
	fprintf(out, "\"%s%s%s, %" PRIu32 " placement records\n",
	        img->app_flags & FR_APP_REDIRECT_SLASHES ? ", redirects slashes" : "",
	        img->app_flags & FR_APP_WRAPPED ? ", wrapped in ASGI middleware" : "",
	        img->app_flags & FR_APP_DEBUG ? ", debug" : "", img->nplaces);
	fprintf(out, "\n%" PRIu32 " static paths in %" PRIu32 " buckets\n",
	        filled(img, img->statics), img->statics.count);
	dump_statics(img, out);
	fprintf(out, "\n%" PRIu32 " states, %" PRIu32 " edges in %" PRIu32 " buckets\n",
	        img->states.count, filled(img, img->edges), img->edges.count);
	dump_states(img, out);
	dump_edges(img, out);
	fprintf(out, "\n%" PRIu32 " side entries\n", img->sides.count);
	for (uint32_t i = 0; i < img->sides.count; i++)
		put_side(out, img, &sides[i]);
	fprintf(out, "\n%" PRIu32 " WebSockets\n", img->sockets.count);
	for (uint32_t i = 0; i < img->sockets.count; i++)
		put_side(out, img, &sockets[i]);
	fprintf(out, "\n%" PRIu32 " routes, %" PRIu32 " steps\n", img->routes.count,
	        img->steps.count);
	for (uint32_t i = 0; i < img->routes.count; i++)
		put_route(out, img, i);
	fprintf(out, "\n%" PRIu32 " objects\n", img->nobjects);
	for (uint32_t i = 0; i < img->nobjects; i++) {
		fprintf(out, "  #%" PRIu32 " ", i);
		put_str(out, img, names[i]);
		fputc('\n', out);
	}
}

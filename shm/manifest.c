#include "shm/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/manifest_read.h"
#include "shm/manifest_text.h"
#include "shm/route.h"

#define AT(member) offsetof(struct fr_manifest_route, member)
#define ROUTE(out, member) ((struct fr_manifest_route *)((char *)(out)-AT(member)))

static const char *const kind_names[] = { "plan", "asgi", "websocket", NULL };
static const char *const side_names[] = { "regex", "route", NULL };
static const char *const body_names[] = { "none", "json", "form", NULL };
static const char *const conv_names[] = { "str", "path", "int", "float", "uuid", "lit", NULL };
static const struct fr_reader_field conv_field = { "", FR_T_ENUM, 1, 1, 0, 0, conv_names, NULL };

#define TEXT_(n) #n
#define TEXT(n) TEXT_(n)

const char *fr_manifest_excess(const struct fr_manifest_segment *pattern, uint32_t n)
{
	uint32_t params = 0;

	for (uint32_t i = 0; i < n; i++)
		params += pattern[i].conv >= 0;
	if (params > FR_MAX_PATH_PARAMS)
		return "more than " TEXT(FR_MAX_PATH_PARAMS) " parameters";
	if (params && n > FR_MAX_SEGMENTS)
		return "parameters, and more than " TEXT(FR_MAX_SEGMENTS) " segments";
	return NULL;
}

#undef TEXT
#undef TEXT_

int fr_manifest_conv(const char *name, int *ret)
{
	for (int i = 0; conv_names[i]; i++) {
		if (strcmp(conv_names[i], name))
			continue;
		*ret = i <= FR_CONV_UUID ? i : -1;
		return 0;
	}
	return FR_EINVAL;
}

void fr_manifest_name_route(const struct fr_manifest_route *route, char *out, size_t size)
{
	bool endpoint = route->endpoint && route->endpoint[0], file = route->file && route->file[0];
	int n = snprintf(out, size, "%.200s%s%.100s", route->path, endpoint ? ": " : "",
	                 endpoint ? route->endpoint : "");

	if (file && n >= 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, ", %.200s:%u", route->file, route->line);
}

static int read_segment(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_segment *segment = out;
	const cJSON *conv, *text;
	uint32_t n = 0;
	int rc = fr_reader_pair(r, item, &conv, &text);

	if (rc == 0)
		rc = fr_reader_enum(r, conv, &conv_field, &n);
	if (rc == 0)
		rc = fr_reader_string(r, text, &segment->text);
	if (rc < 0)
		return rc;
	segment->conv = n <= FR_CONV_UUID ? (int)n : -1;
	if (segment->conv < 0 && strchr(segment->text, '/'))
		return fr_reader_fail(r, FR_EINVAL, "a segment has no '/'");
	return 0;
}

static int read_pattern(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = ROUTE(out, pattern);
	const char *excess;
	int rc;

	if (cJSON_IsNull(item))
		return 0;
	rc = fr_reader_list(r, item, sizeof *route->pattern, read_segment, &route->pattern,
	                    &route->npattern);
	if (rc < 0)
		return rc;
	if (!route->npattern)
		return fr_reader_fail(r, FR_EINVAL, "a pattern has at least one segment");
	for (uint32_t i = 0; i < route->npattern; i++) {
		if (route->pattern[i].conv == FR_CONV_PATH && i + 1 < route->npattern)
			return fr_reader_fail(r, FR_EINVAL,
			                      "segment %u: \"path\" may only be the last", i);
	}
	excess = fr_manifest_excess(route->pattern, route->npattern);
	return excess ? fr_reader_fail(r, FR_ELIMIT, "the path has %s: it belongs on the side list",
	                               excess)
	              : 0;
}

static const struct fr_reader_field side_fields[] = {
	{ "kind", FR_T_ENUM, 1, 1, AT(side_kind), 1, side_names, NULL },
	{ "object", FR_T_ID, 1, 1, AT(side_object), 0, NULL, NULL },
	{ "prefix", FR_T_STR, 1, 1, AT(side_prefix), 0, NULL, NULL },
};

static int read_side(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = ROUTE(out, side_kind);
	int rc;

	if (cJSON_IsNull(item))
		return 0;
	rc = fr_reader_object(r, item, side_fields, sizeof side_fields / sizeof *side_fields, 1,
	                      route);
	if (rc == 0)
		rc = fr_reader_need(r, "object", route->side_object != FR_NONE32);
	return rc;
}

static int read_methods(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = ROUTE(out, methods);
	struct fr_manifest_strings *names = &route->method_names;
	int rc;

	if (!cJSON_IsNull(item)) {
		rc = fr_reader_strings(r, item, names);
		if (rc < 0)
			return rc;
	}
	/* Starlette takes an empty set for "any", too. */
	if (!names->count)
		route->methods = FR_ANY;
	for (uint32_t i = 0; i < names->count; i++) {
		if (!names->list[i][0])
			return fr_reader_fail(r, FR_EINVAL, "a method has a name");
		if (i && strcmp(names->list[i - 1], names->list[i]) >= 0)
			return fr_reader_fail(r, FR_EINVAL,
			                      "\"%.40s\" is not in order, or there twice",
			                      names->list[i]);
		route->methods |= fr_method_bit(names->list[i], strlen(names->list[i]));
	}
	return 0;
}

static int read_steps(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = ROUTE(out, steps);

	return fr_reader_list(r, item, sizeof *route->steps, fr_reader_step, &route->steps,
	                      &route->nsteps);
}

static const struct fr_reader_field route_fields[] = {
	{ "kind", FR_T_ENUM, 1, 1, AT(kind), 1, kind_names, NULL },
	{ "why", FR_T_OSTR, 1, 1, AT(why), 0, NULL, NULL },
	{ "path", FR_T_STR, 1, 1, AT(path), 0, NULL, NULL },
	{ "pattern", FR_T_FN, 1, 1, AT(pattern), 0, NULL, read_pattern },
	{ "side", FR_T_FN, 1, 1, AT(side_kind), 0, NULL, read_side },
	{ "methods", FR_T_FN, 1, 1, AT(methods), 0, NULL, read_methods },
	{ "name", FR_T_OSTR, 1, 1, AT(name), 0, NULL, NULL },
	{ "endpoint", FR_T_OSTR, 1, 1, AT(endpoint), 0, NULL, NULL },
	{ "file", FR_T_OSTR, 1, 1, AT(file), 0, NULL, NULL },
	{ "line", FR_T_U32, 1, 1, AT(line), INT32_MAX, NULL, NULL },
	{ "object", FR_T_ID, 1, 1, AT(object), 0, NULL, NULL },
	{ "params", FR_T_FN, 1, 1, AT(params), 0, NULL, fr_reader_strings },
	{ "status", FR_T_U32, 1, 1, AT(status), 999, NULL, NULL },
	{ "body", FR_T_ENUM, 1, 1, AT(body), 0, body_names, NULL },
	{ "strict_content_type", FR_T_FLAG, 1, 1, AT(flags), FR_ROUTE_STRICT_CONTENT_TYPE, NULL,
	  NULL },
	{ "max_body", FR_T_LIMIT, 1, 1, AT(max_body), UINT32_MAX - 1, NULL, NULL },
	{ "slots", FR_T_U32, 1, 1, AT(nslots), FR_MAX_REGISTERS, NULL, NULL },
	{ "marks", FR_T_U32, 1, 1, AT(nmarks), FR_MAX_REGISTERS, NULL, NULL },
	{ "caches", FR_T_U32, 1, 1, AT(ncaches), FR_MAX_REGISTERS, NULL, NULL },
	{ "steps", FR_T_FN, 1, 1, AT(steps), 0, NULL, read_steps },
};

#undef AT

/* The names in params are those of the pattern, in its order. */
static int check_params(struct fr_reader *r, const struct fr_manifest_route *route)
{
	uint32_t n = 0;

	fr_reader_enter(r, "params", 0);
	for (uint32_t i = 0; i < route->npattern; i++) {
		if (route->pattern[i].conv < 0)
			continue;
		if (n >= route->params.count ||
		    strcmp(route->params.list[n], route->pattern[i].text))
			return fr_reader_fail(r, FR_EINVAL,
			                      "parameter %u of the pattern is \"%.100s\"", n,
			                      route->pattern[i].text);
		n++;
	}
	if (n != route->params.count)
		return fr_reader_fail(r, FR_EINVAL, "%u names, but the pattern has %u parameters",
		                      route->params.count, n);
	return 0;
}

/* Its one method is no method, whatever a request's may be called. */
static int check_websocket(struct fr_reader *r, struct fr_manifest_route *route)
{
	if (route->side_kind != FR_SIDE_ROUTE) {
		fr_reader_enter(r, "side", 0);
		return fr_reader_fail(r, FR_EINVAL, "a WebSocket is matched by its route");
	}
	if (route->method_names.count != 1 || strcmp(route->method_names.list[0], "WEBSOCKET")) {
		fr_reader_enter(r, "methods", 0);
		return fr_reader_fail(r, FR_EINVAL, "a WebSocket has the one \"WEBSOCKET\"");
	}
	route->methods = FR_WEBSOCKET;
	return 0;
}

static int check_route(struct fr_reader *r, struct fr_manifest_route *route)
{
	size_t before = r->where_len, steps;
	int rc;

	if ((route->pattern != NULL) == (route->side_kind != 0)) {
		fr_reader_enter(r, "pattern", 0);
		return fr_reader_fail(r, FR_EINVAL,
		                      "either the pattern or the side is null, not both");
	}
	if (route->pattern) {
		rc = check_params(r, route);
		if (rc < 0)
			return rc;
		fr_reader_leave(r, before);
	}
	if (route->kind != FR_ROUTE_PLAN) {
		rc = fr_reader_need(r, "object", route->object != FR_NONE32);
		if (rc == 0 && route->kind == FR_ROUTE_WEBSOCKET)
			rc = check_websocket(r, route);
		if (rc < 0)
			return rc;
	}
	if ((route->kind == FR_ROUTE_ASGI) != (route->why != NULL)) {
		fr_reader_enter(r, "why", 0);
		return fr_reader_fail(r, FR_EINVAL,
		                      "a route of kind \"asgi\" says why, others have null");
	}
	steps = fr_reader_enter(r, "steps", 0);
	if ((route->kind == FR_ROUTE_PLAN) != (route->nsteps > 0))
		return fr_reader_fail(r, FR_EINVAL,
		                      "a route of kind \"plan\" has steps, others have none");
	if (route->nsteps > FR_MAX_STEPS)
		return fr_reader_fail(r, FR_ELIMIT, "%u steps; at most %u are possible",
		                      route->nsteps, FR_MAX_STEPS);
	for (uint32_t i = 0; i < route->nsteps; i++) {
		before = fr_reader_enter(r, NULL, i);
		rc = fr_reader_check_step(r, route, i);
		if (rc < 0)
			return rc;
		fr_reader_leave(r, before);
	}
	fr_reader_leave(r, steps);
	return 0;
}

/* Adds to what is wrong with a route which one that is.  It may not have been read to its end. */
static void name_culprit(struct fr_reader *r, const cJSON *item)
{
	const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "path"));
	const cJSON *line = cJSON_GetObjectItemCaseSensitive(item, "line");
	const struct fr_manifest_route route = {
		.path = path ? path : "",
		.endpoint =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "endpoint")),
		.file = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "file")),
		.line = cJSON_IsNumber(line) && line->valuedouble >= 0 ? (uint32_t)line->valueint
		                                                       : 0,
	};
	size_t used = r->diag ? strlen(r->diag->message) : 0;
	char name[512];

	if (!r->diag)
		return;
	fr_manifest_name_route(&route, name, sizeof name);
	snprintf(r->diag->message + used, sizeof r->diag->message - used, " (%s)", name);
}

static int read_route(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_route *route = out;
	int rc = fr_reader_object(r, item, route_fields, sizeof route_fields / sizeof *route_fields,
	                          1, route);

	if (rc == 0)
		rc = check_route(r, route);
	if (rc < 0)
		name_culprit(r, item);
	return rc;
}

/* ---- the whole ---- */

#define AT(member) offsetof(struct fr_manifest, member)

static const struct fr_reader_field app_fields[] = {
	{ "name", FR_T_STR, 1, 1, AT(app_name), 0, NULL, NULL },
	{ "redirect_slashes", FR_T_FLAG, 1, 1, AT(app_flags), FR_APP_REDIRECT_SLASHES, NULL, NULL },
	{ "wrapped", FR_T_FLAG, 1, 1, AT(app_flags), FR_APP_WRAPPED, NULL, NULL },
	{ "debug", FR_T_FLAG, 1, 1, AT(app_flags), FR_APP_DEBUG, NULL, NULL },
	{ "root_path", FR_T_STR, 1, 1, AT(root_path), 0, NULL, NULL },
	{ "middleware", FR_T_FN, 1, 1, AT(middleware), 0, NULL, fr_reader_strings },
	{ "handlers", FR_T_FN, 1, 1, AT(handlers), 0, NULL, fr_reader_strings },
	{ "last_handler", FR_T_OSTR, 1, 1, AT(last_handler), 0, NULL, NULL },
};

static int read_version(struct fr_reader *r, const cJSON *item, void *out)
{
	uint32_t version;
	int rc = fr_reader_number(r, item, UINT32_MAX, &version);

	(void)out;
	if (rc == 0 && version != FR_MANIFEST_VERSION)
		return fr_reader_fail(r, FR_EINVAL, "version %u is unknown; this program reads %d",
		                      version, FR_MANIFEST_VERSION);
	return rc;
}

static int read_app(struct fr_reader *r, const cJSON *item, void *out)
{
	(void)out;
	return fr_reader_object(r, item, app_fields, sizeof app_fields / sizeof *app_fields, 1,
	                        &r->doc->manifest);
}

static int read_routes(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest *m = &r->doc->manifest;

	(void)out;
	return fr_reader_list(r, item, sizeof *m->routes, read_route, &m->routes, &m->nroutes);
}

static const struct fr_reader_field top_fields[] = {
	{ "version", FR_T_FN, 1, 1, 0, 0, NULL, read_version },
	{ "app", FR_T_FN, 1, 1, 0, 0, NULL, read_app },
	{ "places", FR_T_U32, 1, 1, AT(nplaces), FR_MANIFEST_MAX_LIST, NULL, NULL },
	{ "objects", FR_T_FN, 1, 1, AT(objects), 0, NULL, fr_reader_strings },
	{ "routes", FR_T_FN, 1, 1, AT(routes), 0, NULL, read_routes },
};

int fr_manifest_read(const char *text, size_t len, size_t max_len, struct fr_manifest **ret,
                     struct fr_diag *diag)
{
	struct fr_reader r = { .diag = diag };
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
		return fr_reader_no_memory(&r);
	errno = 0; /* cJSON doesn't tell a short memory from bad text, malloc() does */
	r.doc->json = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	if (!r.doc->json && errno == ENOMEM) {
		rc = fr_reader_no_memory(&r);
		goto out;
	}
	if (!r.doc->json) {
		rc = fr_diag_set(diag, FR_EINVAL, "manifest", "not JSON, at byte %zu",
		                 end ? (size_t)(end - text) : 0);
		goto out;
	}
	while (end < text + len && strchr(" \t\r\n", *end))
		end++;
	if (end != text + len) {
		rc = fr_diag_set(diag, FR_EINVAL, "manifest",
		                 "more text after the object, at byte %zu", (size_t)(end - text));
		goto out;
	}
	rc = fr_reader_object(&r, r.doc->json, top_fields, sizeof top_fields / sizeof *top_fields,
	                      1, &r.doc->manifest);
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
	struct fr_document *doc = (struct fr_document *)manifest;
	struct fr_block *b, *next;

	if (!doc)
		return;
	for (b = doc->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	cJSON_Delete(doc->json);
	free(doc);
}

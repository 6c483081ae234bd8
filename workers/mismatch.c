#include "workers/mismatch.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shm/builder.h"

#define TEXT 160

/* Two images side by side: what the master compiled, and what this process would. */
struct pair {
	const struct fr_image *a, *b;
	struct fr_diag *diag;
	char route[TEXT * 2];
};

static int differ(struct pair *p, const char *field, const char *was, const char *is)
{
	return fr_diag_set(
		p->diag, FR_ECORRUPT, "application",
		"it is not the same in this worker as in the loader: %s: %s is %s, was %s; "
		"does it depend on the time, on randomness, on the process or on an "
		"unsorted set while it is imported?",
		p->route, field, is, was);
}

static bool same_text(const struct pair *p, struct fr_str a, struct fr_str b)
{
	return a.len == b.len && memcmp(fr_str_in(p->a, a), fr_str_in(p->b, b), a.len) == 0;
}

static int text(struct pair *p, const char *field, struct fr_str a, struct fr_str b)
{
	char was[TEXT], is[TEXT];

	if (same_text(p, a, b))
		return 0;
	snprintf(was, sizeof(was), "\"%.*s\"", (int)(a.len < 150 ? a.len : 150),
	         fr_str_in(p->a, a));
	snprintf(is, sizeof(is), "\"%.*s\"", (int)(b.len < 150 ? b.len : 150), fr_str_in(p->b, b));
	return differ(p, field, was, is);
}

static int number(struct pair *p, const char *field, uint64_t a, uint64_t b)
{
	char was[32], is[32];

	if (a == b)
		return 0;
	snprintf(was, sizeof(was), "%llu", (unsigned long long)a);
	snprintf(is, sizeof(is), "%llu", (unsigned long long)b);
	return differ(p, field, was, is);
}

static int steps(struct pair *p, const struct fr_route *ra, const struct fr_route *rb)
{
	const struct fr_step *a = FR_IMAGE_AT(p->a, ra->steps.off);
	const struct fr_step *b = FR_IMAGE_AT(p->b, rb->steps.off);
	char field[64];
	int rc = number(p, "number of steps", ra->steps.count, rb->steps.count);

	for (uint32_t i = 0; rc == 0 && i < ra->steps.count; i++) {
		snprintf(field, sizeof(field), "step %u's ", i);
		size_t n = strlen(field);
#define FIELD(kind, name)                                                                          \
	do {                                                                                       \
		if (rc == 0) {                                                                     \
			snprintf(field + n, sizeof(field) - n, "%s", #name);                       \
			rc = kind(p, field, a[i].name, b[i].name);                                 \
		}                                                                                  \
	} while (0)
		FIELD(text, name);
		FIELD(text, alias);
		FIELD(number, op);
		FIELD(number, in);
		FIELD(number, fast);
		FIELD(number, mode);
		FIELD(number, flags);
		FIELD(number, default_mode);
		FIELD(number, slot);
		FIELD(number, object);
		FIELD(number, object2);
		FIELD(number, object3);
		FIELD(number, object4);
#undef FIELD
	}
	return rc;
}

static int routes(struct pair *p)
{
	const struct fr_route *a = FR_IMAGE_AT(p->a, p->a->routes.off);
	const struct fr_route *b = FR_IMAGE_AT(p->b, p->b->routes.off);
	uint32_t n =
		p->a->routes.count < p->b->routes.count ? p->a->routes.count : p->b->routes.count;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		snprintf(p->route, sizeof(p->route), "route %u, %.*s", i,
		         (int)(a[i].path.len < 150 ? a[i].path.len : 150),
		         fr_str_in(p->a, a[i].path));
		if ((rc = text(p, "path", a[i].path, b[i].path)) == 0 &&
		    (rc = text(p, "endpoint", a[i].endpoint, b[i].endpoint)) == 0 &&
		    (rc = number(p, "methods", a[i].methods, b[i].methods)) == 0 &&
		    (rc = number(p, "status", a[i].status, b[i].status)) == 0 &&
		    (rc = text(p, "name", a[i].name, b[i].name)) == 0 &&
		    (rc = text(p, "reason to run through ASGI", a[i].why, b[i].why)) == 0)
			rc = steps(p, &a[i], &b[i]);
	}
	snprintf(p->route, sizeof(p->route), "the application");
	return rc ? rc : number(p, "number of routes", p->a->routes.count, p->b->routes.count);
}

static int texts(struct pair *p, const char *one, struct fr_vec va, struct fr_vec vb)
{
	const struct fr_str *a = FR_IMAGE_AT(p->a, va.off);
	const struct fr_str *b = FR_IMAGE_AT(p->b, vb.off);
	char field[48];
	int rc;

	snprintf(field, sizeof(field), "number of %ss", one);
	rc = number(p, field, va.count, vb.count);
	for (uint32_t i = 0; rc == 0 && i < va.count; i++) {
		snprintf(field, sizeof(field), "%s %u", one, i);
		rc = text(p, field, a[i], b[i]);
	}
	return rc;
}

/* What is around the routes. */
static int around(struct pair *p)
{
	const struct fr_image *a = p->a, *b = p->b;
	int rc = texts(p, "middleware layer", a->middleware, b->middleware);

	if (rc == 0)
		rc = texts(p, "exception handler", a->handlers, b->handlers);
	if (rc == 0)
		rc = text(p, "last exception handler", a->last_handler, b->last_handler);
	return rc;
}

int fr_mismatch_find(const struct fr_image *image, const char *manifest, size_t len,
                     struct fr_diag *diag)
{
	struct fr_image_buf own = { 0 };
	struct pair p = { .a = image, .diag = diag };
	uint8_t fingerprint[32];
	int rc;

	fr_image_fingerprint(manifest, len, fingerprint);
	if (memcmp(fingerprint, image->fingerprint, sizeof(fingerprint)) == 0)
		return 0;
	rc = fr_image_build(manifest, len, image->seed, &own, diag);
	if (rc < 0)
		return rc;
	p.b = own.image;
	rc = routes(&p);
	if (rc == 0)
		rc = around(&p);
	if (rc == 0)
		rc = texts(&p, "object", image->object_names, own.image->object_names);
	if (rc == 0) {
		snprintf(p.route, sizeof(p.route), "the manifest");
		rc = differ(&p, "its fingerprint", "another", "one");
	}
	fr_image_buf_fini(&own);
	return rc;
}

/*
 * The image verifier: what it passes can be used.
 *
 * The input damages a good image.  A byte says which one, another whether its
 * end is missing; then four bytes for each change: a word's number (two), what
 * becomes of it, and a value for that.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "shm/explain.h"
#include "shm/route.h"
#include "shm/verify.h"
#include "tests/fuzz/check.h"
#include "tests/unit/manifests.h"

#define GOOD 3

static struct fr_image_buf good[GOOD];
static FILE *nowhere;

/* Every kind of step; every kind of lookup; one route alone. */
static void build_good(void)
{
	static const struct manifest_route routes[] = {
		{ "/", { "GET" } },
		{ "/users", { "GET", "POST" } },
		{ "/users/me", { "GET" } },
		{ "/users/{id:int}", { "GET", "PURGE" } },
		{ "/users/{id}", { NULL } },
		{ "/users/{id:uuid}/files", { "GET" } },
		{ "/items/{price:float}/", { "GET" } },
		{ "/files/{name}.{ext}", { "GET" } },
		{ "/files/{rest:path}", { "GET", "HEAD" } },
		{ "/a/{x}/{y:int}/b", { "DELETE" } },
		{ "/a/{x}/{y}/c", { "DELETE" } },
	};
	char *texts[GOOD] = { strdup(manifest_full),
		              manifest_of(routes, sizeof routes / sizeof *routes, true),
		              manifest_of(routes + 3, 1, false) };
	struct fr_diag diag;

	for (int i = 0; i < GOOD; i++) {
		CHECK(texts[i] && !fr_image_build(texts[i], strlen(texts[i]), 1, &good[i], &diag));
		CHECK(!fr_image_verify(good[i].image, good[i].size, &diag));
		free(texts[i]);
	}
	CHECK((nowhere = fopen("/dev/null", "w")));
}

static int side_says_no(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	(void)arg;
	(void)side;
	(void)path;
	(void)len;
	return FR_MATCH_NONE;
}

static void use(const struct fr_image *img)
{
	static const char *const paths[] = {
		"/",
		"/users/5",
		"/users/me",
		"/files/a/b/c",
		"//",
		"/a",
		"/items/1.5/",
		"/nothing/here",
		"/a/b/7/b",
		"/users/5\n",
		"/users/",
		"/files/a.b",
		"/items/12",
		"/docs/x",
		"/users/00000000000000000000000000000000/files",
	};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct fr_span name = { "PURGE", 5 };
		struct fr_match match;
		size_t len = strlen(paths[i]), redirect;
		int add;

		CHECK(!fr_route_find(img, FR_GET, name, paths[i], len, side_says_no, NULL, &match));
		CHECK(match.kind == FR_MATCH_NONE || match.route < img->routes.count);
		for (uint32_t n = 0; n < match.nparams; n++)
			CHECK(match.params[n].p >= paths[i] &&
			      match.params[n].p + match.params[n].len <= paths[i] + len);
		CHECK(!fr_route_find(img, FR_OTHER, name, paths[i], len, NULL, NULL, &match));
		fr_route_redirect(img, paths[i], len, NULL, NULL, &redirect, &add);
		fr_explain(img, "GET", paths[i], nowhere);
		fr_explain(img, "WEBSOCKET", paths[i], nowhere);
	}
	fr_image_dump(img, nowhere);
}

static void damage(uint32_t *words, size_t n, const uint8_t *record)
{
	static const uint32_t special[] = {
		0, 1, 2, 8, 0x7fffffff, 0x80000000, FR_NONE32 - 1, FR_NONE32
	};
	uint32_t *w = &words[(record[0] | record[1] << 8) % n];
	unsigned value = record[3];

	switch (record[2] % 8) {
	case 0:
		*w = special[value % 8];
		break;
	case 1:
		*w += value;
		break;
	case 2:
		*w -= value;
		break;
	case 3: /* as elsewhere */
		*w = words[(value * 5u + record[2]) % n];
		break;
	case 4:
		*w = value * 8;
		break;
	case 5: /* the end, or near it */
		*w = (uint32_t)(n * 4) - value;
		break;
	default:
		*w ^= value << (record[2] >> 3) % 4 * 8;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fr_image_buf *from;
	struct fr_diag diag = { 0 };
	size_t len;
	void *copy;

	if (!good[0].image)
		build_good();
	if (size < 2)
		return 0;
	from = &good[data[0] % GOOD];
	len = from->size - (data[1] < 0xf0 ? 0 : (size_t)(data[1] - 0xef) * 8); /* cut off? */
	copy = malloc(len);
	CHECK(copy);
	memcpy(copy, from->image, len);
	for (data += 2, size -= 2; size >= 4; data += 4, size -= 4)
		damage(copy, len / 4, data);
	if (!fr_image_verify(copy, len, &diag))
		use(copy);
	else
		CHECK(diag.code && diag.message[0]);
	free(copy);
	return 0;
}

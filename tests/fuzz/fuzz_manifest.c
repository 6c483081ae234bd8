/*
 * The manifest reader and the image builder: any text; what is built
 * verifies, is the same each time, and can be looked up in and told of.
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

static int side_says_no(void *arg, const struct fr_side *side, const char *path, size_t len)
{
	(void)arg;
	(void)side;
	(void)path;
	(void)len;
	return FR_MATCH_NONE;
}

/* A path without parameters is found: by its own route, or one that was declared before. */
static void find_all(const struct fr_image *img, FILE *out)
{
	const struct fr_route *routes = FR_IMAGE_AT(img, img->routes.off);

	for (uint32_t i = 0; i < img->routes.count; i++) {
		const char *path = fr_str_in(img, routes[i].path);
		size_t len = routes[i].path.len, redirect;
		struct fr_span name = { "PURGE", 5 };
		struct fr_match match;
		int add;

		CHECK(!fr_route_find(img, FR_GET, name, path, len, side_says_no, NULL, &match));
		CHECK(match.kind == FR_MATCH_NONE || match.route < img->routes.count);
		CHECK(!fr_route_find(img, FR_OTHER, name, path, len, NULL, NULL, &match));
		if (fr_route_redirect(img, path, len, NULL, NULL, &redirect, &add))
			CHECK(redirect <= len + 1);
		if (i < 8) {
			fr_explain(img, i % 2 ? "GET" : "PURGE", path, out);
			fr_explain(img, "WEBSOCKET", path, out);
		}
	}
	fr_image_dump(img, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct fr_image_buf image, again;
	struct fr_diag diag = { 0 };

	if (!nowhere)
		CHECK((nowhere = fopen("/dev/null", "w")));
	if (fr_image_build((const char *)data, size, 7, &image, &diag)) {
		CHECK(diag.code && diag.message[0]);
		return 0;
	}
	CHECK(!fr_image_verify(image.image, image.size, &diag));
	CHECK(!fr_image_build((const char *)data, size, 7, &again, &diag));
	CHECK(image.size == again.size && !memcmp(image.image, again.image, image.size));
	find_all(image.image, nowhere);
	fr_image_buf_fini(&image);
	fr_image_buf_fini(&again);
	return 0;
}

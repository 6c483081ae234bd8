/* Lookups and images in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "shm/explain.h"
#include "tests/unit/manifests.h"

static struct fr_image_buf image;

static int build(void **state)
{
	(void)state;
	return fr_image_build(manifest_full, strlen(manifest_full), 1, &image, NULL);
}

static int drop(void **state)
{
	(void)state;
	fr_image_buf_fini(&image);
	return 0;
}

static char *explain(const char *method, const char *path, int want)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(fr_explain(image.image, method, path, out), want);
	fclose(out);
	return text;
}

#define assert_says(text, words)                                                                   \
	do {                                                                                       \
		if (!strstr(text, words))                                                          \
			fail_msg("\"%s\" is not in:\n%s", words, text);                            \
	} while (0)

static void test_match(void **state)
{
	char *text = explain("POST", "/items/7", 0);

	(void)state;
	assert_says(text, "POST /items/7: 2 probes, 0 side entries\n  item_id = \"7\"\nroute 0: ");
	assert_says(text, "answered by main.create at /app/main.py:12");
	assert_says(text, "reuse cache 0 if it is set, then go to step 3 -> slot 0");
	assert_says(text, "take path item_id, int in C, required");
	assert_says(text, "endpoint main.create(db=slot 0, item_id=slot 1, q=slot 2, item=slot 4), "
	                  "def, placement 1");
	assert_says(text, "respond with the response model, to JSON, validated");
	assert_says(text, "    1  what nothing below handles: main.on_error\n"
	                  "    2  middleware main.Timed\n"
	                  "    3  middleware main.Gzip\n"
	                  "    4  exception handlers, by status or nearest class: "
	                  "404: main.lost, main.Odd: main.on_odd\n"
	                  "    5  the body is read: JSON\n"
	                  "    6  dependency main.get_db, generator, as far as its yield\n"
	                  "    7  endpoint main.create, def\n"
	                  "    8  the response is sent\n"
	                  "    9  background tasks\n"
	                  "   10  the end of main.get_db\n");
	free(text);
	text = explain("GET", "/static/a", 1);
	assert_says(text, "  through ASGI: it is mounted\n");
	assert_says(text, "    5  the route, with all that it runs itself\n");
	free(text);
}

static void test_no_match(void **state)
{
	char *text = explain("GET", "/items/7", 1);

	(void)state;
	assert_says(text, "405 by\n  item_id = \"7\"\nroute 0");
	free(text);
	text = explain("GET", "/docs", 1);
	assert_says(text, "redirected to /docs/\n");
	free(text);
	text = explain("GET", "/nothing", 1);
	assert_says(text, "no route: 404\n");
	free(text);
	text = explain("GET", "/files/a.b", 1);
	assert_says(text, " probes, 1 side entries\nthe application itself is asked about:\n"
	                  "  route 2 /files/{name}.{ext}: a regular expression");
	assert_says(text, "route 2: GET /files/{name}.{ext}\n");
	assert_says(text, "    0  ");
	assert_says(text, "404, unless the application says otherwise");
	free(text);
	text = explain("GET", "/a\nb", 1);
	assert_says(text, "/a\\x0ab");
	free(text);
}

static void test_websocket(void **state)
{
	char *text = explain("WEBSOCKET", "/chat/1", 1);

	(void)state;
	assert_says(text, "WEBSOCKET /chat/1: the application itself is asked about:\n"
	                  "  route 5 /chat/{room}: ");
	assert_says(text, "route 5: WEBSOCKET /chat/{room}\n"
	                  "  answered by main.chat at /app/main.py:60\n"
	                  "  a WebSocket: the application's router finds it\n");
	assert_says(text, "the route, with all that it runs itself\n");
	assert_says(text, "no other route: 403, unless");
	free(text);
	text = explain("WEBSOCKET", "/static/1", 1); /* a mount may have some */
	assert_says(text, "  route 1 /static: ");
	free(text);
	text = explain("WEBSOCKET", "/", 1);
	assert_says(text, "WEBSOCKET /: no route: 403\n");
	free(text);
	text = explain("GET", "/chat/1", 1);
	assert_says(text, "0 side entries\nno route: 404\n");
	free(text);
}

static void test_dump(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	fr_image_dump(image.image, out);
	fclose(out);
	assert_says(text,
	            "app main:app, root path \"/api\", redirects slashes, 2 placement records");
	assert_says(text, "/ -> route 3\n");
	assert_says(text, "4 states, 2 edges in 4 buckets");
	assert_says(text, "rest goes to route 4");
	assert_says(text, "route 1 /static: a route that decides itself");
	assert_says(text, "1 WebSockets\n  route 5 /chat/{room}: a route that decides itself, "
	                  "paths beginning with \"/chat/\", object #13 ");
	assert_says(text, "6 routes, 18 steps");
	assert_says(text, "body JSON of at most 65536 bytes, status 201");
	assert_says(text, "#12 regex\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_no_match),
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests(tests, build, drop);
}

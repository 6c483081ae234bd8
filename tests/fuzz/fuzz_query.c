/*
 * Query strings, cookies, targets and hosts: every span lies within the text,
 * and decoding agrees with comparing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/cookies.h"
#include "http/query.h"
#include "http/uri.h"
#include "tests/fuzz/check.h"

static void within(struct fr_bytes part, struct fr_bytes all)
{
	CHECK(part.p >= all.p && part.p + part.len <= all.p + all.len);
}

static void check_decoding(struct fr_bytes raw)
{
	char *out = malloc(raw.len + 1);
	size_t n;

	CHECK(out);
	n = fr_query_decode(raw, out);
	CHECK(n <= raw.len);
	CHECK(fr_query_equals(raw, (struct fr_bytes){ out, n }));
	if (!fr_query_is_encoded(raw))
		CHECK(n == raw.len && (!n || !memcmp(out, raw.p, n)));
	n = fr_uri_decode(raw, out);
	CHECK(n <= raw.len);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	struct fr_bytes text = { copy, size };
	struct fr_query q;
	struct fr_query_pair pair;
	struct fr_cookies c;
	struct fr_cookie cookie;
	struct fr_target target;
	size_t total = 0;

	CHECK(copy);
	if (size)
		memcpy(copy, data, size);
	(void)fr_query_is_ascii(text);
	(void)fr_uri_host_valid(text);
	for (fr_query_init(&q, text); fr_query_next(&q, &pair);) {
		within(pair.name, text);
		within(pair.value, text);
		total += pair.name.len + pair.value.len;
		check_decoding(pair.name);
		check_decoding(pair.value);
	}
	CHECK(total <= size);
	for (fr_cookies_init(&c, text); fr_cookies_next(&c, &cookie);) {
		within(cookie.name, text);
		within(cookie.value, text);
		CHECK(cookie.name.len || cookie.value.len);
	}
	if (!fr_uri_split(text, false, &target))
		CHECK(target.path.len && target.path.p[0] == '/' && target.query.len < size);
	free(copy);
	return 0;
}

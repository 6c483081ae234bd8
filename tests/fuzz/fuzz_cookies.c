/*
 * The Cookie field: what is found are the pieces between semicolons, in
 * their order, without the white space around names and values.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/cookies.h"
#include "tests/fuzz/check.h"

/* What Python's str.strip() takes off, of Latin-1 text. */
static bool is_blank(char c)
{
	return c && strchr("\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0", c);
}

/* Nothing but white space was taken off the text from..to. */
static void check_trimmed(struct fr_bytes part, const char *from, const char *to)
{
	if (!part.len) {
		while (from < to)
			CHECK(is_blank(*from++));
		return;
	}
	CHECK(part.p >= from && part.p + part.len <= to);
	while (from < part.p)
		CHECK(is_blank(*from++));
	while (to > part.p + part.len)
		CHECK(is_blank(*--to));
	CHECK(!is_blank(part.p[0]) && !is_blank(part.p[part.len - 1]));
}

static void check_piece(struct fr_cookies *c, const char *from, const char *to)
{
	const char *eq = memchr(from, '=', (size_t)(to - from)), *p = from;
	struct fr_cookie cookie;
	struct fr_bytes *v = &cookie.value;

	while (p < to && (is_blank(*p) || p == eq))
		p++;
	if (p == to)
		return; /* neither a name nor a value: it is not reported */
	CHECK(fr_cookies_next(c, &cookie));
	check_trimmed(cookie.name, from, eq ? eq : from);
	check_trimmed(cookie.value, eq ? eq + 1 : from, to);
	CHECK(cookie.quoted == (v->len > 1 && v->p[0] == '"' && v->p[v->len - 1] == '"'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	const char *at = copy, *end = copy + size;
	struct fr_cookies c;
	struct fr_cookie none;

	CHECK(copy);
	if (size)
		memcpy(copy, data, size);
	fr_cookies_init(&c, (struct fr_bytes){ copy, size });
	while (at < end) {
		const char *semi = memchr(at, ';', (size_t)(end - at));

		check_piece(&c, at, semi ? semi : end);
		at = semi ? semi + 1 : end;
	}
	CHECK(!fr_cookies_next(&c, &none));
	free(copy);
	return 0;
}

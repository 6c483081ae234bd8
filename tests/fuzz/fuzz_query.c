/*
 * Targets, hosts and query strings: every span lies within the text, the
 * parts of a query are those between its separators, decoding is what it is
 * said to be, and agrees with comparing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/query.h"
#include "http/uri.h"
#include "tests/fuzz/check.h"

/* Decodes another way: by the C library. */
static size_t decode(struct fr_bytes raw, bool plus, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++) {
		char digits[3] = "";
		unsigned byte;
		int used = 0;

		if (raw.p[i] == '%' && raw.len - i >= 3)
			memcpy(digits, raw.p + i + 1, 2);
		if (strspn(digits, "0123456789abcdefABCDEF") == 2 &&
		    sscanf(digits, "%2x%n", &byte, &used) == 1 && used == 2) {
			out[n++] = (char)byte;
			i += 2;
		} else {
			out[n++] = (char)(plus && raw.p[i] == '+' ? ' ' : raw.p[i]);
		}
	}
	return n;
}

static void check_decoding(struct fr_bytes raw)
{
	char *out = malloc(raw.len + 1), *want = malloc(raw.len + 1);
	size_t n, m;

	CHECK(out && want);
	n = fr_query_decode(raw, out);
	m = decode(raw, true, want);
	CHECK(n == m && !memcmp(out, want, n));
	CHECK(fr_query_equals(raw, (struct fr_bytes){ out, n }));
	if (n) {
		CHECK(!fr_query_equals(raw, (struct fr_bytes){ out, n - 1 }));
		out[n / 2] ^= 1;
		CHECK(!fr_query_equals(raw, (struct fr_bytes){ out, n }));
	}
	if (!fr_query_is_encoded(raw))
		CHECK(n == raw.len && (!n || !memcmp(want, raw.p, n)));
	n = fr_uri_decode(raw, out);
	m = decode(raw, false, want);
	CHECK(n == m && !memcmp(out, want, n));
	/* In place, too. */
	if (raw.len)
		memcpy(out, raw.p, raw.len);
	CHECK(fr_uri_decode((struct fr_bytes){ out, raw.len }, out) == m && !memcmp(out, want, m));
	free(out);
	free(want);
}

static void check_query(struct fr_bytes text)
{
	const char *at = text.p, *end = text.p + text.len;
	struct fr_query_pair pair;
	struct fr_query q;

	fr_query_init(&q, text);
	while (at < end) {
		const char *stop = memchr(at, '&', (size_t)(end - at)), *eq;

		stop = stop ? stop : end;
		eq = memchr(at, '=', (size_t)(stop - at));
		if (at < stop) {
			CHECK(fr_query_next(&q, &pair));
			CHECK(pair.name.p == at && pair.name.p + pair.name.len == (eq ? eq : stop));
			CHECK(pair.value.len == (eq ? (size_t)(stop - eq) - 1 : 0));
			CHECK(!pair.value.len || pair.value.p == eq + 1);
			check_decoding(pair.name);
			check_decoding(pair.value);
		}
		at = stop + 1;
	}
	CHECK(!fr_query_next(&q, &pair));
}

static void check_target(struct fr_bytes text, bool options)
{
	struct fr_target t;

	if (fr_uri_split(text, options, &t))
		return;
	CHECK(t.path.len && t.query.len < text.len + 1);
	CHECK(!memchr(t.path.p, '?', t.path.len) && !memchr(text.p, '#', text.len));
	if (t.authority.p) {
		CHECK(t.authority.len && fr_uri_host_valid(t.authority));
		CHECK(!memchr(t.authority.p, '@', t.authority.len));
		CHECK(t.authority.p > text.p &&
		      t.authority.p + t.authority.len <= text.p + text.len);
	}
	if (t.path.p[0] != '/')
		CHECK(options && text.len == 1 && t.path.len == 1 && t.path.p[0] == '*');
	else
		check_decoding(t.path);
	if (t.query.len) {
		CHECK(t.query.p > text.p && t.query.p[-1] == '?');
		CHECK(t.query.p + t.query.len == text.p + text.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	struct fr_bytes text = { copy, size };
	bool ascii = true;

	CHECK(copy);
	if (size)
		memcpy(copy, data, size);
	for (size_t i = 0; i < size; i++)
		ascii = ascii && data[i] < 0x80;
	CHECK(fr_query_is_ascii(text) == ascii);
	if (fr_uri_host_valid(text))
		for (size_t i = 0; i < size; i++)
			CHECK(data[i] > ' ' && data[i] < 0x7f && !strchr("/?#@\\<>\"", data[i]));
	check_query(text);
	check_target(text, false);
	check_target(text, true);
	free(copy);
	return 0;
}

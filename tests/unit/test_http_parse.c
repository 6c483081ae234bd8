/* The request parser: every case whole, and split at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/parse.h"

#define LIMIT_HEADERS 10

static const struct fr_parse_limits limits = {
	.uri = 64,
	.header_bytes = 512,
	.headers = LIMIT_HEADERS,
	.chunk_extensions = 20,
	.trailer_bytes = 40,
};

struct job {
	struct fr_parser p;
	struct fr_field fields[LIMIT_HEADERS];
	char *data;
	size_t len;
};

static void job_init(struct job *j, const char *text, size_t len)
{
	fr_parser_init(&j->p, &limits, j->fields);
	/* Exactly as long as the text, so that a sanitizer sees every step too far. */
	j->data = malloc(len ? len : 1);
	assert_non_null(j->data);
	memcpy(j->data, text, len);
	j->len = len;
}

static void job_fini(struct job *j)
{
	fr_parser_fini(&j->p);
	free(j->data);
}

/* Bytes arrive step by step, and the buffer moves each time. */
static int parse_head(struct job *j, size_t step)
{
	size_t have = 0;
	int r = FR_PARSE_MORE;
	char *moved;

	fr_parser_begin(&j->p, j->data);
	while (r == FR_PARSE_MORE && have < j->len) {
		have = have + step < j->len ? have + step : j->len;
		r = fr_parse_head(&j->p, have);
		if (r == FR_PARSE_MORE) {
			moved = malloc(j->len);
			assert_non_null(moved);
			memcpy(moved, j->data, j->len);
			fr_parser_move(&j->p, moved);
			free(j->data);
			j->data = moved;
		}
	}
	return r;
}

static void expect_head(const char *text, size_t len, int want)
{
	for (size_t step = 1; step <= len; step = step < 4 ? step + 1 : len + (step == len)) {
		struct job j;
		int r;

		job_init(&j, text, len);
		r = parse_head(&j, step);
		if (r != want)
			fail_msg("step %zu: %d instead of %d (%s) for %s", step, r, want,
			         j.p.why ? j.p.why : "", text);
		if (r < 0)
			assert_non_null(j.p.why);
		job_fini(&j);
	}
}
#define HEAD(text, want) expect_head(text, sizeof(text) - 1, want)

static void test_accepted(void **state)
{
	(void)state;
	HEAD("GET / HTTP/1.1\r\nHost: a\r\n\r\n", FR_PARSE_DONE);
	HEAD("GET / HTTP/1.0\r\n\r\n", FR_PARSE_DONE);
	HEAD("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", FR_PARSE_DONE);
	HEAD("GET http://b:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n", FR_PARSE_DONE);
	HEAD("GET / HTTP/1.1\r\nHost: [::1]:80\r\nX:\r\nY: \t \r\nZ: caf\xe9\r\n\r\n",
	     FR_PARSE_DONE);
	HEAD("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t5 \t\r\n\r\n", FR_PARSE_DONE);
	/* However many there are, and however they come. */
	HEAD("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5"
	     " \t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t \t \r\nX: \ty\r\n\r\n",
	     FR_PARSE_DONE);
	HEAD("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", FR_PARSE_DONE);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\n", FR_PARSE_MORE);
	HEAD("G", FR_PARSE_MORE);
}

static void test_refused(void **state)
{
	(void)state;
	HEAD("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", -400);
	HEAD("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET /\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\nHost: a\n\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\n\n", -400);
	HEAD("GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET a HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET * HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nX[]: a\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", -400);
	HEAD("FOOBAR / HTTP/1.1\r\nHost: a\r\n\r\n", -501);
	HEAD("GET / HTTP/2.0\r\nHost: a\r\n\r\n", -505);
	HEAD("GET / HTTP/1.2\r\nHost: a\r\n\r\n", -505);
	HEAD("GET / HTTP/0.9\r\n\r\n", -505);
}

static void test_host(void **state)
{
	(void)state;
	HEAD("GET / HTTP/1.1\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", -400);
	HEAD("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a/?\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", -400);
	HEAD("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", FR_PARSE_DONE);
}

static void test_framing(void **state)
{
	(void)state;
#define POST(fields, want) HEAD("POST / HTTP/1.1\r\nHost: a\r\n" fields "\r\n", want)
	POST("Content-Length: 5\r\nContent-Length: 6\r\n", -400);
	POST("Content-Length: 5, 6\r\n", -400);
	POST("Content-Length: +5\r\n", -400);
	POST("Content-Length: 0x5\r\n", -400);
	POST("Content-Length: 5 5\r\n", -400);
	POST("Content-Length: 5\t5\r\n", -400);
	POST("Content-Length: \r\n", -400);
	POST("Content-Length: 9223372036854775808\r\n", -413);
	POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", -400);
	POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", -400);
	POST("Transfer-Encoding: gzip, chunked\r\n", -501);
	POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", -400);
	HEAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -400);
#undef POST
}

static void test_limits(void **state)
{
	char text[2048], *p = text;

	(void)state;
	p += sprintf(p, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", 63, 0);
	expect_head(text, (size_t)(p - text), FR_PARSE_DONE);
	p = text + sprintf(text, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", 64, 0);
	expect_head(text, (size_t)(p - text), -414);
	p = text + sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", 481, 0);
	assert_int_equal(p - text, 513);
	expect_head(text, (size_t)(p - text), -431);
	p = text + sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", 480, 0);
	expect_head(text, (size_t)(p - text), FR_PARSE_DONE);
	p = text + sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < LIMIT_HEADERS; i++)
		p += sprintf(p, "X: a\r\n");
	p += sprintf(p, "\r\n");
	expect_head(text, (size_t)(p - text), -431);
}

static void assert_span(struct fr_bytes b, const char *want)
{
	if (b.len != strlen(want) || memcmp(b.p, want, b.len))
		fail_msg("'%.*s' instead of '%s'", (int)b.len, b.p, want);
}

static void test_head(void **state)
{
	static const char text[] =
		"POST /a%2Fb%zz?c=%41&d HTTP/1.1\r\nHost: h:1\r\nX-Y:  v w \t\r\n"
		"EXPECT: 100-Continue\r\nConnection: te , Close\r\n"
		"Content-Length: 12\r\n\r\nrest";

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		struct job j;
		const struct fr_head *h = &j.p.head;

		job_init(&j, text, sizeof(text) - 1);
		assert_int_equal(parse_head(&j, step), FR_PARSE_DONE);
		assert_int_equal(j.p.head_len, sizeof(text) - 1 - 4);
		assert_span(h->method, "POST");
		assert_span(h->target, "/a%2Fb%zz?c=%41&d");
		assert_span(h->raw_path, "/a%2Fb%zz");
		assert_span(h->path, "/a/b%zz");
		assert_span(h->query, "c=%41&d");
		assert_int_equal(h->major, 1);
		assert_int_equal(h->minor, 1);
		assert_false(h->keep_alive);
		assert_true(h->has_body);
		assert_int_equal(h->content_length, 12);
		assert_true(j.p.expect_continue);
		assert_int_equal(h->nfields, 5);
		assert_span(h->fields[1].name, "x-y");
		assert_span(h->fields[1].value, "v w");
		job_fini(&j);
	}
}

static void test_keep_alive(void **state)
{
	static const struct {
		const char *text;
		bool keep;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct job j;

		job_init(&j, cases[i].text, strlen(cases[i].text));
		assert_int_equal(parse_head(&j, j.len), FR_PARSE_DONE);
		assert_int_equal(j.p.head.keep_alive, cases[i].keep);
		job_fini(&j);
	}
}

static void test_absolute(void **state)
{
	static const char text[] = "GET HTTP://b.c:80?q HTTP/1.1\r\nHost: a\r\n\r\n";
	struct job j;

	(void)state;
	job_init(&j, text, sizeof(text) - 1);
	assert_int_equal(parse_head(&j, 1), FR_PARSE_DONE);
	assert_span(j.p.head.path, "/");
	assert_span(j.p.head.query, "q");
	assert_span(j.p.head.fields[0].value, "b.c:80");
	job_fini(&j);
}

/* Parses the body in steps; the pieces, joined, go to out. */
static int parse_chunked(const char *body, size_t len, size_t step, char *out, size_t *ret_len,
                         size_t *ret_used)
{
	static const char head[] =
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct job j;
	size_t at = 0, n = 0;
	int r = FR_PARSE_MORE;

	job_init(&j, head, sizeof(head) - 1);
	assert_int_equal(parse_head(&j, j.len), FR_PARSE_DONE);
	assert_true(j.p.chunked);
	while (r >= 0 && r != FR_PARSE_DONE && at < len) {
		size_t end = at + step < len ? at + step : len;
		char *copy = malloc(end - at);
		size_t from = 0, used;
		struct fr_bytes piece;

		assert_non_null(copy);
		memcpy(copy, body + at, end - at);
		while (from < end - at) {
			used = 0;
			r = fr_parse_chunked(&j.p, copy + from, end - at - from, &used, &piece);
			if (r < 0)
				break;
			from += used;
			if (r == FR_PARSE_PIECE) {
				memcpy(out + n, piece.p, piece.len);
				n += piece.len;
			}
			if (r == FR_PARSE_DONE)
				break;
		}
		at += from;
		free(copy);
	}
	*ret_len = n;
	*ret_used = at;
	job_fini(&j);
	return r;
}

static void expect_chunked(const char *body, size_t len, int want, const char *data)
{
	for (size_t step = 1; step <= len; step++) {
		char out[512];
		size_t n, used;
		int r = parse_chunked(body, len, step, out, &n, &used);

		if (r != want)
			fail_msg("step %zu: %d instead of %d for %s", step, r, want, body);
		if (r == FR_PARSE_DONE) {
			assert_int_equal(n, strlen(data));
			assert_memory_equal(out, data, n);
			assert_int_equal(used, len);
		}
	}
}
#define CHUNKED(body, want, data) expect_chunked(body, sizeof(body) - 1, want, data)

static void test_chunked(void **state)
{
	(void)state;
	CHUNKED("5\r\nhello\r\n0\r\n\r\n", FR_PARSE_DONE, "hello");
	CHUNKED("0\r\n\r\n", FR_PARSE_DONE, "");
	CHUNKED("00A\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n", FR_PARSE_DONE, "0123456789x");
	CHUNKED("5;a=b;c=\"d;e\"\r\nhello\r\n0;x\r\n\r\n", FR_PARSE_DONE, "hello");
	CHUNKED("5\r\nhello\r\n0\r\nX-T: a\r\nY: b\r\n\r\n", FR_PARSE_DONE, "hello");
	CHUNKED("5\r\n;\r\n;\n\r\n0\r\n\r\n", FR_PARSE_DONE, ";\r\n;\n");
	CHUNKED("5\r\nhel", FR_PARSE_PIECE, "");
	CHUNKED("5\r\nhello\r\n0\r\n", FR_PARSE_MORE, "");
}

static void test_chunked_refused(void **state)
{
	(void)state;
	CHUNKED("zz\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED(";a\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("-5\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("0x5\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED(" 5\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("10000000000000005\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("00000000000000005\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("ffffffffffffffff\r\nhello\r\n0\r\n\r\n", -413, "");
	CHUNKED("3\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("5\r\nhello0\r\n\r\n", -400, "");
	CHUNKED("5\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("5\r\nhello\n0\r\n\r\n", -400, "");
	CHUNKED("5\rhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("5;\nxx\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("5;a\rb\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("5;a\0b\r\nhello\r\n0\r\n\r\n", -400, "");
	CHUNKED("5\r\nhello\r\n0\r\nxyz\r\n\r\n", -400, "");
	CHUNKED("5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", -400, "");
	CHUNKED("5;0123456789012345678901\r\nhello\r\n0\r\n\r\n", -413, "");
	CHUNKED("1;01234567890\r\na\r\n1;01234567890\r\na\r\n0\r\n\r\n", -413, "");
	CHUNKED("0\r\nX: 0123456789\r\nX: 0123456789\r\nX: 0123456789\r\n\r\n", -431, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_host),       cmocka_unit_test(test_framing),
		cmocka_unit_test(test_limits),     cmocka_unit_test(test_head),
		cmocka_unit_test(test_keep_alive), cmocka_unit_test(test_absolute),
		cmocka_unit_test(test_chunked),    cmocka_unit_test(test_chunked_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

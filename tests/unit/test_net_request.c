/* Requests on a connection, one after the other or pipelined, and how answers are framed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/net_world.h"

static void test_keep_alive(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY(GET), SOME(100), SAY(LAST), ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 2);
	assert_int_equal(count(w.client.out, "\r\nconnection: close\r\n"), 1);
	assert_int_equal(w.closed_ok, 2);
	assert_true(w.client.eof);
	world_fini(&w);
}

static void test_http_1_0(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), SOME(100),
	     SAY("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), ALL);
	assert_int_equal(count(w.client.out, "\r\nconnection: keep-alive\r\n"), 1);
	assert_int_equal(count(w.client.out, "\r\nconnection: close\r\n"), 1);
	assert_null(strstr(w.client.out, "chunked"));
	assert_true(w.client.eof);
	world_fini(&w);
}

static void test_pipelining(void **state)
{
	(void)state;
	PLAY(w, NULL,
	     SAY(GET "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
	             "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
	             "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	             "3\r\ntwo\r\n0\r\n\r\n" LAST),
	     ALL);
	const char *one = strstr(w.client.out, "\r\n\r\none"),
		   *later = strstr(w.client.out, "\r\n\r\nlater");
	const char *two = strstr(w.client.out, "\r\n\r\ntwo");

	assert_true(one && later && two && one < later && later < two);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 5);
	assert_int_equal(w.most_in_flight, 1);
	assert_int_equal(w.closed_ok, 5);
	world_fini(&w);
}

static void test_many_pipelined(void **state)
{
	struct fr_net_limits limits;

	(void)state;
	fr_net_limits_init(&limits);
	limits.pipeline = 3;
	PLAY(w, &limits, { SEND_MANY, GET GET GET GET GET GET GET GET GET GET, 100 }, SAY(LAST),
	     ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 1001);
	assert_int_equal(w.closed_ok, 1001);
	world_fini(&w);
}

/* Answers are collected: whoever has to know that they are out is told so. */
static void test_flush(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY(GET GET LAST), ALL);
	assert_int_equal(w.closed_ok, 3);
	assert_int_equal(w.sent_when_closed, 0);
	assert_int_equal(w.sent_when_flushed, w.client.len);
	world_fini(&w);
}

/* A limit of nothing is a limit. */
static void test_zero_limits(void **state)
{
	struct fr_net_limits limits;

	(void)state;
	fr_net_limits_init(&limits);
	limits.body = limits.chunk_extensions = limits.trailer_bytes = 0;
	PLAY(sized, &limits, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
	     ALL);
	assert_has(&sized, "HTTP/1.1 413 ");
	world_fini(&sized);
	PLAY(empty, &limits,
	     SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
	         "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	     SAY(LAST), ALL);
	assert_int_equal(count(empty.client.out, "HTTP/1.1 200 OK\r\n"), 3);
	world_fini(&empty);
	limits.body = 10;
	PLAY(extension, &limits,
	     SAY("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "1;a\r\nx\r\n0\r\n\r\n"),
	     ALL);
	assert_has(&extension, "HTTP/1.1 413 ");
	world_fini(&extension);
	PLAY(trailer, &limits,
	     SAY("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "1\r\nx\r\n0\r\na: b\r\n\r\n"),
	     ALL);
	assert_has(&trailer, "HTTP/1.1 431 ");
	world_fini(&trailer);
	PLAY(plain, &limits,
	     SAY("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "1\r\nx\r\n0\r\n\r\n"),
	     SAY(LAST), ALL);
	assert_int_equal(count(plain.client.out, "HTTP/1.1 200 OK\r\n"), 2);
	world_fini(&plain);
}

static void test_good_then_bad(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY(GET "GET / HTTP/1.1\r\n\r\n" GET), ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 1);
	assert_int_equal(count(w.client.out, "HTTP/1.1 400 Bad Request\r\n"), 1);
	assert_int_equal(w.heads, 1);
	assert_true(w.client.eof);
	world_fini(&w);
}

/* RFC 9110, 9.3.2: the answer to HEAD has no content, whoever gives it. */
static void test_refused_head(void **state)
{
	static const char *const requests[] = {
		"HEAD / HTTP/1.1\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n",
		"HEAD /limit HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		PLAY(w, NULL, { SEND, requests[i], strlen(requests[i]) }, ALL);
		assert_has(&w, "HTTP/1.1 4");
		assert_has(&w, "content-length: ");
		assert_string_equal(strstr(w.client.out, "\r\n\r\n"), "\r\n\r\n");
		assert_true(w.client.eof);
		world_fini(&w);
	}
}

/* An answer that is done is not lost with the next one, which is given up. */
static void test_good_then_aborted(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY(GET GET "GET /abort HTTP/1.1\r\nHost: a\r\n\r\n" GET), ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 2);
	assert_true(w.client.eof);
	assert_int_equal(w.closed_ok, 2);
	world_fini(&w);
}

/* A request split anywhere, or spelt byte by byte, is answered as when it comes whole. */
static void without_dates(char *text)
{
	char *date;

	while ((date = strstr(text, "\r\ndate: ")))
		memmove(date, strstr(date + 2, "\r\n"), strlen(strstr(date + 2, "\r\n")) + 1);
}

#define MIXED                                                                                      \
	"\r\nPOST /echo?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"                 \
	"POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"                   \
	"3;x\r\nabc\r\n0\r\nT: u\r\n\r\n" LAST

static void test_split(void **state)
{
	static const char mixed[] = MIXED;
	char *want;

	(void)state;
	PLAY(whole, NULL, SAY(MIXED), ALL);
	without_dates(whole.client.out);
	want = strdup(whole.client.out);
	assert_int_equal(whole.closed_ok, 3);
	assert_int_equal(count(want, "HTTP/1.1 200 OK\r\n"), 3);
	world_fini(&whole);
	for (size_t at = 1; at < sizeof(mixed) - 1; at++) {
		PLAY(w, NULL, { SEND, mixed, at }, WAIT(2),
		     { SEND, mixed + at, sizeof(mixed) - 1 - at }, ALL);
		without_dates(w.client.out);
		/* Chunks of the streamed answer follow those of the network. */
		if (strcmp(w.client.out, want) && !strstr(w.client.out, "\r\n1\r\n"))
			fail_msg("split at %zu: '%s'", at, w.client.out);
		assert_int_equal(w.closed_ok, 3);
		world_fini(&w);
	}
	PLAY(spelt, NULL, SPELL(MIXED), ALL);
	assert_int_equal(count(spelt.client.out, "HTTP/1.1 200 OK\r\n"), 3);
	assert_int_equal(spelt.closed_ok, 3);
	assert_has(&spelt, "\r\n\r\nhello");
	world_fini(&spelt);
	free(want);
}

static void test_continue(void **state)
{
	(void)state;
	PLAY(w, NULL,
	     SAY("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
	         "5\r\n\r\n"),
	     SOME(25), SAY("hello" LAST), ALL);
	assert_int_equal(
		strncmp(w.client.out, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", 42), 0);
	assert_has(&w, "\r\n\r\nhello");
	world_fini(&w);
}

static void test_no_continue(void **state)
{
	(void)state;
	/* An answer that didn't want the body: never 100 after it began, and the end. */
	PLAY(w, NULL,
	     SAY("POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
	         "5\r\n\r\n"),
	     ALL);
	assert_null(strstr(w.client.out, "100 Continue"));
	assert_has(&w, "HTTP/1.1 403 Forbidden\r\n");
	assert_has(&w, "connection: close\r\n");
	world_fini(&w);
}

static void test_early_answer(void **state)
{
	(void)state;
	/* The short rest of a body is read and forgotten; the connection goes on. */
	PLAY(w, NULL,
	     SAY("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET /smuggled"),
	     SOME(50), SAY(" HTTP/1.1\r\n\r\n1234" LAST), ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 403"), 1);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200"), 1);
	assert_int_equal(w.heads, 2);
	world_fini(&w);
}

static void test_too_large(void **state)
{
	static char big[300000];

	(void)state;
	memset(big, 'x', sizeof(big));
	PLAY(w, NULL, SAY("POST /limit HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"),
	     { SEND, big, sizeof(big) }, ALL);
	assert_has(&w, "HTTP/1.1 413 Request Entity Too Large\r\n");
	assert_true(w.client.eof);
	assert_int_equal(w.requests, 0);
	assert_int_equal(w.closed_bad, 1);
	world_fini(&w);
	PLAY(v, NULL,
	     SAY("POST /limit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n"),
	     ALL);
	assert_has(&v, "HTTP/1.1 413");
	assert_int_equal(v.requests, 0);
	world_fini(&v);
}

static void test_large_body(void **state)
{
	static char big[300000];

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)('a' + i % 23);
	PLAY(w, NULL, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"),
	     { SEND, big, sizeof(big) }, SAY(LAST), ALL);
	char *body = strstr(w.client.out, "\r\n\r\n");

	assert_non_null(body);
	assert_memory_equal(body + 4, big, sizeof(big));
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 2);
	world_fini(&w);
}

static void test_framing_of_answers(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY("GET /close-delimited HTTP/1.1\r\nHost: a\r\n\r\n"), ALL);
	assert_has(&w, "connection: close\r\n");
	assert_string_equal(w.client.out + w.client.len - 7, "\r\n\r\nabc");
	assert_int_equal(w.closed_ok, 1);
	world_fini(&w);
	PLAY(cut, NULL, SAY("GET /short HTTP/1.1\r\nHost: a\r\n\r\n" GET), ALL);
	assert_int_equal(count(cut.client.out, "HTTP/1.1"), 1);
	assert_int_equal(cut.closed_bad, 1);
	world_fini(&cut);
	PLAY(over, NULL, SAY("GET /long HTTP/1.1\r\nHost: a\r\n\r\n" LAST), ALL);
	assert_has(&over, "\r\n\r\n0123456789HTTP/1.1 200 OK\r\n");
	world_fini(&over);
	PLAY(head, NULL,
	     SAY("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" LAST),
	     ALL);
	assert_has(&head,
	           "content-length: 2\r\ncontent-type: text/plain\r\n\r\nHTTP/1.1 200 OK\r\n");
	assert_has(&head, "transfer-encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n");
	world_fini(&head);
	PLAY(bad, NULL, SAY("GET /inject HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), ALL);
	assert_has(&bad, "HTTP/1.1 500 Internal Server Error\r\n");
	assert_null(strstr(bad.client.out, "injected"));
	world_fini(&bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_http_1_0),
		cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_many_pipelined),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_zero_limits),
		cmocka_unit_test(test_refused_head),
		cmocka_unit_test(test_good_then_bad),
		cmocka_unit_test(test_good_then_aborted),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_continue),
		cmocka_unit_test(test_no_continue),
		cmocka_unit_test(test_early_answer),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_large_body),
		cmocka_unit_test(test_framing_of_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

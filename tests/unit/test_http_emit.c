#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/emit.h"

#define FIELD(name, value)                                                                         \
	{                                                                                          \
		{ name, sizeof(name) - 1 },                                                        \
		{                                                                                  \
			value, sizeof(value) - 1                                                   \
		}                                                                                  \
	}

/* Emits into exactly as much room as was promised to suffice. */
static void assert_emits(const struct fr_emit *e, const char *want)
{
	char *room = malloc(fr_emit_bound(e)), *end;

	assert_non_null(room);
	end = fr_emit_head(e, room);
	if ((size_t)(end - room) != strlen(want) || memcmp(room, want, strlen(want)))
		fail_msg("'%.*s' instead of '%s'", (int)(end - room), room, want);
	free(room);
}

static void test_head(void **state)
{
	static const struct fr_field fields[] = { FIELD("X-A", "b"), FIELD("connection", "close"),
		                                  FIELD("Transfer-Encoding", "chunked"),
		                                  FIELD("set-cookie", "a=1") };
	struct fr_emit_date date = { 0 };
	struct fr_emit e = { .status = 200,
		             .date = &date,
		             .content_length = 12,
		             .content_type = { "application/json", 16 } };

	(void)state;
	fr_emit_date_set(&date, 1763763840);
	assert_emits(&e, "HTTP/1.1 200 OK\r\ndate: Fri, 21 Nov 2025 22:24:00 GMT\r\n"
	                 "server: fastrapid\r\ncontent-length: 12\r\n"
	                 "content-type: application/json\r\n\r\n");
	e = (struct fr_emit){ .status = 404,
		              .date = &date,
		              .own_server = true,
		              .content_length = -1,
		              .fields = fields,
		              .nfields = 4,
		              .chunked = true,
		              .connection = "close" };
	assert_emits(&e, "HTTP/1.1 404 Not Found\r\ndate: Fri, 21 Nov 2025 22:24:00 GMT\r\n"
	                 "X-A: b\r\nset-cookie: a=1\r\ntransfer-encoding: chunked\r\n"
	                 "connection: close\r\n\r\n");
	e = (struct fr_emit){
		.status = 299, .date = &date, .own_date = true, .content_length = -1
	};
	assert_emits(&e, "HTTP/1.1 299 \r\nserver: fastrapid\r\n\r\n");
}

/* RFC 9110 8.6: 204 has no content-length, whoever gives one. */
static void test_no_content(void **state)
{
	static const struct fr_field fields[] = { FIELD("Content-Length", "5"), FIELD("x", "y") };
	struct fr_emit_date date = { 0 };
	struct fr_emit e = { .status = 204,
		             .date = &date,
		             .own_date = true,
		             .own_server = true,
		             .content_length = -1,
		             .fields = fields,
		             .nfields = 2 };

	(void)state;
	assert_emits(&e, "HTTP/1.1 204 No Content\r\nx: y\r\n\r\n");
	e.status = 304;
	assert_emits(&e, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nx: y\r\n\r\n");
}

static void test_date_changes(void **state)
{
	struct fr_emit_date date = { 0 };

	(void)state;
	fr_emit_date_set(&date, 0);
	assert_memory_equal(date.text, "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", date.len);
	fr_emit_date_set(&date, 1);
	assert_memory_equal(date.text, "date: Thu, 01 Jan 1970 00:00:01 GMT\r\n", date.len);
	assert_true(date.both < sizeof(date.text));
}

static void test_check(void **state)
{
	static const struct fr_field good[] = { FIELD("Content-Length", "5"), FIELD("Date", "x"),
		                                FIELD("X", "caf\xe9\t"),
		                                FIELD("Connection", "Close") };
	static const struct fr_field bad[] = {
		FIELD("", "a"),
		FIELD("a b", "c"),
		FIELD("a:", "c"),
		FIELD("a\r\nb", "c"),
		FIELD("a", "b\r\nc: d"),
		FIELD("a", "b\nc"),
		FIELD("a", "b\rc"),
		FIELD("a", "b\0c"),
		FIELD("caf\xe9", "a"),
		FIELD("content-length", ""),
		FIELD("content-length", "5a"),
		FIELD("content-length", "-5"),
		FIELD("transfer-encoding", "gzip"),
	};
	static const struct fr_field twice[] = { FIELD("content-length", "5"),
		                                 FIELD("Content-Length", "6") };
	static const struct fr_field both[] = { FIELD("content-length", "5"),
		                                FIELD("transfer-encoding", "chunked") };
	struct fr_emit_facts facts;

	(void)state;
	assert_int_equal(fr_emit_check(good, 4, &facts), 0);
	assert_int_equal(facts.content_length, 5);
	assert_true(facts.own_date);
	assert_false(facts.own_server);
	assert_true(facts.close);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (fr_emit_check(&bad[i], 1, &facts) != FR_EINVAL)
			fail_msg("field %zu was accepted", i);
	assert_int_equal(fr_emit_check(twice, 2, &facts), FR_EINVAL);
	assert_int_equal(fr_emit_check(both, 2, &facts), FR_EINVAL);
}

static void test_numbers(void **state)
{
	char room[20];

	(void)state;
	assert_int_equal(fr_emit_number(room, 0) - room, 1);
	assert_memory_equal(room, "0", 1);
	assert_int_equal(fr_emit_number(room, UINT64_MAX) - room, 20);
	assert_memory_equal(room, "18446744073709551615", 20);
	assert_int_equal(fr_emit_chunk_size(room, 0x1a0) - room, 5);
	assert_memory_equal(room, "1a0\r\n", 5);
	assert_int_equal(fr_emit_chunk_size(room, SIZE_MAX) - room, 18);
	assert_memory_equal(room, "ffffffffffffffff\r\n", 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),         cmocka_unit_test(test_no_content),
		cmocka_unit_test(test_date_changes), cmocka_unit_test(test_check),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

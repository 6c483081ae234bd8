/* What of WebSockets is a matter of bytes: SHA-1, the handshake, close codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/sha1.h"
#include "http/ws.h"

static void expect_sha1(const char *data, size_t len, const char *hex)
{
	uint8_t digest[FR_SHA1_BYTES];
	char text[2 * FR_SHA1_BYTES + 1];

	fr_sha1(data, len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, hex);
}

static void test_sha1(void **state)
{
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	static char million[1000000];

	(void)state;
	expect_sha1("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	expect_sha1("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
	expect_sha1(two_blocks, 56, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	memset(million, 'a', sizeof(million));
	expect_sha1(million, sizeof(million), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	/* Where the padding needs another block, and where it just does not. */
	expect_sha1(million, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
	expect_sha1(million, 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
	expect_sha1(million, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

#define B(s)                                                                                       \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

/* A valid handshake, of which a test changes one thing. */
struct asked {
	struct fr_field fields[5];
	struct fr_head head;
};

static void ask(struct asked *a)
{
	static const struct fr_field fields[] = {
		{ B("host"), B("x") },
		{ B("upgrade"), B("h2c, WebSocket") },
		{ B("connection"), B("keep-alive ,\tUpgrade") },
		{ B("sec-websocket-key"), B("dGhlIHNhbXBsZSBub25jZQ==") },
		{ B("sec-websocket-version"), B("13") },
	};

	memcpy(a->fields, fields, sizeof(fields));
	a->head = (struct fr_head){
		.method = B("GET"),
		.major = 1,
		.minor = 1,
		.content_length = -1,
		.fields = a->fields,
		.nfields = 5,
	};
}

static int judged(const struct asked *a)
{
	const char *why = NULL;
	int status = fr_ws_handshake(&a->head, &why);

	if (status >= 400)
		assert_true(why && *why);
	return status;
}

static void test_handshake(void **state)
{
	char accept[FR_WS_ACCEPT_BYTES + 1];
	struct asked a;

	(void)state;
	ask(&a);
	assert_int_equal(judged(&a), 101);
	fr_ws_accept(&a.head, accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

	a.fields[1].value = (struct fr_bytes)B("websockets");
	assert_int_equal(judged(&a), 0);
	ask(&a);
	a.fields[2].value = (struct fr_bytes)B("keep-alive");
	assert_int_equal(judged(&a), 0);
	ask(&a);
	a.head.minor = 0;
	assert_int_equal(judged(&a), 0);
	ask(&a);
	a.head.method = (struct fr_bytes)B("POST");
	assert_int_equal(judged(&a), 400);
	ask(&a);
	a.head.has_body = true;
	assert_int_equal(judged(&a), 400);
	ask(&a);
	a.fields[4].value = (struct fr_bytes)B("8");
	assert_int_equal(judged(&a), 426);
	ask(&a);
	a.head.nfields = 4;
	assert_int_equal(judged(&a), 426);
	a.head.nfields = 3;
	assert_int_equal(judged(&a), 400);
}

static void test_keys(void **state)
{
	static const struct fr_bytes bad[] = {
		B(""),
		B("c2hvcnQ="),
		B("dGhlIHNhbXBsZSBub25jZQ"),
		B("dGhlIHNhbXBsZSBub25jZQ=!"),
		B("dGhlIHNhbXBsZSBub25jZQA="), /* 17 bytes */
		B("!!!!!!!!!!!!!!!!!!!!!!=="),
		B("dGhlIHNhbXBsZSBub25jZQ==="),
	};
	struct asked a;

	(void)state;
	ask(&a);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a.fields[3].value = bad[i];
		assert_int_equal(judged(&a), 400);
	}
	/* Two of them, though each is valid. */
	ask(&a);
	a.fields[0] = a.fields[3];
	assert_int_equal(judged(&a), 400);
}

static void test_codes(void **state)
{
	static const unsigned good[] = { 1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999 };
	static const unsigned bad[] = { 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(fr_ws_code_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(fr_ws_code_valid(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha1),
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

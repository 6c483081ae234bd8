/* In whose turn a worker is: written as numbers, told as text, whatever the memory holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/traffic.h"

static void a_peer_is_told_by_address_and_port(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(65535) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	struct sockaddr path = { .sa_family = AF_UNSPEC };
	struct fr_traffic t = { 0 };
	char text[FR_TRAFFIC_PEER];

	(void)state;
	inet_pton(AF_INET, "255.1.2.254", &v4.sin_addr);
	inet_pton(AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666", &v6.sin6_addr);
	fr_traffic_turn(&t, (struct sockaddr *)&v4);
	assert_true(fr_traffic_peer(&t, text));
	assert_string_equal(text, "255.1.2.254:65535");
	fr_traffic_turn(&t, (struct sockaddr *)&v6);
	assert_true(fr_traffic_peer(&t, text));
	assert_string_equal(text, "[2001:db8:1111:2222:3333:4444:5555:6666]:80");
	fr_traffic_turn(&t, &path);
	assert_true(fr_traffic_peer(&t, text));
	assert_string_equal(text, "a Unix socket");
}

static void between_turns_there_is_nobody(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(1) };
	struct fr_traffic t = { 0 };
	char text[FR_TRAFFIC_PEER];

	(void)state;
	assert_false(fr_traffic_peer(&t, text));
	fr_traffic_turn(&t, (struct sockaddr *)&v4);
	fr_traffic_turn(&t, NULL);
	assert_false(fr_traffic_peer(&t, text));
}

/* The memory is a worker's, which may have written anything there. */
static void any_bytes_are_read(void **state)
{
	struct fr_traffic t;
	char text[FR_TRAFFIC_PEER];

	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		memset(&t, (int)byte, sizeof t);
		assert_false(fr_traffic_peer(&t, text));
	}
	t.turn = UINT64_C(3) << 48 | UINT64_C(0xffffffffffff);
	assert_true(fr_traffic_peer(&t, text));
	assert_string_equal(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_is_told_by_address_and_port),
		cmocka_unit_test(between_turns_there_is_nobody),
		cmocka_unit_test(any_bytes_are_read),
	};

	return cmocka_run_group_tests_name("traffic", tests, NULL, NULL);
}

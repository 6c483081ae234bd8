/* Listening sockets: addresses, sharing between generations, socket files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/listeners.h"

static char folder[64];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/fr_listeners_XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder); /* nothing may be left in it */
}

static void test_check(void **state)
{
	static const char *const good[] = { "127.0.0.1:0", "host:65535", "[::1]:80", "unix:/a" };
	static const char *const bad[] = { "80",   ":80",    "a:",    "a:65536",
		                           "a:8x", "::1:80", "[::1]", "unix:" };
	char expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(fr_listen_check(good[i], expected, sizeof expected), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		expected[0] = 0;
		assert_int_equal(fr_listen_check(bad[i], expected, sizeof expected), FR_EINVAL);
		assert_non_null(strstr(expected, "unix:PATH"));
	}
}

static void test_same(void **state)
{
	static const struct {
		const char *a, *b;
		int same;
	} cases[] = {
		{ "127.0.0.1:80", "127.0.0.1:80", 1 },
		{ "127.0.0.1:80", "127.0.0.1:080", 1 },
		{ "127.0.0.1:80", "127.0.0.1:81", 0 },
		{ "127.0.0.1:80", "127.0.0.2:80", 0 },
		{ "0.0.0.0:80", "127.0.0.1:80", 1 },
		{ "[::]:80", "127.0.0.1:80", 0 },
		{ "[::]:80", "[::1]:80", 1 },
		{ "[::1]:80", "[0:0::1]:80", 1 },
		{ "localhost:80", "127.0.0.1:80", 1 },
		{ "localhost:80", "[::1]:80", 1 },
		{ "Example.org:80", "example.org:80", 1 },
		{ "a.example:80", "b.example:80", 0 },
		{ "127.0.0.1:0", "127.0.0.1:0", 0 },
		{ "unix:/tmp/a", "unix:/tmp/a", 1 },
		{ "unix:/tmp/a", "unix:/tmp//./a", 1 },
		{ "unix:/tmp/a", "unix:/tmp/b", 0 },
		{ "unix:/no/where", "unix:/no/where", 1 },
		{ "unix:/tmp/a", "127.0.0.1:80", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (fr_listen_same(cases[i].a, cases[i].b) != cases[i].same ||
		    fr_listen_same(cases[i].b, cases[i].a) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
}

static int reach(const struct fr_listener *listener)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	int fd, rc;

	assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&ss, &len), 0);
	fd = socket(ss.ss_family, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	rc = connect(fd, (struct sockaddr *)&ss, len);
	close(fd);
	return rc;
}

static void test_opens_and_shares(void **state)
{
	char path[128], address[128], again[128];
	struct fr_config config = { .listen = { (char *)(uintptr_t) "127.0.0.1:0", path },
		                    .nlisten = 2 };
	struct fr_listeners first, second;
	struct fr_diag diag;

	(void)state;
	snprintf(path, sizeof path, "unix:%s/s", folder);
	assert_int_equal(fr_listeners_open(&config, NULL, &first, &diag), 0);
	assert_int_equal(first.count, 2);
	fr_listener_address(&first.list[0], address, sizeof address);
	assert_null(strstr(address, ":0"));
	fr_listener_address(&first.list[1], again, sizeof again);
	assert_string_equal(again, path);
	assert_int_equal(reach(&first.list[0]), 0);
	assert_int_equal(reach(&first.list[1]), 0);
	/* The next generation's are descriptors of the same sockets. */
	assert_int_equal(fr_listeners_open(&config, &first, &second, &diag), 0);
	assert_int_not_equal(second.list[0].fd, first.list[0].fd);
	fr_listener_address(&second.list[0], again, sizeof again);
	assert_string_equal(again, address);
	fr_listeners_close(&first, &second);
	assert_int_equal(reach(&second.list[0]), 0);
	assert_int_equal(reach(&second.list[1]), 0);
	fr_listeners_close(&second, NULL);
	assert_int_equal(access(path + 5, F_OK), -1);
}

/* All or none. */
static void test_in_use(void **state)
{
	char taken[128], path[128];
	struct fr_config config = { .listen = { (char *)(uintptr_t) "127.0.0.1:0" }, .nlisten = 1 };
	struct fr_listeners first, second = { 0 };
	struct fr_diag diag;

	(void)state;
	assert_int_equal(fr_listeners_open(&config, NULL, &first, &diag), 0);
	fr_listener_address(&first.list[0], taken, sizeof taken);
	snprintf(path, sizeof path, "unix:%s/s", folder);
	config.listen[0] = path;
	config.listen[1] = taken;
	config.nlisten = 2;
	assert_int_equal(fr_listeners_open(&config, NULL, &second, &diag), FR_EIO);
	assert_string_equal(diag.where, taken);
	assert_non_null(strstr(diag.message, "Address already in use"));
	assert_int_equal(second.count, 0);
	assert_int_equal(access(path + 5, F_OK), -1);
	fr_listeners_close(&first, NULL);
}

static void test_socket_files(void **state)
{
	struct fr_diag diag;
	struct stat st;
	char path[128];
	struct fr_listener one, other;
	int plain;

	(void)state;
	snprintf(path, sizeof path, "%s/s", folder);
	assert_int_equal(fr_unix_open(path, 0600, path, &one, &diag), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fr_unix_open(path, 0600, path, &other, &diag), FR_EIO);
	assert_non_null(strstr(diag.message, "another server listens here already"));
	close(one.fd); /* its file is stale now */
	assert_int_equal(fr_unix_open(path, 0640, path, &one, &diag), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	close(one.fd);
	unlink(path);
	plain = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(plain >= 0);
	assert_int_equal(fr_unix_open(path, 0600, path, &one, &diag), FR_EIO);
	assert_non_null(strstr(diag.message, "found a file that is no socket"));
	assert_int_equal(access(path, F_OK), 0);
	close(plain);
	unlink(path);
}

/* A file that another server has put in place of ours stays. */
static void test_only_our_own_file_is_removed(void **state)
{
	struct fr_config config = { .nlisten = 1 };
	struct fr_listeners listeners = { 0 };
	struct fr_listener other;
	struct fr_diag diag;
	char name[140];

	(void)state;
	snprintf(name, sizeof name, "unix:%s/s", folder);
	config.listen[0] = name;
	assert_int_equal(fr_listeners_open(&config, NULL, &listeners, &diag), 0);
	assert_int_equal(unlink(name + 5), 0);
	assert_int_equal(fr_unix_open(name + 5, 0600, name, &other, &diag), 0);
	fr_listeners_close(&listeners, NULL);
	assert_int_equal(access(name + 5, F_OK), 0);
	fr_unix_remove(name + 5, other.dev, other.ino);
	assert_int_equal(access(name + 5, F_OK), -1);
	close(other.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_only_our_own_file_is_removed),
		cmocka_unit_test(test_opens_and_shares),
		cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_socket_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

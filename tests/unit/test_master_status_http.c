/* The status over HTTP: what it answers, what it refuses, and where it is opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "master/status_private.h"
#include "tests/unit/status_world.h"

#define ANYWHERE "127.0.0.1:0"
#define GET_STATUS "GET /status HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST_STATUS "GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static struct status_world w;
static struct fr_diag diag;
static char folder[32];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/fr_http_XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	status_world_init(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	status_world_fini(&w);
	return rmdir(folder);
}

/* ---- the client ---- */

static int client_at(const struct fr_status_at *at)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} sa;
	socklen_t len = sizeof sa;
	int fd;

	assert_true(at->listeners.count > 0);
	assert_int_equal(getsockname(at->listeners.list[0].fd, &sa.any, &len), 0);
	fd = socket(sa.any.sa_family, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &sa.any, len), 0);
	return fd;
}

/* Runs the server for a moment. */
static void turn(void)
{
	ev_run(w.loop, EVRUN_NOWAIT);
}

/* Reads until the server has closed, size bytes at a time, and closes; free() it. */
static char *read_all(int fd, size_t size)
{
	size_t len = 0, room = 1 << 16;
	char *text = malloc(room + 1);

	assert_non_null(text);
	for (int idle = 0; idle < 20000;) {
		ssize_t n;

		turn();
		if (len + size > room) {
			text = realloc(text, (room *= 2) + 1);
			assert_non_null(text);
		}
		n = recv(fd, text + len, size, MSG_DONTWAIT);
		if (n > 0) {
			len += (size_t)n;
			idle = 0;
		} else if (n == 0 || errno != EAGAIN) {
			close(fd);
			text[len] = 0;
			return text;
		} else {
			idle++;
			usleep(500);
		}
	}
	fail_msg("the server has not closed: %.200s", text);
	return text;
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* The answer to a request after which the server closes. */
static char *ask(const char *request)
{
	int fd = client_at(&w.status->now);

	say(fd, request);
	return read_all(fd, 65536);
}

static void serve_at(const char *address)
{
	assert_int_equal(fr_status_open(w.status, address, &diag), 0);
	fr_status_move(w.status, address);
}

static void begins(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", text, with);
}

static void has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, text);
}

static const char *body_of(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

/* ---- what it answers ---- */

static void test_the_status(void **state)
{
	char *answer, *again;
	cJSON *tree;

	(void)state;
	serve_at(ANYWHERE);
	answer = ask(LAST_STATUS);
	begins(answer, "HTTP/1.1 200 OK\r\n");
	has(answer, "\r\ncontent-type: application/json\r\n");
	has(answer, "\r\ncache-control: no-store\r\n");
	tree = cJSON_Parse(body_of(answer));
	assert_true(cJSON_IsObject(tree));
	assert_int_equal(cJSON_GetObjectItem(tree, "requests")->valuedouble, 109);
	cJSON_Delete(tree);
	free(answer);
	/* A query is allowed, an escape is what it stands for. */
	answer = ask("GET /%73tatus?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	begins(answer, "HTTP/1.1 200 OK\r\n");
	again = ask("HEAD /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	begins(again, "HTTP/1.1 200 OK\r\n");
	has(again, "\r\ncontent-length: ");
	assert_string_equal(body_of(again), "");
	free(again);
	free(answer);
}

static void test_what_else_is_asked(void **state)
{
	static const struct {
		const char *request, *status, *words;
	} list[] = {
		{ "POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close",
		  "HTTP/1.1 405 ", "\r\nallow: GET, HEAD\r\n" },
		{ "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close", "HTTP/1.1 404 ", "" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: close", "HTTP/1.1 404 ",
		  "\r\n\r\nNot Found\n" },
		{ "GET /status/ HTTP/1.1\r\nHost: a\r\nConnection: close", "HTTP/1.1 404 ", "" },
		{ "GET /statu HTTP/1.1\r\nHost: a\r\nConnection: close", "HTTP/1.1 404 ", "" },
		{ "GET /status%00 HTTP/1.1\r\nHost: a\r\nConnection: close", "HTTP/1.1 404 ", "" },
		{ "GET /STATUS HTTP/1.1\r\nHost: a\r\nConnection: close", "HTTP/1.1 404 ", "" },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close",
		  "HTTP/1.1 404 ", "" },
		{ "GET /status HTTP/1.0", "HTTP/1.1 200 ", "" },
	};
	char request[256], *answer;

	(void)state;
	serve_at(ANYWHERE);
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		snprintf(request, sizeof request, "%s\r\n\r\n", list[i].request);
		answer = ask(request);
		begins(answer, list[i].status);
		has(answer, list[i].words);
		free(answer);
	}
}

/* ---- what it refuses ---- */

static void refuses(const char *status, const char *fmt, ...)
{
	char *request, *answer;
	va_list args;

	va_start(args, fmt);
	assert_true(vasprintf(&request, fmt, args) >= 0);
	va_end(args);
	answer = ask(request);
	begins(answer, status);
	free(answer);
	free(request);
}

static void test_limits(void **state)
{
	char fields[70 * 8] = "";

	(void)state;
	serve_at(ANYWHERE);
	refuses("HTTP/1.1 414 ", "GET /%01024d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	refuses("HTTP/1.1 431 ", "GET /status HTTP/1.1\r\nHost: a\r\nx: %016384d\r\n\r\n", 0);
	for (int i = 0; i < 64; i++)
		strcat(fields, "x: y\r\n");
	refuses("HTTP/1.1 431 ", "GET /status HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	refuses("HTTP/1.1 413 ", "POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
	refuses("HTTP/1.1 413 ",
	        "POST /status HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "2\r\nab\r\n0\r\n\r\n");
}

static void test_malformed_requests(void **state)
{
	(void)state;
	serve_at(ANYWHERE);
	refuses("HTTP/1.1 400 ", "GET /status HTTP/1.1\r\n\r\n");
	refuses("HTTP/1.1 400 ", "GET /status HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
	refuses("HTTP/1.1 501 ", "nonsense\r\n\r\n");
	refuses("HTTP/1.1 400 ", "\x16\x03\x01\x02");
	refuses("HTTP/1.1 505 ", "GET /status HTTP/2.0\r\nHost: a\r\n\r\n");
}

/* ---- clients that are many, hasty or slow ---- */

static void test_requests_at_once(void **state)
{
	int fd, n = 0;
	char *answer;

	(void)state;
	serve_at(ANYWHERE);
	fd = client_at(&w.status->now);
	for (int i = 0; i < 9; i++)
		say(fd, GET_STATUS);
	say(fd, LAST_STATUS);
	answer = read_all(fd, 65536);
	for (const char *p = answer; (p = strstr(p, "HTTP/1.1 200 OK\r\n")); p++)
		n++;
	assert_int_equal(n, 10);
	free(answer);
}

/* Larger than any buffer on its way: all of it arrives, a little at a time. */
static void test_a_large_answer(void **state)
{
	static char text[FR_BOARD_ERROR_TEXT + 1];
	char place[32], *answer;
	cJSON *tree;
	int fd;

	(void)state;
	memset(text, '"', FR_BOARD_ERROR_TEXT); /* twice as long in JSON */
	for (int i = 0; i < FR_STATUS_GROUPS; i++) {
		snprintf(place, sizeof place, "main.py:%d", i);
		status_world_error(&w, 0, "ValueError", place, text);
		fr_status_drain(w.status);
	}
	serve_at(ANYWHERE);
	fd = client_at(&w.status->now);
	say(fd, LAST_STATUS);
	answer = read_all(fd, 1500);
	assert_true(strlen(answer) > (size_t)2 * FR_STATUS_GROUPS * FR_BOARD_ERROR_TEXT);
	tree = cJSON_Parse(body_of(answer));
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tree, "last_errors")),
	                 FR_STATUS_GROUPS);
	cJSON_Delete(tree);
	free(answer);
}

static void test_a_client_that_leaves(void **state)
{
	const struct linger hard = { 1, 0 };
	char *answer;

	(void)state;
	serve_at(ANYWHERE);
	for (int i = 0; i < 8; i++) {
		int fd = client_at(&w.status->now);

		say(fd, i & 1 ? GET_STATUS : "GET /sta");
		if (i & 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		if (i & 4)
			turn();
		close(fd);
	}
	for (int i = 0; i < 20; i++)
		turn();
	answer = ask(LAST_STATUS);
	begins(answer, "HTTP/1.1 200 ");
	free(answer);
}

/* One more than it serves at a time waits for its turn. */
static void test_more_clients_than_it_serves(void **state)
{
	int fds[64], late;
	char *answer, c;

	(void)state;
	serve_at(ANYWHERE);
	for (int i = 0; i < 64; i++)
		fds[i] = client_at(&w.status->now);
	for (int i = 0; i < 100; i++)
		turn();
	late = client_at(&w.status->now);
	say(late, LAST_STATUS);
	for (int i = 0; i < 100; i++)
		turn();
	assert_int_equal(recv(late, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(fds[0]);
	answer = read_all(late, 65536);
	begins(answer, "HTTP/1.1 200 ");
	free(answer);
	for (int i = 1; i < 64; i++)
		close(fds[i]);
}

/* ---- where ---- */

static void test_it_moves(void **state)
{
	char first[64], second[64], *answer;
	struct fr_status *s = w.status;
	int fd;

	(void)state;
	snprintf(first, sizeof first, "unix:%s/first", folder);
	snprintf(second, sizeof second, "unix:%s/second", folder);
	serve_at(first);
	assert_int_equal(access(first + 5, F_OK), 0);
	/* The same: nothing is opened. */
	assert_int_equal(fr_status_open(s, first, &diag), 0);
	assert_null(s->next.server);
	fr_status_move(s, first);
	/* Another, which is not wanted in the end. */
	assert_int_equal(fr_status_open(s, second, &diag), 0);
	assert_int_equal(access(second + 5, F_OK), 0);
	fr_status_stay(s);
	assert_int_equal(access(second + 5, F_OK), -1);
	answer = ask(LAST_STATUS);
	begins(answer, "HTTP/1.1 200 ");
	free(answer);
	/* Another: who is connected to the former is sent away. */
	fd = client_at(&s->now);
	turn();
	serve_at(second);
	assert_int_equal(access(first + 5, F_OK), -1);
	free(read_all(fd, 100));
	answer = ask(LAST_STATUS);
	begins(answer, "HTTP/1.1 200 ");
	free(answer);
	/* Nowhere. */
	assert_int_equal(fr_status_open(s, NULL, &diag), 0);
	fr_status_move(s, NULL);
	assert_null(s->now.server);
	assert_int_equal(access(second + 5, F_OK), -1);
	fr_status_move(s, NULL);
	fr_status_stay(s);
}

static void test_an_address_that_is_taken(void **state)
{
	char taken[64], missing[64], *answer;
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(taken, sizeof taken, "127.0.0.1:%d", ntohs(sa.sin_port));
	snprintf(missing, sizeof missing, "unix:%s/none/status", folder);
	serve_at(ANYWHERE);
	assert_int_equal(fr_status_open(w.status, taken, &diag), FR_EIO);
	assert_non_null(strstr(diag.where, taken));
	assert_int_equal(fr_status_open(w.status, missing, &diag), FR_EIO);
	assert_null(w.status->next.server);
	fr_status_stay(w.status);
	answer = ask(LAST_STATUS);
	begins(answer, "HTTP/1.1 200 ");
	free(answer);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_status),
		TEST(test_what_else_is_asked),
		TEST(test_limits),
		TEST(test_malformed_requests),
		TEST(test_requests_at_once),
		TEST(test_a_large_answer),
		TEST(test_a_client_that_leaves),
		TEST(test_more_clients_than_it_serves),
		TEST(test_it_moves),
		TEST(test_an_address_that_is_taken),
	};

	fr_log_init(STDERR_FILENO, FR_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

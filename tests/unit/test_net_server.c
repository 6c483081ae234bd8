/* Connections: their timeouts, limits, back-pressure and ends, addresses, draining. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/net_world.h"

static void test_timeouts(void **state)
{
	struct fr_net_limits limits;

	(void)state;
	fr_net_limits_init(&limits);
	limits.header_timeout = 0.15;
	limits.body_timeout = 0.15;
	limits.idle_timeout = 0.15;
	limits.linger_timeout = 0.1;
	PLAY(silent, &limits, ALL);
	assert_string_equal(silent.client.out, "");
	assert_true(silent.client.eof);
	world_fini(&silent);
	PLAY(head, &limits, SAY("GET / HTTP/1.1\r\nHo"), ALL);
	assert_has(&head, "HTTP/1.1 408 Request Timeout\r\n");
	assert_true(head.client.eof);
	world_fini(&head);
	PLAY(body, &limits, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"),
	     ALL);
	assert_has(&body, "HTTP/1.1 408");
	assert_int_equal(body.closed_bad, 1);
	world_fini(&body);
	PLAY(idle, &limits, SAY(GET), ALL);
	assert_int_equal(count(idle.client.out, "HTTP/1.1"), 1);
	assert_true(idle.client.eof);
	world_fini(&idle);
	/* Dripping doesn't help: the limit is for the whole head. */
	PLAY(drip, &limits, SAY("GET / HTTP/1.1\r\nX: "), WAIT(60), SAY("a"), WAIT(60), SAY("a"),
	     WAIT(60), SAY("a"), WAIT(60), SAY("a"), WAIT(100), SAY("a"), ALL);
	assert_has(&drip, "HTTP/1.1 408");
	world_fini(&drip);
	/* What the application paused has all the time it needs. */
	PLAY(slow, &limits, SAY("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
	     WAIT(400), { RESET, NULL, 0 });
	assert_null(strstr(slow.client.out, "408"));
	world_fini(&slow);
}

static void test_back_pressure(void **state)
{
	struct fr_net_limits limits;

	(void)state;
	fr_net_limits_init(&limits);
	limits.write_queue = 131072;
	PLAY(w, &limits, SAY("GET /produce HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
	     WAIT(100), ALL);
	assert_true(w.client.len > (8u << 20));
	assert_true(w.client.eof);
	assert_string_equal(w.client.out + w.client.len - 5, "0\r\n\r\n");
	assert_true(w.drains > 1);
	assert_true(w.most_unread < (6u << 20)); /* what the sockets buffer, and the mark */
	assert_int_equal(w.closed_ok, 1);
	world_fini(&w);
}

/* What waits for a turn is written in it, and all at once: that it was full is to be undone, too. */
static void test_full_and_written_in_one_turn(void **state)
{
	struct fr_net_limits limits;

	(void)state;
	fr_net_limits_init(&limits);
	limits.write_queue = 1000;
	limits.linger_timeout = 0.1;
	PLAY(w, &limits,
	     SAY("POST /resumed HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
	         "Content-Length: 2\r\n\r\nab"),
	     ALL);
	assert_true(w.reported_full >= 0);
	assert_int_equal(w.drains, w.reported_full);
	assert_true(w.client.eof);
	world_fini(&w);
}

static void test_write_stall(void **state)
{
	struct fr_net_limits limits;

	(void)state;
	fr_net_limits_init(&limits);
	limits.write_queue = 131072;
	limits.write_timeout = 0.2;
	PLAY(w, &limits, SAY("GET /produce HTTP/1.1\r\nHost: a\r\n\r\n"), UNREAD, ALL);
	assert_true(w.client.len < (8u << 20));
	assert_int_equal(w.closed_bad, 1);
	assert_int_equal(w.closed_ok, 0);
	world_fini(&w);
}

static void test_client_leaves(void **state)
{
	(void)state;
	PLAY(mid, NULL, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"),
	     { CLOSE, NULL, 0 });
	assert_int_equal(mid.requests, 0);
	assert_int_equal(mid.closed_bad, 1);
	world_fini(&mid);
	PLAY(stream, NULL,
	     SAY("POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
	     WAIT(20), { RESET, NULL, 0 });
	assert_int_equal(stream.closed_bad, 1);
	assert_false(stream.last_seen);
	world_fini(&stream);
	PLAY(wait, NULL, SAY("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"), WAIT(20),
	     { RESET, NULL, 0 });
	assert_int_equal(wait.closed_bad, 1);
	world_fini(&wait);
	PLAY(cut, NULL, SAY("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"), HALF,
	     ALL);
	assert_has(&cut, "HTTP/1.1 400");
	assert_int_equal(cut.requests, 0);
	world_fini(&cut);
}

static void test_half_close(void **state)
{
	(void)state;
	PLAY(w, NULL, SAY(GET "GET /halved HTTP/1.1\r\nHost: a\r\n\r\n"), HALF, ALL);
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 2);
	assert_has(&w, "\r\n\r\nlater");
	assert_true(w.client.eof);
	assert_int_equal(w.half_closed, 1);
	assert_int_equal(w.closed_ok, 2);
	world_fini(&w);
}

/* What old clients send behind a body is no request that could still come: no time limit is waited for. */
static void test_half_close_after_blanks(void **state)
{
	struct fr_net_limits limits;

	(void)state;
	fr_net_limits_init(&limits);
	limits.header_timeout = limits.idle_timeout = 3600;
	PLAY(line, &limits, SAY("GET /later HTTP/1.1\r\nHost: a\r\n\r\n\r\n"), HALF, ALL);
	assert_int_equal(count(line.client.out, "HTTP/1.1"), 1);
	assert_true(line.client.eof);
	world_fini(&line);
	PLAY(part, &limits, SAY("GET /later HTTP/1.1\r\nHost: a\r\n\r\n\r"), HALF, ALL);
	assert_int_equal(count(part.client.out, "HTTP/1.1"), 1);
	assert_true(part.client.eof);
	world_fini(&part);
}

static void test_drain(void **state)
{
	(void)state;
	struct world w = { .drain_on_request = true };

	play(&w, NULL,
	     (const struct act[]){
		     SAY("GET /later HTTP/1.1\r\nHost: a\r\n\r\n" GET), ALL, { END, NULL, 0 } });
	assert_int_equal(count(w.client.out, "HTTP/1.1 200 OK\r\n"), 1);
	assert_has(&w, "connection: close\r\n");
	ev_run(w.loop, EVRUN_NOWAIT);
	assert_true(w.drained);
	world_fini(&w);
}

static void test_drain_idle(void **state)
{
	struct fr_net_limits limits;
	struct world w = { 0 };
	struct timeval patience = { 60, 0 };
	int pair[2];
	ssize_t n;

	(void)state;
	fr_net_limits_init(&limits);
	limits.idle_timeout = 3600;
	world_init(&w, &limits);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(fr_server_adopt(w.server, pair[0]), 0);
	ev_run(w.loop, EVRUN_NOWAIT);
	fr_server_drain(w.server, 60, world_on_empty, &w);
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* Within the grace a request is still answered, with the last word. */
	assert_int_equal(send(pair[1], GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);
	while (!w.drained)
		ev_run(w.loop, EVRUN_ONCE);
	while ((n = recv(pair[1], w.client.out + w.client.len, OUT_BYTES - w.client.len, 0)) > 0)
		w.client.len += (size_t)n;
	assert_int_equal(n, 0);
	w.client.out[w.client.len] = 0;
	assert_has(&w, "connection: close\r\n");
	close(pair[1]);
	world_fini(&w);
}

static void test_connection_limit(void **state)
{
	struct fr_net_limits limits;
	struct world w = { 0 };
	struct sockaddr_in at;
	int fd = listen_inet(&at), clients[4];
	double until;

	(void)state;
	fr_net_limits_init(&limits);
	limits.connections = 2;
	world_init(&w, &limits);
	assert_int_equal(fr_server_listen(w.server, fd), 0);
	for (int i = 0; i < 4; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(clients[i], (struct sockaddr *)&at, sizeof(at)), 0);
	}
	for (int i = 0; i < 10; i++)
		ev_run(w.loop, EVRUN_NOWAIT);
	assert_int_equal(fr_server_counters(w.server)->connections, 2);
	/* As they end, the others get their turn. */
	close(clients[0]);
	close(clients[1]);
	for (until = ev_time() + 60;
	     fr_server_counters(w.server)->accepted < 4 && ev_time() < until;)
		ev_run(w.loop, EVRUN_ONCE);
	assert_int_equal(fr_server_counters(w.server)->accepted, 4);
	close(clients[2]);
	close(clients[3]);
	world_fini(&w);
	close(fd);
}

static void test_addresses(void **state)
{
	char path[] = "/tmp/fr-net-XXXXXX/s";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct world w = { 0 };
	int fd, client;

	(void)state;
	PLAY(inet, NULL, SAY("GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), ALL);
	assert_has(&inet, "\r\n\r\n127.0.0.1 1 / 127.0.0.1 1");
	world_fini(&inet);

	path[18] = 0;
	assert_non_null(mkdtemp(path));
	path[18] = '/';
	strcpy(at.sun_path, path);
	world_init(&w, NULL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(fr_server_listen(w.server, fd), 0);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(send(client, "GET /who HTTP/1.0\r\n\r\n", 21, 0) == 21);
	while (!w.closed_ok)
		ev_run(w.loop, EVRUN_ONCE);
	w.client.len = (size_t)recv(client, w.client.out, OUT_BYTES, 0);
	w.client.out[w.client.len] = 0;
	assert_has(&w, "\r\n\r\n 0 / /tmp/fr-net-");
	close(client);
	close(fd);
	unlink(path);
	path[18] = 0;
	rmdir(path);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_full_and_written_in_one_turn),
		cmocka_unit_test(test_write_stall),
		cmocka_unit_test(test_client_leaves),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_half_close_after_blanks),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_idle),
		cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Memory that runs out: each scenario is run again and again, with the first,
 * the second, the third... allocation failing, until none is left to fail.
 * It may end as it likes, but it has to give everything back, and not crash.
 *
 * The linker turns the C libraries' malloc() and its kin into those here
 * (--wrap); libev and Python are not part of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "master/config_load.h"
#include "net/server.h"
#include "shm/builder.h"
#include "shm/verify.h"
#include "tests/unit/manifests.h"

#define HELD_MAX 8192

static size_t fail_at, count; /* 0: none fails */
static void *held[HELD_MAX];
static size_t nheld;
static bool counting;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void __wrap_free(void *p);

static bool fails(void)
{
	if (!counting || ++count != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

static void *hold(void *p)
{
	if (p && counting) {
		if (nheld == HELD_MAX)
			abort();
		held[nheld++] = p;
	}
	return p;
}

static void let_go(void *p)
{
	for (size_t i = nheld; i-- > 0;) {
		if (held[i] != p)
			continue;
		held[i] = held[--nheld];
		return;
	}
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : hold(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : hold(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	void *moved;

	if (fails())
		return NULL;
	let_go(p);
	moved = __real_realloc(p, size);
	return hold(moved);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : hold(__real_aligned_alloc(align, size));
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : hold(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : hold(__real_strndup(s, n));
}

void __wrap_free(void *p)
{
	if (p)
		let_go(p);
	__real_free(p);
}

/* Returns whether all went well, which it must if nothing failed. */
typedef bool scenario_fn(void);

static void torture(scenario_fn *scenario)
{
	cJSON_Hooks hooks = { .malloc_fn = __wrap_malloc, .free_fn = __wrap_free };
	size_t n = 0, good = 0;

	cJSON_InitHooks(&hooks);
	do {
		bool well;

		fail_at = ++n;
		count = nheld = 0;
		counting = true;
		well = scenario();
		counting = false;
		good += well;
		if (nheld)
			fail_msg("allocation %zu failed: %zu are not freed", n, nheld);
		if (count < n)
			assert_true(well);
	} while (count >= n);
	cJSON_InitHooks(NULL);
	print_message("%zu allocations, %zu runs did well\n", n - 1, good);
	assert_true(n > 3);
}

/* ---- images ---- */

static bool build(void)
{
	struct fr_image_buf buf = { 0 };
	struct fr_diag diag = { 0 };
	int rc = fr_image_build(manifest_full, strlen(manifest_full), 7, &buf, &diag);
	bool well = rc >= 0 && fr_image_verify(buf.image, buf.size, &diag) >= 0;

	fr_image_buf_fini(&buf);
	return well;
}

static void test_image(void **state)
{
	(void)state;
	torture(build);
}

/* ---- configuration ---- */

static char conf_file[] = "/tmp/fr-test-torture-XXXXXX";

static bool configure(void)
{
	struct fr_config config;
	struct fr_diag diag = { 0 };
	int rc;

	fr_config_init(&config);
	rc = fr_config_read(&config, conf_file, &diag);
	fr_config_fini(&config);
	return rc >= 0;
}

static void test_config(void **state)
{
	static const char text[] =
		"{ // a comment\n\"app\": \"main:app\", \"listen\": [\"127.0.0.1:8000\","
		" \"unix:a.sock\"], \"limits\": {\"body\": \"1M\"},\n"
		"\"log\": {\"file\": \"log\"}, \"pid_file\": \"pid\", \"user\": \"root\"}";
	int fd = mkstemp(conf_file);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	torture(configure);
	unlink(conf_file);
}

/* ---- the server ---- */

static char body[200000];

static enum fr_body_mode on_head(void *data, struct fr_exchange *x, size_t *max_body)
{
	const struct fr_head *head = fr_exchange_head(x);

	(void)data;
	(void)max_body;
	return head->path.len == 2 && head->path.p[1] == 's' ? FR_BODY_STREAM : FR_BODY_BUFFER;
}

static void answer(struct fr_exchange *x)
{
	static const struct fr_field fields[] = { { { "x-a", 3 }, { "b", 1 } } };
	struct fr_bytes type = { "text/plain", 10 };

	if (fr_exchange_head(x)->path.len < 5) {
		(void)fr_exchange_reply(x, 200, type, fields, 1, body, 5, NULL, NULL);
		return;
	}
	if (fr_exchange_start(x, 200, fields, 1, FR_FRAMING_CHUNKED) < 0 ||
	    fr_exchange_write(x, body, sizeof(body), false, NULL, NULL) < 0 ||
	    fr_exchange_write(x, body, sizeof(body), true, NULL, NULL) < 0)
		fr_exchange_abort(x);
}

static void on_request(void *data, struct fr_exchange *x)
{
	const struct fr_head *head = fr_exchange_head(x);

	(void)data;
	if (!(head->path.len == 2 && head->path.p[1] == 's'))
		answer(x);
}

static void on_body(void *data, struct fr_exchange *x, const char *p, size_t len, bool last)
{
	(void)data;
	(void)p;
	(void)len;
	if (last)
		answer(x);
}

static void on_close(void *data, struct fr_exchange *x, bool ok)
{
	(void)x;
	(void)ok;
	--*(int *)data; /* see below: it only has to be called */
}

/* What the client sends: everything that takes memory on its way. */
static char *script;
static size_t script_len;

static void write_script(void)
{
	FILE *f = open_memstream(&script, &script_len);

	assert_non_null(f);
	fprintf(f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	fprintf(f, "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n%0150000d", 0);
	fprintf(f, "GET /%%41?x=1 HTTP/1.1\r\nHost: a\r\nX: %030000d\r\n\r\n", 0);
	fprintf(f,
	        "POST /s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "7530\r\n%030000d\r\n0\r\nT: 1\r\n\r\n",
	        0);
	fprintf(f,
	        "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "7530\r\n%030000d\r\n0\r\n\r\n",
	        0);
	fprintf(f, "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_int_equal(fclose(f), 0);
}

static size_t count_answers(const char *p, size_t len)
{
	static const char start[] = "HTTP/1.1 200 ";
	const char *end = p + len;
	size_t n = 0;

	while ((p = memmem(p, (size_t)(end - p), start, sizeof(start) - 1))) {
		n++;
		p += sizeof(start) - 1;
	}
	return n;
}

static bool serve(void)
{
	static char got[1 << 20];
	int closed = 0;
	struct fr_app app = { .data = &closed,
		              .on_head = on_head,
		              .on_request = on_request,
		              .on_body = on_body,
		              .on_close = on_close };
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct fr_net_limits limits = { .pipeline = 100, .linger_timeout = 0.01 };
	struct fr_server *server = fr_server_new(loop, &app, &limits);
	size_t sent = 0, len = 0;
	bool well = false;
	int pair[2];

	if (!server)
		goto out;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	if (fr_server_adopt(server, pair[0]) < 0)
		goto unadopted;
	/* A connection that the server drops is seen here as its end. */
	for (int turn = 0; turn < 20000; turn++) {
		ssize_t n;

		ev_run(loop, EVRUN_NOWAIT);
		n = sent < script_len
		            ? send(pair[1], script + sent, script_len - sent, MSG_NOSIGNAL)
		            : 0;
		if (n > 0)
			sent += (size_t)n;
		n = recv(pair[1], got + len, sizeof(got) - len, 0);
		if (n > 0)
			len += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			break;
	}
	well = count_answers(got, len) == 6 && len > 2 * sizeof(body) &&
	       !memcmp(got + len - 5, "0\r\n\r\n", 5);
unadopted:
	fr_server_free(server);
	close(pair[1]);
	if (well && closed != -6)
		abort(); /* on_close comes once for each */
out:
	ev_loop_destroy(loop);
	return well;
}

static void test_server(void **state)
{
	(void)state;
	memset(body, 'x', sizeof(body));
	write_script();
	torture(serve);
	free(script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

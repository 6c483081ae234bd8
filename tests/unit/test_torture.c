/*
 * Memory that runs out: each scenario is run again and again, with the first,
 * the second, the third... allocation failing, until none is left to fail.
 * It may end as it likes, but it has to give everything back, and not crash.
 *
 * The linker turns the C libraries' malloc() and its kin into those here
 * (--wrap); libev and Python are not part of it.  cJSON is, by its hooks, and
 * of wslay, which has none, what makes a frame context.
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
#include <wslay/wslay.h>

#include "base/log.h"
#include "master/config_load.h"
#include "master/status.h"
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
int __real_wslay_frame_context_init(wslay_frame_context_ptr *ctx,
                                    const struct wslay_frame_callbacks *callbacks, void *data);
void __real_wslay_frame_context_free(wslay_frame_context_ptr ctx);
int __wrap_wslay_frame_context_init(wslay_frame_context_ptr *ctx,
                                    const struct wslay_frame_callbacks *callbacks, void *data);
void __wrap_wslay_frame_context_free(wslay_frame_context_ptr ctx);

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

int __wrap_wslay_frame_context_init(wslay_frame_context_ptr *ctx,
                                    const struct wslay_frame_callbacks *callbacks, void *data)
{
	int r = fails() ? WSLAY_ERR_NOMEM : __real_wslay_frame_context_init(ctx, callbacks, data);

	if (!r)
		hold(*ctx);
	return r;
}

void __wrap_wslay_frame_context_free(wslay_frame_context_ptr ctx)
{
	let_go(ctx);
	__real_wslay_frame_context_free(ctx);
}

/* What failed is said to be memory, not the text that was read. */
static bool only_memory(int rc, const struct fr_diag *diag)
{
	if (rc >= 0)
		return true;
	if (rc != FR_ENOMEM || diag->code != FR_ENOMEM)
		fail_msg("allocation %zu failed: %d, %s: %s", fail_at, rc, diag->where,
		         diag->message);
	return false;
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
	bool well = only_memory(rc, &diag) && fr_image_verify(buf.image, buf.size, &diag) >= 0;

	fr_image_buf_fini(&buf);
	return well;
}

static void test_image(void **state)
{
	(void)state;
	torture(build);
}

/* ---- configuration ---- */

static FILE *nowhere;
static char conf_file[] = "/tmp/fr-test-torture-XXXXXX";

static bool configure(void)
{
	struct fr_config config;
	struct fr_diag diag = { 0 };
	int rc;

	fr_config_init(&config);
	rc = fr_config_read(&config, conf_file, &diag);
	if (rc == 0)
		rc = fr_config_finish(&config, &diag);
	if (rc == 0)
		rc = diag.code = fr_config_print(&config, nowhere);
	fr_config_fini(&config);
	return only_memory(rc, &diag);
}

static void test_config(void **state)
{
	static const char text[] =
		"{ // a comment\n\"app\": \"main:app\", \"listen\": [\"127.0.0.1:8000\","
		" \"unix:a.sock\"], \"limits\": {\"body\": \"1M\"},\n"
		"\"log\": {\"file\": \"log\"}, \"pid_file\": \"pid\", \"user\": \"root\",\n"
		"\"group\": \"root\", \"app_dir\": \".\", \"control\": \"control\", \"status\":"
		" {\"listen\": \"unix:status\"}, \"python\": \"/bin/sh\"}";
	int fd = mkstemp(conf_file);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	nowhere = fopen("/dev/null", "w");
	assert_non_null(nowhere);
	torture(configure);
	fclose(nowhere);
	unlink(conf_file);
}

/* ---- the status ---- */

static struct fr_image_buf status_image;

/* What a master does in its life; when memory is short it knows less, and lives. */
static bool keep_status(void)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct fr_status *s = fr_status_new(loop, "1");
	struct fr_watch *old = NULL, *new = NULL;
	struct fr_diag diag = { 0 };
	char *json = NULL, *table = NULL;
	bool well = s && only_memory(fr_status_enter(s, 1, status_image.image, 2, 4, &old, &diag),
	                             &diag);

	if (well)
		fr_status_serves(s, 1);
	well = well && only_memory(fr_status_open(s, "127.0.0.1:0", &diag), &diag);
	if (well)
		fr_status_move(s, "127.0.0.1:0");
	if (old) {
		fr_watch_died(old, 1, 1, "was ended by signal 9 (Killed)", true);
		fr_status_reload_failed(s, "no memory");
		well = only_memory(fr_status_enter(s, 2, status_image.image, 1, 4, &new, &diag),
		                   &diag) &&
		       well;
		json = fr_status_json(s);
		table = fr_status_table(s);
		well = well && json && table;
	}
	free(json);
	free(table);
	fr_status_leave(old);
	fr_status_leave(new);
	if (s)
		fr_status_free(s);
	ev_loop_destroy(loop);
	return well;
}

static void test_status(void **state)
{
	struct fr_diag diag;

	(void)state;
	fr_log_init(STDERR_FILENO, FR_ERROR); /* it says much of each loss */
	assert_int_equal(
		fr_image_build(manifest_full, strlen(manifest_full), 7, &status_image, &diag), 0);
	torture(keep_status);
	fr_image_buf_fini(&status_image);
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

/*
 * Serves one client that sends the script, until the server has closed.
 * False: nothing could be served, or the connection was dropped at once.
 */
static bool converse(struct fr_app *app, char *got, size_t size, size_t *ret_len)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct fr_net_limits limits;
	struct fr_server *server;
	size_t sent = 0, len = 0;
	bool adopted = false;
	int pair[2];

	fr_net_limits_init(&limits);
	limits.pipeline = 100;
	limits.linger_timeout = 0.01;
	server = fr_server_new(loop, app, &limits);
	if (!server)
		goto out;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	adopted = fr_server_adopt(server, pair[0]) >= 0;
	/* A connection that the server drops is seen here as its end. */
	for (int turn = 0; adopted && turn < 20000; turn++) {
		ssize_t n;

		ev_run(loop, EVRUN_NOWAIT);
		n = sent < script_len
		            ? send(pair[1], script + sent, script_len - sent, MSG_NOSIGNAL)
		            : 0;
		if (n > 0)
			sent += (size_t)n;
		n = recv(pair[1], got + len, size - len, 0);
		if (n > 0)
			len += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			break;
	}
	fr_server_free(server);
	if (!adopted)
		close(pair[0]);
	close(pair[1]);
out:
	ev_loop_destroy(loop);
	*ret_len = len;
	return adopted;
}

static char got[1 << 20];

static bool serve(void)
{
	int closed = 0;
	struct fr_app app = { .data = &closed,
		              .on_head = on_head,
		              .on_request = on_request,
		              .on_body = on_body,
		              .on_close = on_close };
	size_t len = 0;
	bool well = converse(&app, got, sizeof(got), &len) && count_answers(got, len) == 6 &&
	            len > 2 * sizeof(body) && !memcmp(got + len - 5, "0\r\n\r\n", 5);

	if (well && closed != -6)
		abort(); /* on_close comes once for each */
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

/* ---- a WebSocket ---- */

struct ws_seen {
	int closed, ended;
	unsigned code;
	size_t messages, bytes;
};

static void on_ws_request(void *data, struct fr_exchange *x)
{
	static const struct fr_field fields[] = { { { "sec-websocket-protocol", 22 },
		                                    { "chat", 4 } } };

	(void)data;
	if (fr_exchange_ws_accept(x, fields, 1) < 0)
		fr_exchange_abort(x);
}

static void on_ws_message(void *data, struct fr_exchange *x, bool text, const char *p, size_t len)
{
	struct ws_seen *seen = data;
	char *copy = malloc(len + 1);

	seen->messages++;
	seen->bytes += len;
	if (!copy) {
		fr_exchange_abort(x);
		return;
	}
	memcpy(copy, p, len);
	/* Each way that a payload may go; a failure ends the connection. */
	if (fr_exchange_ws_send(x, text, copy, len, free, copy) >= 0)
		(void)fr_exchange_ws_send(x, text, body, sizeof(body), NULL, NULL);
}

static void on_ws_end(void *data, struct fr_exchange *x, unsigned code, struct fr_bytes reason)
{
	struct ws_seen *seen = data;

	(void)x;
	(void)reason;
	seen->ended++;
	seen->code = code;
}

static void on_ws_close(void *data, struct fr_exchange *x, bool ok)
{
	struct ws_seen *seen = data;

	(void)x;
	(void)ok;
	seen->closed++;
}

/* A client's frame; its mask is zero, which changes nothing. */
static void put_frame(FILE *f, unsigned first, const char *payload, size_t len)
{
	fputc((int)first, f);
	if (len < 126)
		fputc((int)(0x80 | len), f);
	else
		fprintf(f, "%c%c%c", 0x80 | 126, (int)(len >> 8), (int)(len & 0xff));
	fwrite("\0\0\0", 1, 4, f);
	fwrite(payload, 1, len, f);
}

static void write_ws_script(void)
{
	FILE *f = open_memstream(&script, &script_len);

	assert_non_null(f);
	fprintf(f, "GET /w HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	           "\r\n");
	put_frame(f, 0x81, "hello", 5);
	put_frame(f, 0x02, body, 400);
	put_frame(f, 0x89, "ping", 4);
	put_frame(f, 0x00, body, 60000);
	put_frame(f, 0x80, body, 60000);
	put_frame(f, 0x82, body, 20000);
	put_frame(f, 0x88, "\x03\xe8", 2);
	assert_int_equal(fclose(f), 0);
}

static bool serve_ws(void)
{
	struct ws_seen seen = { 0 };
	struct fr_app app = { .data = &seen,
		              .on_head = on_head,
		              .on_request = on_ws_request,
		              .on_body = on_body,
		              .on_close = on_ws_close,
		              .on_ws_message = on_ws_message,
		              .on_ws_end = on_ws_end };
	size_t len = 0;
	bool well = converse(&app, got, sizeof(got), &len) && seen.messages == 3 &&
	            seen.bytes == 5 + 400 + 2 * 60000 + 20000 && seen.code == 1000 &&
	            len > 3 * sizeof(body) && !memcmp(got + len - 4, "\x88\x02\x03\xe8", 4);

	if (seen.closed > 1 || seen.ended > seen.closed || (well && seen.closed != 1))
		abort();
	return well;
}

static void test_websocket(void **state)
{
	(void)state;
	memset(body, 'x', sizeof(body));
	write_ws_script();
	torture(serve_ws);
	free(script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),     cmocka_unit_test(test_config),
		cmocka_unit_test(test_status),    cmocka_unit_test(test_server),
		cmocka_unit_test(test_websocket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

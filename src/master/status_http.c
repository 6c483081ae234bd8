/* The status over HTTP: net's server, on the master's loop. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "master/status_private.h"
#include "net/server.h"

#define BYTES(s) ((struct fr_bytes){ s, sizeof(s) - 1 })

/* The status asks for little, and gives much. */
static void set_limits(struct fr_net_limits *ret)
{
	fr_net_limits_init(ret);
	ret->uri = 1024;
	ret->header_bytes = 16384;
	ret->headers = 64;
	ret->body = 1;
	ret->chunk_extensions = 64;
	ret->trailer_bytes = 64;
	ret->write_queue = 1 << 20;
	ret->connections = 64;
	ret->pipeline = 4;
	ret->header_timeout = 5;
	ret->body_timeout = 5;
	ret->idle_timeout = 30;
	ret->write_timeout = 10;
}

static bool is(struct fr_bytes bytes, const char *text)
{
	return bytes.len == strlen(text) && !memcmp(bytes.p, text, bytes.len);
}

static void say(struct fr_exchange *x, unsigned status, const struct fr_field *extra, size_t n,
                const char *words)
{
	if (fr_exchange_reply(x, status, BYTES("text/plain; charset=utf-8"), extra, n, words,
	                      strlen(words), NULL, NULL) < 0)
		fr_exchange_abort(x);
}

static void on_request(void *data, struct fr_exchange *x)
{
	static const struct fr_field allow = { BYTES("allow"), BYTES("GET, HEAD") };
	static const struct fr_field fresh = { BYTES("cache-control"), BYTES("no-store") };
	const struct fr_head *head = fr_exchange_head(x);
	char *json;

	if (!is(head->path, "/status")) {
		say(x, 404, NULL, 0, "Not Found\n");
		return;
	}
	if (!is(head->method, "GET") && !is(head->method, "HEAD")) {
		say(x, 405, &allow, 1, "Method Not Allowed\n");
		return;
	}
	json = fr_status_json(data);
	if (!json)
		say(x, 503, NULL, 0, "out of memory\n");
	else if (fr_exchange_reply(x, 200, BYTES("application/json"), &fresh, 1, json, strlen(json),
	                           free, json) < 0)
		fr_exchange_abort(x);
}

static int open_address(const char *address, struct fr_listeners *ret, struct fr_diag *diag)
{
	struct fr_config config = { .listen = { (char *)(uintptr_t)address }, .nlisten = 1 };

	return fr_listeners_open(&config, NULL, ret, diag);
}

static void close_at(struct fr_status_at *at)
{
	if (at->server)
		fr_server_free(at->server);
	fr_listeners_close(&at->listeners, NULL);
	free(at->address);
	*at = (struct fr_status_at){ 0 };
}

static bool is_now(const struct fr_status *s, const char *address)
{
	return address && s->now.address && !strcmp(address, s->now.address);
}

int fr_status_open(struct fr_status *s, const char *address, struct fr_diag *diag)
{
	const struct fr_app app = { .data = s, .on_request = on_request };
	struct fr_net_limits limits;
	struct fr_status_at at = { 0 };
	int err;

	if (!address || is_now(s, address))
		return 0;
	if ((err = open_address(address, &at.listeners, diag)) < 0)
		return err;
	set_limits(&limits);
	at.server = fr_server_new(s->loop, &app, &limits);
	at.address = strdup(address);
	if (!at.server || !at.address)
		err = FR_ENOMEM;
	for (size_t i = 0; i < at.listeners.count && err == 0; i++)
		err = fr_server_listen(at.server, at.listeners.list[i].fd);
	if (err < 0) {
		close_at(&at);
		return fr_diag_set(diag, (enum fr_err)err, address, "can't serve the status: %s",
		                   fr_err_name((enum fr_err)err));
	}
	close_at(&s->next);
	s->next = at;
	return 0;
}

void fr_status_move(struct fr_status *s, const char *address)
{
	if (is_now(s, address))
		return;
	close_at(&s->now);
	s->now = s->next;
	s->next = (struct fr_status_at){ 0 };
}

void fr_status_stay(struct fr_status *s)
{
	close_at(&s->next);
}

void fr_status_log(const struct fr_status *s)
{
	char where[256];

	for (size_t i = 0; i < s->now.listeners.count; i++) {
		fr_listener_address(&s->now.listeners.list[i], where, sizeof where);
		fr_log(FR_INFO, "status on %s", where);
	}
}

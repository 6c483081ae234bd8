/*
 * A WebSocket from its handshake to its end: frames that come in pieces of
 * any length mean what they mean at once; text is UTF-8; messages keep to
 * their limit; what the server sends are frames, and none follows its close.
 *
 * Input: a byte of enum wire_wild and the two below, one for the length of
 * the pieces, then the frames.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/wire.h"

#define RECIPES 16 /* frames are made: first byte, length, mask, payload */
#define WITH_HEAD 32 /* the handshake is in the input, too */

#define MESSAGE_MAX 20000

static FILE *trace; /* what the application is told */
static struct fr_exchange *paused, *owing, *held; /* of the one connection */
static unsigned turns;
static char large[20000];

struct seen {
	bool accepted, ended, holds;
};

static struct seen *seen_of(struct fr_exchange *x)
{
	struct seen *s = fr_exchange_data(x);

	CHECK(s);
	return s;
}

static enum fr_body_mode on_head(void *data, struct fr_exchange *x, size_t *max_body)
{
	struct seen *s = calloc(1, sizeof *s);

	(void)data;
	(void)max_body;
	CHECK(s && !fr_exchange_data(x));
	fr_exchange_set_data(x, s);
	return FR_BODY_BUFFER;
}

static void on_request(void *data, struct fr_exchange *x)
{
	static const struct fr_field chat = { { "sec-websocket-protocol", 22 }, { "chat", 4 } };
	const struct fr_head *head = fr_exchange_head(x);
	char kind = head->path.len > 1 ? head->path.p[1] : '/';

	(void)data;
	if (!fr_exchange_is_websocket(x) || kind == 'r') {
		if (fr_exchange_reply(x, 200, (struct fr_bytes){ "text/plain", 10 }, NULL, 0, "no",
		                      2, NULL, NULL) < 0)
			fr_exchange_abort(x);
		return;
	}
	if (fr_exchange_ws_accept(x, &chat, kind == 'p') < 0) {
		fr_exchange_abort(x);
		return;
	}
	seen_of(x)->accepted = true;
	if (kind == 'c') /* before the client has said anything */
		(void)fr_exchange_ws_close(x, 1001, (struct fr_bytes){ NULL, 0 });
}

/* Decodes, unlike the server, which matches ranges. */
static bool is_utf8(const unsigned char *p, size_t len)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

	for (size_t i = 0; i < len;) {
		unsigned char c = p[i++];
		size_t more = c < 0x80 ? 0 : (c & 0xe0) == 0xc0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : 3;
		uint32_t code = c & (more ? 0x3fu >> more : 0x7fu);

		if ((more == 3 && (c & 0xf8) != 0xf0) || len - i < more)
			return false;
		for (size_t n = 0; n < more; n++, i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (p[i] & 0x3fu);
		}
		if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return false;
	}
	return true;
}

static void on_message(void *data, struct fr_exchange *x, bool text, const char *p, size_t len)
{
	struct seen *s = seen_of(x);
	struct fr_bytes reason = { p + 1, len ? len - 1 : 0 };
	char *copy;

	(void)data;
	CHECK(s->accepted && !s->ended && len <= MESSAGE_MAX);
	CHECK(!text || is_utf8((const unsigned char *)p, len));
	fprintf(trace, "%s %zu ", text ? "text" : "bytes", len);
	fwrite(p, 1, len, trace);
	switch (len ? p[0] : 0) {
	case 'a':
		fr_exchange_abort(x);
		return;
	case 'c':
		if (fr_exchange_ws_close(x, len > 1 ? 3000 : 1005, reason) == FR_EINVAL)
			(void)fr_exchange_ws_close(x, 1000, (struct fr_bytes){ NULL, 0 });
		return;
	case 'g':
		(void)fr_exchange_ws_send(x, false, large, sizeof large, NULL, NULL);
		return;
	case 'd':
		owing = x;
		fr_exchange_pause(x); /* so that answers keep their order */
		return;
	case 'p':
		fr_exchange_pause(x);
		paused = x;
		return;
	case 'h':
		s->holds = true;
		return;
	default:
		copy = malloc(len + 1);
		CHECK(copy);
		memcpy(copy, p, len);
		(void)fr_exchange_ws_send(x, text, copy, len, free, copy);
	}
}

static void on_end(void *data, struct fr_exchange *x, unsigned code, struct fr_bytes reason)
{
	struct seen *s = seen_of(x);

	(void)data;
	CHECK(s->accepted && !s->ended);
	CHECK(is_utf8((const unsigned char *)reason.p, reason.len) && reason.len <= 123);
	s->ended = true;
	fprintf(trace, "end %u %.*s\n", code, (int)reason.len, reason.p);
	if (s->holds) {
		fr_exchange_ws_hold(x);
		held = x;
	}
}

static void on_body(void *data, struct fr_exchange *x, const char *p, size_t len, bool last)
{
	(void)data;
	(void)x;
	(void)p;
	(void)len;
	(void)last;
}

static void on_drain(void *data, struct fr_exchange *x)
{
	(void)data;
	seen_of(x);
}

static void on_close(void *data, struct fr_exchange *x, bool ok)
{
	(void)data;
	fprintf(trace, "close %d\n", ok);
	if (paused == x)
		paused = NULL;
	if (owing == x)
		owing = NULL;
	if (held == x)
		held = NULL;
	free(seen_of(x));
}

/* What the application does at a later time. */
static bool between(void)
{
	struct fr_exchange *x = paused;
	bool busy = x || owing || held;

	if (++turns % 3)
		return busy;
	paused = NULL;
	if (x)
		fr_exchange_resume(x);
	x = held;
	held = NULL;
	if (x) {
		(void)fr_exchange_ws_send(x, true, "last", 4, NULL, NULL);
		fr_exchange_ws_release(x);
	}
	x = owing;
	owing = NULL;
	if (!x)
		return busy;
	(void)fr_exchange_ws_send(x, true, "late", 4, NULL, NULL);
	(void)fr_exchange_ws_send(x, false, large, sizeof large, NULL, NULL);
	fr_exchange_resume(x);
	return busy;
}

/* ---- what is sent ---- */

static const char handshake[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
				"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* The length that a recipe's byte stands for: each of the three forms, and one too many. */
static size_t frame_len(uint8_t n)
{
	return n < 250 ? n : n == 250 ? MESSAGE_MAX : n == 251 ? MESSAGE_MAX + 1 : n * 40u;
}

static size_t make_frame(char *out, const uint8_t *recipe, const uint8_t *payload, size_t have)
{
	size_t n = frame_len(recipe[1]), at = 0;
	uint8_t key[4] = { recipe[2], (uint8_t)(recipe[2] * 3), 0x5a, 0 };

	out[at++] = (char)recipe[0];
	if (n < 126) {
		out[at++] = (char)(0x80 | n);
	} else if (recipe[1] == 252) { /* longer than it need be */
		out[at++] = (char)(0x80 | 127);
		for (int shift = 56; shift >= 0; shift -= 8)
			out[at++] = (char)((uint64_t)n >> shift);
	} else {
		out[at++] = (char)(0x80 | 126);
		out[at++] = (char)(n >> 8);
		out[at++] = (char)(n & 0xff);
	}
	memcpy(out + at, key, 4);
	at += 4;
	for (size_t i = 0; i < n; i++)
		out[at++] = (char)((have ? payload[i % have] : 'x') ^ key[i % 4]);
	return at;
}

#define MAX_INPUT 200000u

static char *make_input(const uint8_t *data, size_t size, unsigned how, size_t *ret_len)
{
	char *out = malloc(MAX_INPUT);
	size_t len = 0;

	CHECK(out && size + sizeof(handshake) < MAX_INPUT);
	if (!(how & WITH_HEAD)) {
		memcpy(out, handshake, sizeof(handshake) - 1);
		len = sizeof(handshake) - 1;
	}
	if (!(how & RECIPES)) {
		memcpy(out + len, data, size);
		len += size;
	}
	while ((how & RECIPES) && size >= 3 && len + MESSAGE_MAX + 16 < MAX_INPUT) {
		size_t have = size - 3 < data[1] ? size - 3 : data[1];

		len += make_frame(out + len, data, data + 3, have);
		data += 3 + have;
		size -= 3 + have;
	}
	*ret_len = len;
	return out;
}

/* ---- what is received ---- */

/* The frame at p; false: it is not there as a whole. */
static bool next_frame(const unsigned char **p, const unsigned char *end, unsigned *ret_opcode,
                       uint64_t *ret_len)
{
	const unsigned char *at = *p;
	uint64_t len;
	unsigned more;

	if (end - at < 2)
		return false;
	CHECK((at[0] & 0x70) == 0 && (at[0] & 0x80) && !(at[1] & 0x80));
	*ret_opcode = at[0] & 15u;
	len = at[1];
	more = len == 126 ? 2 : len == 127 ? 8 : 0;
	at += 2;
	if ((size_t)(end - at) < more)
		return false;
	if (more)
		for (len = 0; more; more--)
			len = len << 8 | *at++;
	if ((uint64_t)(end - at) < len)
		return false;
	*p = at + len;
	*ret_len = len;
	return true;
}

static void check_frames(const char *got, size_t got_len)
{
	static const char accepted[] = "HTTP/1.1 101 ";
	const unsigned char *p, *end;
	unsigned opcode;
	uint64_t len;
	bool closed = false;

	if (got_len < sizeof(accepted) || memcmp(got, accepted, sizeof(accepted) - 1))
		return;
	end = (const unsigned char *)got + got_len;
	p = memmem(got, got_len, "\r\n\r\n", 4);
	CHECK(p);
	for (p += 4; next_frame(&p, end, &opcode, &len);) {
		CHECK(!closed);
		CHECK(opcode == 1 || opcode == 2 || (opcode >= 8 && opcode <= 10 && len <= 125));
		CHECK(opcode != 8 || len != 1);
		closed = opcode == 8;
	}
	CHECK(!closed || p == end);
}

struct run {
	char *got, *told;
	size_t got_len, told_len;
};

static struct run run(const char *input, size_t len, size_t step, unsigned wild)
{
	static const struct fr_app app = { .on_head = on_head,
		                           .on_request = on_request,
		                           .on_body = on_body,
		                           .on_drain = on_drain,
		                           .on_close = on_close,
		                           .on_ws_message = on_message,
		                           .on_ws_end = on_end };
	struct fr_net_limits limits;
	struct run r;

	fr_net_limits_init(&limits);
	limits.header_bytes = 600;
	limits.headers = 12;
	limits.write_queue = 5000;
	limits.pipeline = 4;
	limits.ws_message = MESSAGE_MAX;
	turns = 0;
	trace = open_memstream(&r.told, &r.told_len);
	CHECK(trace);
	r.got = wire_run(&app, &limits, (const uint8_t *)input, len, step, wild, between,
	                 &r.got_len);
	CHECK(!fclose(trace));
	check_frames(r.got, r.got_len);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole, pieces;
	size_t step, len;
	unsigned how;
	char *input;

	if (size < 3)
		return 0;
	memset(large, 'x', sizeof large);
	how = data[0];
	step = 1 + data[1];
	input = make_input(data + 2, size - 2, how, &len);
	if (step < len / 64)
		step = len / 64;
	pieces = run(input, len, step, how & WIRE_WILD);
	if (len && !(how & WIRE_WILD)) {
		whole = run(input, len, len, 0);
		wire_compare(whole.got, whole.got_len, pieces.got, pieces.got_len);
		wire_compare(whole.told, whole.told_len, pieces.told, pieces.told_len);
		free(whole.got);
		free(whole.told);
	}
	free(pieces.got);
	free(pieces.told);
	free(input);
	return 0;
}

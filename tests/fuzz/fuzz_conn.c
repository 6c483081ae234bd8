/*
 * A connection from its first byte to its last: requests that come in pieces
 * of any length are answered as if they had come at once, every exchange is
 * closed once, and whatever client, clock and server do, nothing is leaked or
 * used after its end.
 *
 * Input: a byte of enum wire_wild, one for the length of the pieces, then
 * what the client sends.  If the first byte has RUNS, \1 and two bytes stand
 * for a run: 256 times the first of them of the second.  The application does
 * what the path's first letter tells.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/wire.h"

#define RUNS 16
#define MAX_INPUT 200000u /* runs included */
#define WRITES 4 /* of a large answer */

#define BYTES(s) ((struct fr_bytes){ (s), strlen(s) })

/* What the application knows of an exchange; freed when that is closed. */
struct seen {
	char kind;
	bool stream, requested, last, half_closed;
	unsigned writes; /* done of WRITES */
	uint32_t sum; /* of all body bytes, in their order */
	size_t len;
};

static struct fr_exchange *waiting, *paused; /* of the one connection */
static unsigned turns;
static char large[30000];

static uint32_t add(uint32_t sum, const char *p, size_t len)
{
	while (len--)
		sum = (sum ^ (unsigned char)*p++) * 16777619u;
	return sum;
}

static struct seen *seen_of(struct fr_exchange *x)
{
	struct seen *s = fr_exchange_data(x);

	CHECK(s);
	return s;
}

static enum fr_body_mode on_head(void *data, struct fr_exchange *x, size_t *max_body)
{
	const struct fr_head *head = fr_exchange_head(x);
	struct seen *s = calloc(1, sizeof *s);

	(void)data;
	CHECK(s && !fr_exchange_data(x));
	s->kind = head->path.len > 1 ? head->path.p[1] : '/';
	s->stream = strchr("sep", s->kind) && s->kind;
	if (s->kind == 'm')
		*max_body = 10;
	fr_exchange_set_data(x, s);
	return s->stream ? FR_BODY_STREAM : FR_BODY_BUFFER;
}

/* All that the application has learned, so that the answers tell of any difference. */
static char *report(struct fr_exchange *x, size_t *ret_len)
{
	const struct fr_head *head = fr_exchange_head(x);
	const struct seen *s = seen_of(x);
	uint32_t sum = 0;
	char *text;
	int n;

	for (size_t i = 0; i < head->nfields; i++) {
		sum = add(sum, head->fields[i].name.p, head->fields[i].name.len);
		sum = add(sum, head->fields[i].value.p, head->fields[i].value.len);
	}
	n = asprintf(&text, "%.*s %.*s %.*s %zu %08x %zu %08x\n", (int)head->method.len,
	             head->method.p, (int)head->raw_path.len, head->raw_path.p,
	             (int)head->query.len, head->query.p, head->nfields, sum, s->len, s->sum);
	CHECK(n > 0);
	*ret_len = (size_t)n;
	return text;
}

static void release(void *owner)
{
	free(owner);
}

static void answer_in_pieces(struct fr_exchange *x, enum fr_framing framing,
                             const struct fr_field *fields, size_t nfields, unsigned status)
{
	size_t len;
	char *text = report(x, &len);

	int err = fr_exchange_start(x, status, fields, nfields, framing);

	if (!err)
		err = fr_exchange_write(x, text, len, false, NULL, NULL);
	if (err < 0)
		free(text);
	else
		err = fr_exchange_write(x, text, len, true, release, text);
	if (err < 0)
		fr_exchange_abort(x);
}

static bool has_control(struct fr_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (((unsigned char)b.p[i] < 0x20 && b.p[i] != '\t') || b.p[i] == 0x7f)
			return true;
	return false;
}

/* As much as the queue takes; on_drain goes on. */
static void write_more(struct fr_exchange *x)
{
	struct seen *s = seen_of(x);
	int r = 0;

	while (s->writes < WRITES && r == 0)
		r = fr_exchange_write(x, large, sizeof large, ++s->writes == WRITES, NULL, NULL);
	if (r < 0)
		fr_exchange_abort(x);
}

static void answer(struct fr_exchange *x)
{
	static const struct fr_field three = { { "content-length", 14 }, { "3", 1 } };
	static const struct fr_field many = { { "content-length", 14 }, { "99999", 5 } };
	struct fr_field echo = { { "x-path", 6 }, fr_exchange_head(x)->path };
	struct seen *s = seen_of(x);
	size_t len;
	char *text;
	int err;

	switch (s->kind) {
	case 'a':
		fr_exchange_abort(x);
		return;
	case 'b': /* more than announced: refused, and the connection can't be used further */
		answer_in_pieces(x, FR_FRAMING_LENGTH, &three, 1, 200);
		return;
	case 'c':
		answer_in_pieces(x, FR_FRAMING_CHUNKED, NULL, 0, 200);
		return;
	case 'f': /* fewer than announced */
		answer_in_pieces(x, FR_FRAMING_LENGTH, &many, 1, 200);
		return;
	case 'w':
		if (fr_exchange_start(x, 200, NULL, 0, FR_FRAMING_CHUNKED) < 0)
			fr_exchange_abort(x);
		else
			write_more(x);
		return;
	case 'l':
		answer_in_pieces(x, FR_FRAMING_LENGTH, NULL, 0, 203);
		return;
	case 'n':
		answer_in_pieces(x, FR_FRAMING_LENGTH, NULL, 0, 204);
		return;
	case 'g':
		if (fr_exchange_reply(x, 200, BYTES("text/plain"), NULL, 0, large, sizeof large,
		                      NULL, NULL) < 0)
			fr_exchange_abort(x);
		return;
	default:
		text = report(x, &len);
		err = fr_exchange_reply(x, 200, BYTES("text/plain"), &echo, 1, text, len, release,
		                        text);
		/* A decoded path may hold anything; no line of it reaches the head. */
		CHECK((err == FR_EINVAL) == has_control(echo.value));
		if (err == FR_EINVAL)
			err = fr_exchange_reply(x, 299, BYTES("text/plain"), NULL, 0, "?", 1, NULL,
			                        NULL);
		if (err < 0)
			fr_exchange_abort(x);
	}
}

static void on_request(void *data, struct fr_exchange *x)
{
	struct seen *s = seen_of(x);
	struct fr_bytes body = fr_exchange_body(x);

	(void)data;
	CHECK(!s->requested);
	s->requested = true;
	if (s->stream) {
		if (s->kind == 'e') /* before it has seen the body */
			answer(x);
		return;
	}
	s->len = body.len;
	s->sum = add(0, body.p, body.len);
	if (s->kind == 'd')
		waiting = x;
	else
		answer(x);
}

static void on_body(void *data, struct fr_exchange *x, const char *p, size_t len, bool last)
{
	struct seen *s = seen_of(x);

	(void)data;
	CHECK(s->stream && s->requested && !s->last && paused != x);
	s->sum = add(s->sum, p, len);
	s->len += len;
	s->last = last;
	if (last && s->kind != 'e') {
		answer(x);
	} else if (s->kind == 'p') {
		fr_exchange_pause(x);
		paused = x;
	}
}

static void on_drain(void *data, struct fr_exchange *x)
{
	(void)data;
	if (seen_of(x)->writes)
		write_more(x);
}

static void on_half_close(void *data, struct fr_exchange *x)
{
	struct seen *s = seen_of(x);

	(void)data;
	CHECK(s->requested && !s->half_closed);
	s->half_closed = true;
}

static void on_close(void *data, struct fr_exchange *x, bool ok)
{
	(void)data;
	(void)ok;
	if (waiting == x)
		waiting = NULL;
	if (paused == x)
		paused = NULL;
	free(seen_of(x));
}

/* What the application does at a later time; the letter after 'd' says how it answers. */
static bool between(void)
{
	struct fr_exchange *x = waiting;
	bool busy = x || paused;

	if (++turns % 3)
		return busy;
	waiting = NULL;
	if (x) {
		const struct fr_head *head = fr_exchange_head(x);

		seen_of(x)->kind = head->path.len > 2 ? head->path.p[2] : '/';
		answer(x);
	}
	x = paused;
	paused = NULL;
	if (x)
		fr_exchange_resume(x);
	return busy;
}

static uint8_t *expand(const uint8_t *data, size_t size, bool runs, size_t *ret_len)
{
	uint8_t *out = malloc(MAX_INPUT);
	size_t len = 0;

	CHECK(out);
	for (size_t i = 0; i < size && len < MAX_INPUT; i++) {
		size_t n = 1;

		if (runs && data[i] == 1 && size - i > 2) {
			n = data[i + 1] * 256u;
			i += 2;
		}
		if (n > MAX_INPUT - len)
			n = MAX_INPUT - len;
		memset(out + len, data[i], n);
		len += n;
	}
	*ret_len = len;
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fr_app app = { .on_head = on_head,
		                           .on_request = on_request,
		                           .on_body = on_body,
		                           .on_drain = on_drain,
		                           .on_close = on_close,
		                           .on_half_close = on_half_close };
	struct fr_net_limits limits;
	char *whole, *pieces;
	size_t whole_len, pieces_len, step, len;
	uint8_t *input;
	unsigned wild;

	fr_net_limits_init(&limits);
	limits.uri = 200;
	limits.header_bytes = 40000;
	limits.headers = 12;
	limits.body = 100000;
	limits.chunk_extensions = 50;
	limits.trailer_bytes = 50;
	limits.write_queue = 10000;
	limits.pipeline = 4;
	if (size < 3)
		return 0;
	memset(large, 'x', sizeof large);
	wild = data[0] & WIRE_WILD;
	input = expand(data + 2, size - 2, data[0] & RUNS, &len);
	step = 1 + data[1];
	if (step < len / 64)
		step = len / 64;
	turns = 0;
	pieces = wire_run(&app, &limits, input, len, step, wild, between, &pieces_len);
	if (len && !wild) {
		whole = wire_run(&app, &limits, input, len, len, wild, between, &whole_len);
		wire_compare(whole, whole_len, pieces, pieces_len);
		free(whole);
	}
	free(pieces);
	free(input);
	return 0;
}

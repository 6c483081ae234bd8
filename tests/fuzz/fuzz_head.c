/*
 * The head parser: bytes that come in pieces mean what they mean whole, and
 * whatever is accepted keeps its promises; so does a WebSocket handshake.
 *
 * Input: a byte that says how long the pieces are, then the bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/parse.h"
#include "http/ws.h"
#include "tests/fuzz/check.h"

#define FIELDS 20

static const struct fr_parse_limits limits = {
	.uri = 200,
	.header_bytes = 1000,
	.headers = FIELDS,
	.chunk_extensions = 50,
	.trailer_bytes = 50,
};

struct side {
	struct fr_parser p;
	struct fr_field fields[FIELDS];
	char *data;
};

static int parse(struct side *s, const uint8_t *data, size_t size, size_t step)
{
	size_t have = 0;
	int r = FR_PARSE_MORE;

	fr_parser_init(&s->p, &limits, s->fields);
	s->data = malloc(size + 1);
	CHECK(s->data);
	memcpy(s->data, data, size);
	fr_parser_begin(&s->p, s->data);
	while (r == FR_PARSE_MORE && have < size) {
		char *moved;

		have = size - have > step ? have + step : size;
		r = fr_parse_head(&s->p, have);
		if (r != FR_PARSE_MORE)
			break;
		moved = malloc(size + 1);
		CHECK(moved);
		memcpy(moved, s->data, size);
		fr_parser_move(&s->p, moved);
		free(s->data);
		s->data = moved;
	}
	return r;
}

static void same(struct fr_bytes a, struct fr_bytes b)
{
	CHECK(a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len)));
}

static void check_head(const struct fr_parser *p)
{
	const struct fr_head *h = &p->head;
	unsigned hosts = 0;

	CHECK(h->method.len && h->target.len && h->raw_path.len && h->path.len <= h->raw_path.len);
	CHECK(h->target.len <= limits.uri && h->nfields <= FIELDS);
	CHECK(p->head_len <= limits.header_bytes);
	CHECK(h->major == 1 && h->minor <= 1);
	CHECK(!p->chunked || (h->minor == 1 && h->content_length < 0));
	for (size_t i = 0; i < h->nfields; i++) {
		const struct fr_field *f = &h->fields[i];

		hosts += f->name.len == 4 && !memcmp(f->name.p, "host", 4);
		CHECK(f->name.len);
		CHECK(!memchr(f->value.p, '\r', f->value.len) &&
		      !memchr(f->value.p, '\n', f->value.len) &&
		      !memchr(f->value.p, 0, f->value.len));
	}
	CHECK(hosts == 1 || (hosts == 0 && h->minor == 0));
}

static void check_handshake(const struct fr_head *h)
{
	const char *why = NULL;
	int status = fr_ws_handshake(h, &why);
	char accept[FR_WS_ACCEPT_BYTES + 1];

	CHECK(status == 0 || status == 101 || status == 400 || status == 426);
	if (status == 101) {
		CHECK(h->minor == 1 && h->method.len == 3 && !h->has_body);
		fr_ws_accept(h, accept);
		CHECK(strlen(accept) == FR_WS_ACCEPT_BYTES);
	} else if (status) {
		CHECK(why && *why);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct side whole, pieces;
	size_t step;
	int a, b;

	if (size < 2)
		return 0;
	step = 1 + data[0] % 64;
	data++;
	size--;
	a = parse(&whole, data, size, size);
	b = parse(&pieces, data, size, step);
	CHECK((a < 0) == (b < 0) && (a < 0 || a == b));
	if (a < 0) {
		CHECK(a <= -400 && a > -600 && whole.p.why && b <= -400 && pieces.p.why);
	} else if (a == FR_PARSE_DONE) {
		check_head(&whole.p);
		check_handshake(&whole.p.head);
		CHECK(whole.p.head_len == pieces.p.head_len);
		CHECK(whole.p.head.nfields == pieces.p.head.nfields);
		CHECK(whole.p.chunked == pieces.p.chunked);
		CHECK(whole.p.head.content_length == pieces.p.head.content_length);
		same(whole.p.head.path, pieces.p.head.path);
		same(whole.p.head.query, pieces.p.head.query);
		for (size_t i = 0; i < whole.p.head.nfields; i++) {
			same(whole.p.head.fields[i].name, pieces.p.head.fields[i].name);
			same(whole.p.head.fields[i].value, pieces.p.head.fields[i].value);
		}
	}
	fr_parser_fini(&whole.p);
	fr_parser_fini(&pieces.p);
	free(whole.data);
	free(pieces.data);
	return 0;
}

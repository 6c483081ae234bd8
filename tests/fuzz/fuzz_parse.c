/* The request parser: any bytes, in any pieces, give the same verdict. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/parse.h"

#define FIELDS 16

static const struct fr_parse_limits limits = {
	.uri = 200,
	.header_bytes = 1000,
	.headers = FIELDS,
	.chunk_extensions = 50,
	.trailer_bytes = 100,
};

struct verdict {
	int head;
	size_t head_len;
	int body;
	size_t used, body_len;
	uint64_t body_hash;
};

static void read_body(struct fr_parser *p, const char *data, size_t len, size_t piece,
                      struct verdict *v)
{
	struct fr_bytes part;
	size_t used;

	while (v->used < len && v->body != FR_PARSE_DONE && v->body >= 0) {
		size_t n = len - v->used < piece ? len - v->used : piece;

		v->body = fr_parse_chunked(p, data + v->used, n, &used, &part);
		if (v->body < 0)
			break;
		if (used > n)
			abort();
		v->used += used;
		if (v->body == FR_PARSE_PIECE) {
			for (size_t i = 0; i < part.len; i++)
				v->body_hash = v->body_hash * 31 + (unsigned char)part.p[i];
			v->body_len += part.len;
		} else if (v->body == FR_PARSE_MORE && used != n) {
			abort();
		}
	}
}

static struct verdict parse(const uint8_t *data, size_t size, size_t piece)
{
	struct verdict v = { 0 };
	struct fr_field fields[FIELDS];
	struct fr_parser p;
	char *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	fr_parser_init(&p, &limits, fields);
	fr_parser_begin(&p, copy);
	for (size_t have = 0; have < size && v.head == FR_PARSE_MORE;) {
		have = size - have < piece ? size : have + piece;
		v.head = fr_parse_head(&p, have);
	}
	if (v.head == FR_PARSE_DONE) {
		v.head_len = p.head_len;
		if (v.head_len > size)
			abort();
		if (p.chunked)
			read_body(&p, copy + v.head_len, size - v.head_len, piece, &v);
	}
	fr_parser_fini(&p);
	free(copy);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verdict whole = parse(data, size, SIZE_MAX);

	for (size_t piece = 1; piece < 8; piece += 3) {
		struct verdict parts = parse(data, size, piece);

		/* Which of several errors is seen first may depend on the pieces; that there is one may not. */
		if ((whole.head < 0) != (parts.head < 0) || (whole.body < 0) != (parts.body < 0))
			abort();
		if (whole.head == FR_PARSE_DONE && whole.head_len != parts.head_len)
			abort();
		if (whole.body == FR_PARSE_DONE &&
		    (whole.body_len != parts.body_len || whole.body_hash != parts.body_hash ||
		     whole.used != parts.used))
			abort();
	}
	return 0;
}

/*
 * Chunked bodies: pieces of any length give the same body and the same end.
 *
 * Input: a byte that says how long the pieces are, then the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/parse.h"
#include "tests/fuzz/check.h"

static const struct fr_parse_limits limits = {
	.uri = 100,
	.header_bytes = 200,
	.headers = 4,
	.chunk_extensions = 50,
	.trailer_bytes = 50,
};

struct result {
	int r; /* negative: refused; else whether the body has ended */
	char *body;
	size_t len, used;
};

static struct result parse(const uint8_t *data, size_t size, size_t step)
{
	char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct fr_field fields[4];
	struct result res = { 0 };
	struct fr_parser p;
	size_t at = 0;

	res.body = malloc(size + 1);
	CHECK(res.body);
	fr_parser_init(&p, &limits, fields);
	fr_parser_begin(&p, head);
	CHECK(fr_parse_head(&p, sizeof(head) - 1) == FR_PARSE_DONE && p.chunked);
	while (at < size && res.r != FR_PARSE_DONE) {
		size_t n = size - at < step ? size - at : step, from = 0;
		char *copy = malloc(n);

		CHECK(copy);
		memcpy(copy, data + at, n);
		while (from < n && res.r >= 0 && res.r != FR_PARSE_DONE) {
			struct fr_bytes piece = { NULL, 0 };
			size_t used = 0;

			res.r = fr_parse_chunked(&p, copy + from, n - from, &used, &piece);
			if (res.r < 0)
				break;
			CHECK(used <= n - from && (used || res.r == FR_PARSE_DONE));
			from += used;
			if (res.r == FR_PARSE_PIECE) {
				CHECK(piece.len && piece.p >= copy &&
				      piece.p + piece.len <= copy + n);
				memcpy(res.body + res.len, piece.p, piece.len);
				res.len += piece.len;
			}
		}
		free(copy);
		if (res.r < 0)
			break;
		at += from;
	}
	res.used = at;
	if (res.r >= 0)
		res.r = res.r == FR_PARSE_DONE;
	fr_parser_fini(&p);
	return res;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result whole, pieces;

	if (size < 2)
		return 0;
	whole = parse(data + 1, size - 1, size - 1);
	pieces = parse(data + 1, size - 1, 1 + data[0] % 64);
	CHECK((whole.r < 0) == (pieces.r < 0));
	if (whole.r >= 0) {
		CHECK(whole.r == pieces.r && whole.len == pieces.len && whole.used == pieces.used);
		CHECK(!memcmp(whole.body, pieces.body, whole.len));
	}
	free(whole.body);
	free(pieces.body);
	return 0;
}

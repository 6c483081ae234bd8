#include <string.h>

#include "http/parse.h"
#include "http/parse_private.h"

static int refuse(struct fr_parser *p, int status, const char *why)
{
	p->why = why;
	return -status;
}

/*
 * The bytes between two pieces: chunk sizes, extensions, trailers.  llhttp
 * has read them; this counts them, and refuses line ends other than CRLF and
 * control characters whatever llhttp thinks of them.
 */
static int watch_line(struct fr_parser *p, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (p->trailers && ++p->trailer_bytes > p->limits->trailer_bytes)
			return refuse(p, 431, "the trailers are too large");
		if (c == '\n') {
			if (!p->cr)
				return refuse(p, 400, "malformed chunked body");
			p->cr = p->in_extension = false;
			p->digits = 0;
		} else if (p->cr || (c < 32 && c != '\r' && c != '\t') || c == 127) {
			return refuse(p, 400, "malformed chunked body");
		} else if (c == '\r') {
			p->cr = true;
		} else if (p->trailers) {
			continue;
		} else if (p->in_extension || c == ';') {
			p->in_extension = true;
			if (++p->extension_bytes > p->limits->chunk_extensions)
				return refuse(p, 413, "the chunk extensions are too large");
		} else if (++p->digits > 16) {
			return refuse(p, 400, "malformed chunk size");
		}
	}
	return 0;
}

int fr_parse_chunked(struct fr_parser *p, const char *data, size_t len, size_t *ret_used,
                     struct fr_bytes *ret_piece)
{
	size_t taken = 0;

	while (taken < len) {
		const char *at = data + taken;
		size_t n = len - taken, used;
		int err;

		if (p->chunk_left) {
			if (n > p->chunk_left)
				n = (size_t)p->chunk_left;
			err = fr_parser_execute(p, at, n, &used);
			if (err)
				return err;
			p->chunk_left -= n;
			*ret_used = taken + n;
			*ret_piece = (struct fr_bytes){ at, n };
			return FR_PARSE_PIECE;
		}
		p->paused_at_chunk = false;
		err = fr_parser_execute(p, at, n, &used);
		if (err)
			return err;
		err = watch_line(p, at, used);
		if (err)
			return err;
		taken += used;
		if (p->message_complete) {
			*ret_used = taken;
			return FR_PARSE_DONE;
		}
		if (p->paused_at_chunk) {
			if (p->chunk_left > INT64_MAX)
				return refuse(p, 413, "the body is too large");
			if (!p->chunk_left)
				p->trailers = true;
		}
	}
	*ret_used = len;
	return FR_PARSE_MORE;
}

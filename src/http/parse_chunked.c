#include <string.h>

#include "http/parse.h"
#include "http/parse_private.h"

#define MAX_DIGITS 16 /* of a chunk's size */

static int refuse(struct fr_parser *p, int status, const char *why)
{
	p->why = why;
	return -status;
}

/*
 * Between two pieces stand the line end of the last one and a size; llhttp
 * is given them line by line.  Line ends other than CRLF and control
 * characters are refused here, whatever llhttp thinks of them.
 */
static int check_framing(struct fr_parser *p, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n') {
			if (!p->cr)
				return refuse(p, 400, "malformed chunked body");
			p->cr = false;
			p->digits = 0;
		} else if (p->cr || (c < 32 && c != '\r' && c != '\t') || c == 127) {
			return refuse(p, 400, "malformed chunked body");
		} else if (c == '\r') {
			p->cr = true;
		} else if (!p->trailers && ++p->digits > MAX_DIGITS) {
			return refuse(p, 400, "malformed chunk size");
		}
	}
	return 0;
}

/*
 * Extensions mean nothing to us and are kept from llhttp, whose older
 * versions refuse valid ones.  Takes them up to the CR that ends the line.
 */
static int skip_extension(struct fr_parser *p, const char *data, size_t len, size_t *ret_used)
{
	size_t i;

	for (i = 0; i < len && data[i] != '\r'; i++) {
		unsigned char c = (unsigned char)data[i];

		if ((c < 32 && c != '\t') || c == 127)
			return refuse(p, 400, "malformed chunk extension");
		if (++p->extension_bytes > p->limits->chunk_extensions)
			return refuse(p, 413, "the chunk extensions are too large");
	}
	p->in_extension = i == len;
	*ret_used = i;
	return 0;
}

/* A line of framing, or a part of one. */
static int take_line(struct fr_parser *p, const char *data, size_t len, size_t *ret_used)
{
	const char *end = memchr(data, '\n', len), *semi;
	int err;

	if (p->in_extension)
		return skip_extension(p, data, len, ret_used);
	if (end)
		len = (size_t)(end + 1 - data);
	semi = memchr(data, ';', len);
	if (semi == data) {
		if (!p->digits)
			return refuse(p, 400, "malformed chunk size");
		p->in_extension = true;
		*ret_used = 0;
		return 0;
	}
	if (semi)
		len = (size_t)(semi - data);
	err = check_framing(p, data, len);
	if (!err)
		err = fr_parser_execute(p, data, len, ret_used);
	return err;
}

static int take_trailers(struct fr_parser *p, const char *data, size_t len, size_t *ret_used)
{
	size_t most = p->limits->trailer_bytes + 2; /* the empty line that ends them is none */
	size_t room = most - p->trailer_bytes + 1;
	int err = fr_parser_execute(p, data, len < room ? len : room, ret_used);

	if (!err)
		err = check_framing(p, data, *ret_used);
	if (err)
		return err;
	p->trailer_bytes += *ret_used;
	if (p->trailer_bytes > most)
		return refuse(p, 431, "the trailers are too large");
	return 0;
}

int fr_parse_chunked(struct fr_parser *p, const char *data, size_t len, size_t *ret_used,
                     struct fr_bytes *ret_piece)
{
	size_t taken = 0;

	while (taken < len) {
		const char *at = data + taken;
		size_t n = len - taken, used = 0;
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
		err = p->trailers ? take_trailers(p, at, n, &used) : take_line(p, at, n, &used);
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
			p->trailers = !p->chunk_left;
		}
	}
	*ret_used = len;
	return FR_PARSE_MORE;
}

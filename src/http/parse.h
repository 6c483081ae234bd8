/*
 * The HTTP/1.x request parser: bytes in, a checked head and body pieces out.
 *
 * The only user of llhttp.  It adds what llhttp leaves open: one valid Host,
 * single spaces, no bare CR or LF, no folding, unambiguous framing, limits.
 * The message stays where the caller received it: names are lower-cased in
 * place, spans point into the caller's buffer, and fr_parser_move follows a
 * buffer that moves.  One parser serves one message at a time; whoever owns
 * the parser owns the thread.
 */
#ifndef FR_HTTP_PARSE_H
#define FR_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "http/head.h"

struct fr_parse_limits {
	size_t uri; /* bytes of the target */
	size_t header_bytes; /* of the head, request line included */
	size_t headers; /* number of fields: room in the array given to init */
	size_t chunk_extensions; /* bytes in one body */
	size_t trailer_bytes;
};

/* What fr_parse_head and fr_parse_chunked return; an error is a negative HTTP status. */
enum fr_parse_step {
	FR_PARSE_MORE = 0, /* all bytes were taken, more are needed */
	FR_PARSE_PIECE = 1, /* a piece of the body */
	FR_PARSE_DONE = 2, /* the head, or the whole body, is there */
};

struct fr_parser {
	struct fr_head head; /* valid after FR_PARSE_DONE of the head */
	bool chunked;
	bool expect_continue;
	size_t head_len; /* bytes of the head */
	const char *why; /* after an error: what was wrong, for the log and the client */

	/* private */
	const struct fr_parse_limits *limits;
	struct fr_field *fields;
	size_t nfields;
	char *base;
	size_t fed;
	struct fr_bytes version;
	int status; /* set by a callback that stops the parser */
	unsigned mended; /* how often llhttp was started again */
	size_t mended_to; /* where white space that was made spaces ends, so far */
	bool in_head;
	bool paused_at_chunk;
	bool message_complete;
	bool trailers;
	bool cr; /* the last byte of a framing line was CR */
	bool in_extension;
	unsigned digits;
	uint64_t chunk_left;
	size_t extension_bytes;
	size_t trailer_bytes;
	char *scratch; /* the decoded path, when it differs */
	size_t scratch_cap;
	uint64_t ll[24]; /* llhttp's own state */
};

/* fields: limits->headers of them; both must outlive the parser. */
void fr_parser_init(struct fr_parser *p, const struct fr_parse_limits *limits,
                    struct fr_field *fields);
void fr_parser_fini(struct fr_parser *p);

/* Begins a message that starts at base. */
void fr_parser_begin(struct fr_parser *p, char *base);

/* The bytes of the unfinished head were moved to base. */
void fr_parser_move(struct fr_parser *p, char *base);

/*
 * len: how many bytes are at base by now (with those of earlier calls).
 * FR_PARSE_MORE, FR_PARSE_DONE (p->head, p->head_len), or a negative status.
 */
int fr_parse_head(struct fr_parser *p, size_t len) FR_MUST_CHECK;

/*
 * A chunked body, from the first byte after the head on.  Takes *ret_used
 * bytes.  FR_PARSE_PIECE: *ret_piece points into what was given; call again
 * with the rest.
 */
int fr_parse_chunked(struct fr_parser *p, const char *data, size_t len, size_t *ret_used,
                     struct fr_bytes *ret_piece) FR_MUST_CHECK;

/* "8.1.0", of the llhttp in use. */
const char *fr_parse_llhttp_version(void);

#endif

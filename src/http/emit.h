/*
 * Writes response heads: status line, date, server, framing, fields.
 *
 * The caller measures with fr_emit_bound, provides the room, and gets the
 * end back.  Fields are to be checked first: nothing that an application
 * puts into a name or a value can begin another line.  Any thread, one
 * fr_emit_date each.
 */
#ifndef FR_HTTP_EMIT_H
#define FR_HTTP_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "http/head.h"

/* "date: ...\r\nserver: fastrapid\r\n", made again when the second changes. */
struct fr_emit_date {
	time_t second;
	size_t len; /* of the date line alone */
	size_t both; /* with the server line */
	char text[80];
};

void fr_emit_date_set(struct fr_emit_date *d, time_t now);

struct fr_emit {
	unsigned status;
	const struct fr_emit_date *date;
	bool own_date, own_server; /* the fields bring their own */
	int64_t content_length; /* -1: none */
	struct fr_bytes content_type; /* len 0: none */
	const struct fr_field *fields;
	size_t nfields;
	bool chunked; /* transfer-encoding: chunked */
	const char *connection; /* NULL, "close" or "keep-alive" */
};

/* What the fields of an answer say that framing has to know. */
struct fr_emit_facts {
	int64_t content_length; /* -1: none */
	bool own_date, own_server;
	bool close; /* connection: close was asked for */
	bool chunked; /* transfer-encoding: chunked was asked for */
};

/*
 * Checks every name and value; 0 or FR_EINVAL.  Fields named connection and
 * transfer-encoding only count as facts: fr_emit_head leaves them out.
 */
int fr_emit_check(const struct fr_field *fields, size_t nfields,
                  struct fr_emit_facts *ret) FR_MUST_CHECK;

/* Whether these bytes can stand as a field's value. */
bool fr_emit_value_valid(struct fr_bytes value);

/* At most so many bytes are written by fr_emit_head. */
size_t fr_emit_bound(const struct fr_emit *e);

/* Writes the head, the empty line included; returns its end. */
char *fr_emit_head(const struct fr_emit *e, char *p);

/* The reason phrase as Python's http.HTTPStatus has it; "" if it has none. */
const char *fr_emit_phrase(unsigned status);

/* Decimal digits of n; returns their end.  Room: 20. */
char *fr_emit_number(char *p, uint64_t n);

/* "%zx\r\n" of a chunk; returns its end.  Room: 18. */
char *fr_emit_chunk_size(char *p, size_t len);

#endif

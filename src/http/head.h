/*
 * A request's head as plain spans: what the parser fills and everyone reads.
 *
 * Spans point into the connection's buffer and own nothing.  Any thread, as
 * long as the exchange that pins the buffer lives.
 */
#ifndef FR_HTTP_HEAD_H
#define FR_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fr_bytes {
	const char *p;
	size_t len;
};

struct fr_field {
	struct fr_bytes name; /* lower case in requests */
	struct fr_bytes value; /* without surrounding white space */
};

/* A request's head, valid and checked (RFC 9110, 9112). */
struct fr_head {
	struct fr_bytes method;
	struct fr_bytes target; /* as received */
	struct fr_bytes raw_path; /* target up to '?', still percent-encoded; never empty */
	struct fr_bytes path; /* percent-decoded bytes of it (not checked for UTF-8) */
	struct fr_bytes query; /* after '?', as received; empty if none */
	uint8_t major, minor;
	bool keep_alive;
	bool has_body; /* a non-empty body is announced */
	int64_t content_length; /* -1: chunked or none */
	const struct fr_field *fields;
	size_t nfields;
};

#endif

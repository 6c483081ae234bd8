/*
 * A growable buffer that must be told its maximum.
 *
 * For text and bytes whose size a peer or a file decides: the caller names
 * the limit at init, and an append beyond it is FR_ELIMIT and changes
 * nothing.  The contents are followed by a NUL that does not count.  The
 * struct is the caller's, the bytes are the buffer's until fr_buf_take().
 * Any thread, one at a time.
 */
#ifndef FR_BASE_BUF_H
#define FR_BASE_BUF_H

#include <stddef.h>

#include "base/err.h"

struct fr_buf {
	char *p; /* NULL until the first append */
	size_t len;
	size_t cap; /* allocated, without the NUL */
	size_t max;
};

void fr_buf_init(struct fr_buf *buf, size_t max);
void fr_buf_fini(struct fr_buf *buf);

/* FR_ENOMEM or FR_ELIMIT; buf is then as it was. */
FR_MUST_CHECK enum fr_err fr_buf_add(struct fr_buf *buf, const void *bytes, size_t len);
FR_MUST_CHECK enum fr_err fr_buf_puts(struct fr_buf *buf, const char *text);
FR_MUST_CHECK enum fr_err fr_buf_printf(struct fr_buf *buf, const char *fmt, ...) FR_PRINTF(2, 3);

/* Room for len more bytes at *ret_room; fr_buf_commit() says how many were written there. */
FR_MUST_CHECK enum fr_err fr_buf_reserve(struct fr_buf *buf, size_t len, char **ret_room);
void fr_buf_commit(struct fr_buf *buf, size_t len);

/* Empties it and keeps the memory. */
void fr_buf_clear(struct fr_buf *buf);

/* The contents, NUL-terminated, now the caller's to free(); NULL if nothing was ever added. */
char *fr_buf_take(struct fr_buf *buf, size_t *ret_len);

#endif

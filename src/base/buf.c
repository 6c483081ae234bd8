#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

void fr_buf_init(struct fr_buf *buf, size_t max)
{
	*buf = (struct fr_buf){ .max = max };
}

void fr_buf_fini(struct fr_buf *buf)
{
	free(buf->p);
	fr_buf_init(buf, buf->max);
}

enum fr_err fr_buf_reserve(struct fr_buf *buf, size_t len, char **ret_room)
{
	size_t cap;
	char *p;

	if (len > buf->max - buf->len)
		return FR_ELIMIT;
	if (!buf->p || len > buf->cap - buf->len) {
		cap = buf->cap <= buf->max / 2 ? buf->cap * 2 : buf->max;
		if (cap < FIRST_CAP)
			cap = FIRST_CAP;
		if (cap < buf->len + len)
			cap = buf->len + len;
		if (cap > buf->max)
			cap = buf->max;
		p = realloc(buf->p, cap + 1);
		if (!p)
			return FR_ENOMEM;
		buf->p = p;
		buf->cap = cap;
		p[buf->len] = '\0';
	}
	*ret_room = buf->p + buf->len;
	return FR_OK;
}

void fr_buf_commit(struct fr_buf *buf, size_t len)
{
	assert(buf->p && len <= buf->cap - buf->len);
	buf->len += len;
	buf->p[buf->len] = '\0';
}

enum fr_err fr_buf_add(struct fr_buf *buf, const void *bytes, size_t len)
{
	enum fr_err err;
	char *room;

	err = fr_buf_reserve(buf, len, &room);
	if (err)
		return err;
	if (len)
		memcpy(room, bytes, len);
	fr_buf_commit(buf, len);
	return FR_OK;
}

enum fr_err fr_buf_puts(struct fr_buf *buf, const char *text)
{
	return fr_buf_add(buf, text, strlen(text));
}

enum fr_err fr_buf_printf(struct fr_buf *buf, const char *fmt, ...)
{
	enum fr_err err;
	va_list args;
	char *room;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return FR_EINVAL;
	err = fr_buf_reserve(buf, (size_t)len, &room);
	if (err)
		return err;
	va_start(args, fmt);
	vsnprintf(room, (size_t)len + 1, fmt, args);
	va_end(args);
	fr_buf_commit(buf, (size_t)len);
	return FR_OK;
}

void fr_buf_clear(struct fr_buf *buf)
{
	buf->len = 0;
	if (buf->p)
		buf->p[0] = '\0';
}

char *fr_buf_take(struct fr_buf *buf, size_t *ret_len)
{
	char *p = buf->p;

	if (ret_len)
		*ret_len = buf->len;
	fr_buf_init(buf, buf->max);
	return p;
}

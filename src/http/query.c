#include "http/query.h"

#include <stdint.h>
#include <string.h>

void fr_query_init(struct fr_query *q, struct fr_bytes text)
{
	q->p = text.p;
	q->end = text.p + text.len;
}

bool fr_query_next(struct fr_query *q, struct fr_query_pair *ret)
{
	while (q->p < q->end) {
		const char *p = q->p;
		const char *amp = memchr(p, '&', (size_t)(q->end - p));
		const char *end = amp ? amp : q->end;
		const char *eq;

		q->p = amp ? amp + 1 : q->end;
		if (p == end)
			continue;
		eq = memchr(p, '=', (size_t)(end - p));
		ret->name = (struct fr_bytes){ p, (size_t)((eq ? eq : end) - p) };
		p = eq ? eq + 1 : end;
		ret->value = (struct fr_bytes){ p, (size_t)(end - p) };
		return true;
	}
	return false;
}

bool fr_query_is_ascii(struct fr_bytes text)
{
	size_t i = 0;

	for (; i + 8 <= text.len; i += 8) {
		uint64_t word;

		memcpy(&word, text.p + i, 8);
		if (word & 0x8080808080808080u)
			return false;
	}
	for (; i < text.len; i++)
		if ((unsigned char)text.p[i] & 0x80)
			return false;
	return true;
}

bool fr_query_is_encoded(struct fr_bytes raw)
{
	for (size_t i = 0; i < raw.len; i++)
		if (raw.p[i] == '%' || raw.p[i] == '+')
			return true;
	return false;
}

static int hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The decoded byte at *p, which moves past it. */
static char take(const char **p, const char *end)
{
	char c = *(*p)++;
	int hi, lo;

	if (c == '+')
		return ' ';
	if (c == '%' && end - *p >= 2 && (hi = hex((unsigned char)(*p)[0])) >= 0 &&
	    (lo = hex((unsigned char)(*p)[1])) >= 0) {
		*p += 2;
		return (char)(hi << 4 | lo);
	}
	return c;
}

size_t fr_query_decode(struct fr_bytes raw, char *dst)
{
	const char *p = raw.p, *end = raw.p + raw.len;
	size_t n = 0;

	while (p < end)
		dst[n++] = take(&p, end);
	return n;
}

bool fr_query_equals(struct fr_bytes raw, struct fr_bytes decoded)
{
	const char *p = raw.p, *end = raw.p + raw.len;
	size_t n = 0;

	if (raw.len < decoded.len)
		return false;
	while (p < end) {
		if (n == decoded.len || take(&p, end) != decoded.p[n])
			return false;
		n++;
	}
	return n == decoded.len;
}

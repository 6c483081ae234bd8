#include "http/uri.h"

#include <string.h>
#include <strings.h>

static int hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

size_t fr_uri_decode(struct fr_bytes src, char *dst)
{
	const char *p = src.p, *end = src.p + src.len;
	char *out = dst;

	while (p < end) {
		const char *pct = memchr(p, '%', (size_t)(end - p));
		size_t plain = (size_t)((pct ? pct : end) - p);
		int hi, lo;

		if (plain) {
			memmove(out, p, plain);
			out += plain;
			p += plain;
		}
		if (!pct)
			break;
		if (end - p >= 3 && (hi = hex((unsigned char)p[1])) >= 0 &&
		    (lo = hex((unsigned char)p[2])) >= 0) {
			*out++ = (char)(hi << 4 | lo);
			p += 3;
		} else {
			*out++ = *p++;
		}
	}
	return (size_t)(out - dst);
}

/* unreserved, sub-delims of RFC 3986 */
static bool is_regname(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~!$&'()*+,;=", c));
}

static bool port_valid(const char *p, const char *end)
{
	unsigned long port = 0;

	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		port = port * 10 + (unsigned long)(*p - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

/* What stands between '[' and ']': hex digits, colons and dots, or a future form. */
static bool literal_valid(const char *p, const char *end)
{
	if (p == end)
		return false;
	if (*p == 'v' || *p == 'V') {
		const char *dot = memchr(p, '.', (size_t)(end - p));

		if (!dot || dot == p + 1 || dot + 1 == end)
			return false;
		for (p++; p < dot; p++)
			if (hex((unsigned char)*p) < 0)
				return false;
		for (p = dot + 1; p < end; p++)
			if (!is_regname((unsigned char)*p) && *p != ':')
				return false;
		return true;
	}
	if (!memchr(p, ':', (size_t)(end - p)))
		return false;
	for (; p < end; p++)
		if (hex((unsigned char)*p) < 0 && *p != ':' && *p != '.')
			return false;
	return true;
}

bool fr_uri_host_valid(struct fr_bytes host)
{
	const char *p = host.p, *end = host.p + host.len;

	if (host.len && *p == '[') {
		const char *close = memchr(p, ']', host.len);

		if (!close || !literal_valid(p + 1, close))
			return false;
		p = close + 1;
	} else {
		for (; p < end && *p != ':'; p++) {
			if (*p == '%') {
				if (end - p < 3 || hex((unsigned char)p[1]) < 0 ||
				    hex((unsigned char)p[2]) < 0)
					return false;
				p += 2;
			} else if (!is_regname((unsigned char)*p)) {
				return false;
			}
		}
		if (p == host.p && p < end)
			return false; /* a port without a host */
	}
	if (p == end)
		return true;
	return *p == ':' && port_valid(p + 1, end);
}

int fr_uri_split(struct fr_bytes target, bool options, struct fr_target *ret)
{
	const char *p = target.p, *end = target.p + target.len;
	struct fr_target t = { 0 };
	const char *q;

	if (!target.len || memchr(p, '#', target.len))
		return FR_EINVAL;
	if (*p == '*') {
		if (target.len != 1 || !options)
			return FR_EINVAL;
		t.path = target;
		t.query.p = end;
		*ret = t;
		return 0;
	}
	if (*p != '/') {
		size_t scheme;

		if (target.len > 7 && !strncasecmp(p, "http://", 7))
			scheme = 7;
		else if (target.len > 8 && !strncasecmp(p, "https://", 8))
			scheme = 8;
		else
			return FR_EINVAL;
		p += scheme;
		t.authority.p = p;
		while (p < end && *p != '/' && *p != '?')
			p++;
		t.authority.len = (size_t)(p - t.authority.p);
		if (!t.authority.len || !fr_uri_host_valid(t.authority))
			return FR_EINVAL;
	}
	q = memchr(p, '?', (size_t)(end - p));
	t.path.p = p;
	t.path.len = (size_t)((q ? q : end) - p);
	if (!t.path.len)
		t.path = (struct fr_bytes){ "/", 1 };
	t.query.p = q ? q + 1 : end;
	t.query.len = (size_t)(end - t.query.p);
	*ret = t;
	return 0;
}

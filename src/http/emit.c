#include "http/emit.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const phrases[600] = {
	[100] = "Continue",
	[101] = "Switching Protocols",
	[102] = "Processing",
	[103] = "Early Hints",
	[200] = "OK",
	[201] = "Created",
	[202] = "Accepted",
	[203] = "Non-Authoritative Information",
	[204] = "No Content",
	[205] = "Reset Content",
	[206] = "Partial Content",
	[207] = "Multi-Status",
	[208] = "Already Reported",
	[226] = "IM Used",
	[300] = "Multiple Choices",
	[301] = "Moved Permanently",
	[302] = "Found",
	[303] = "See Other",
	[304] = "Not Modified",
	[305] = "Use Proxy",
	[307] = "Temporary Redirect",
	[308] = "Permanent Redirect",
	[400] = "Bad Request",
	[401] = "Unauthorized",
	[402] = "Payment Required",
	[403] = "Forbidden",
	[404] = "Not Found",
	[405] = "Method Not Allowed",
	[406] = "Not Acceptable",
	[407] = "Proxy Authentication Required",
	[408] = "Request Timeout",
	[409] = "Conflict",
	[410] = "Gone",
	[411] = "Length Required",
	[412] = "Precondition Failed",
	[413] = "Request Entity Too Large",
	[414] = "Request-URI Too Long",
	[415] = "Unsupported Media Type",
	[416] = "Requested Range Not Satisfiable",
	[417] = "Expectation Failed",
	[418] = "I'm a Teapot",
	[421] = "Misdirected Request",
	[422] = "Unprocessable Entity",
	[423] = "Locked",
	[424] = "Failed Dependency",
	[425] = "Too Early",
	[426] = "Upgrade Required",
	[428] = "Precondition Required",
	[429] = "Too Many Requests",
	[431] = "Request Header Fields Too Large",
	[451] = "Unavailable For Legal Reasons",
	[500] = "Internal Server Error",
	[501] = "Not Implemented",
	[502] = "Bad Gateway",
	[503] = "Service Unavailable",
	[504] = "Gateway Timeout",
	[505] = "HTTP Version Not Supported",
	[506] = "Variant Also Negotiates",
	[507] = "Insufficient Storage",
	[508] = "Loop Detected",
	[510] = "Not Extended",
	[511] = "Network Authentication Required",
};

const char *fr_emit_phrase(unsigned status)
{
	return status < 600 && phrases[status] ? phrases[status] : "";
}

static char *put(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}
#define PUT(p, text) put(p, text, sizeof(text) - 1)

void fr_emit_date_set(struct fr_emit_date *d, time_t now)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	if (d->len && d->second == now)
		return;
	gmtime_r(&now, &tm);
	d->second = now;
	d->len = (size_t)snprintf(
		d->text, sizeof(d->text), "date: %.3s, %02u %.3s %04u %02u:%02u:%02u GMT\r\n",
		days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon,
		(unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
		(unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
	d->both = (size_t)(PUT(d->text + d->len, "server: fastrapid\r\n") - d->text);
}

bool fr_emit_value_valid(struct fr_bytes value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < 32 && c != '\t') || c == 127)
			return false;
	}
	return true;
}

static bool name_valid(struct fr_bytes name)
{
	if (!name.len)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c <= 32 || c >= 127 || strchr("()<>@,;:\\\"/[]?={}", c))
			return false;
	}
	return true;
}

static bool is(struct fr_bytes b, const char *text, size_t len)
{
	return b.len == len && !strncasecmp(b.p, text, len);
}
#define IS(b, text) is(b, text, sizeof(text) - 1)

static int read_length(struct fr_bytes v, int64_t *ret)
{
	int64_t n = 0;

	if (!v.len || v.len > 18)
		return FR_EINVAL;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return FR_EINVAL;
		n = n * 10 + (v.p[i] - '0');
	}
	if (*ret >= 0 && *ret != n)
		return FR_EINVAL;
	*ret = n;
	return 0;
}

int fr_emit_check(const struct fr_field *fields, size_t nfields, struct fr_emit_facts *ret)
{
	struct fr_emit_facts facts = { .content_length = -1 };

	for (size_t i = 0; i < nfields; i++) {
		const struct fr_field *f = &fields[i];

		if (!name_valid(f->name) || !fr_emit_value_valid(f->value))
			return FR_EINVAL;
		if (IS(f->name, "content-length")) {
			if (read_length(f->value, &facts.content_length))
				return FR_EINVAL;
		} else if (IS(f->name, "date")) {
			facts.own_date = true;
		} else if (IS(f->name, "server")) {
			facts.own_server = true;
		} else if (IS(f->name, "connection")) {
			facts.close |= IS(f->value, "close");
		} else if (IS(f->name, "transfer-encoding")) {
			if (!IS(f->value, "chunked"))
				return FR_EINVAL;
			facts.chunked = true;
		}
	}
	if (facts.chunked && facts.content_length >= 0)
		return FR_EINVAL;
	*ret = facts;
	return 0;
}

size_t fr_emit_bound(const struct fr_emit *e)
{
	size_t n = 64 + sizeof(e->date->text) + 40 + 20 + e->content_type.len + 32 + 32 + 2;

	for (size_t i = 0; i < e->nfields; i++)
		n += e->fields[i].name.len + e->fields[i].value.len + 4;
	return n;
}

char *fr_emit_number(char *p, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return put(p, digits + i, sizeof(digits) - i);
}

char *fr_emit_chunk_size(char *p, size_t len)
{
	char digits[16];
	size_t i = sizeof(digits);

	do {
		digits[--i] = "0123456789abcdef"[len & 15];
		len >>= 4;
	} while (len);
	p = put(p, digits + i, sizeof(digits) - i);
	return PUT(p, "\r\n");
}

static char *put_status(char *p, unsigned status)
{
	const char *phrase = fr_emit_phrase(status);

	if (status == 200)
		return PUT(p, "HTTP/1.1 200 OK\r\n");
	p = PUT(p, "HTTP/1.1 ");
	*p++ = (char)('0' + status / 100 % 10);
	*p++ = (char)('0' + status / 10 % 10);
	*p++ = (char)('0' + status % 10);
	*p++ = ' ';
	p = put(p, phrase, strlen(phrase));
	return PUT(p, "\r\n");
}

/* Fields of the application that are not passed on: net frames, and 204 has no length. */
static bool is_dropped(const struct fr_emit *e, struct fr_bytes name)
{
	return IS(name, "connection") || IS(name, "transfer-encoding") ||
	       (e->status == 204 && IS(name, "content-length"));
}

char *fr_emit_head(const struct fr_emit *e, char *p)
{
	p = put_status(p, e->status);
	if (!e->own_date && !e->own_server)
		p = put(p, e->date->text, e->date->both);
	else if (!e->own_date)
		p = put(p, e->date->text, e->date->len);
	else if (!e->own_server)
		p = PUT(p, "server: fastrapid\r\n");
	if (e->content_length >= 0) {
		p = PUT(p, "content-length: ");
		p = fr_emit_number(p, (uint64_t)e->content_length);
		p = PUT(p, "\r\n");
	}
	if (e->content_type.len) {
		p = PUT(p, "content-type: ");
		p = put(p, e->content_type.p, e->content_type.len);
		p = PUT(p, "\r\n");
	}
	for (size_t i = 0; i < e->nfields; i++) {
		const struct fr_field *f = &e->fields[i];

		if (is_dropped(e, f->name))
			continue;
		p = put(p, f->name.p, f->name.len);
		p = PUT(p, ": ");
		p = put(p, f->value.p, f->value.len);
		p = PUT(p, "\r\n");
	}
	if (e->chunked)
		p = PUT(p, "transfer-encoding: chunked\r\n");
	if (e->connection) {
		p = PUT(p, "connection: ");
		p = put(p, e->connection, strlen(e->connection));
		p = PUT(p, "\r\n");
	}
	return PUT(p, "\r\n");
}

#include "http/parse.h"

#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/parse_private.h"
#include "http/uri.h"

#define MAX_MENDED 16

_Static_assert(sizeof(llhttp_t) <= sizeof(((struct fr_parser *)0)->ll), "room for llhttp");

/* Maps a field name's bytes to lower case; 0: not a token character. */
static const unsigned char token_lower[256] = {
	['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
	['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
	['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
	['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b',   ['c'] = 'c',
	['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',   ['j'] = 'j',
	['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',   ['q'] = 'q',
	['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',   ['x'] = 'x',
	['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',   ['E'] = 'e',
	['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',   ['L'] = 'l',
	['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',   ['S'] = 's',
	['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',   ['Z'] = 'z',
};

static struct fr_parser *parser_of(llhttp_t *ll)
{
	return ll->data;
}

static int stop(struct fr_parser *p, int status, const char *why)
{
	p->status = status;
	p->why = why;
	return HPE_USER;
}

/* A span that llhttp reports in parts continues where it ended. */
static void extend(struct fr_bytes *b, const char *at, size_t len)
{
	if (b->p && b->p + b->len == at) {
		b->len += len;
	} else {
		b->p = at;
		b->len = len;
	}
}

static int on_method(llhttp_t *ll, const char *at, size_t len)
{
	extend(&parser_of(ll)->head.method, at, len);
	return 0;
}

static int on_url(llhttp_t *ll, const char *at, size_t len)
{
	struct fr_parser *p = parser_of(ll);

	extend(&p->head.target, at, len);
	if (p->head.target.len > p->limits->uri)
		return stop(p, 414, "the request target is too long");
	return 0;
}

static int on_version(llhttp_t *ll, const char *at, size_t len)
{
	extend(&parser_of(ll)->version, at, len);
	return 0;
}

static int on_field(llhttp_t *ll, const char *at, size_t len)
{
	struct fr_parser *p = parser_of(ll);
	struct fr_field *f;

	if (!p->in_head)
		return 0; /* a trailer */
	if (p->nfields) {
		f = &p->fields[p->nfields - 1];
		if (f->name.p + f->name.len == at) {
			f->name.len += len;
			return 0;
		}
	}
	if (p->nfields == p->limits->headers)
		return stop(p, 431, "too many header fields");
	f = &p->fields[p->nfields++];
	f->name = (struct fr_bytes){ at, len };
	f->value = (struct fr_bytes){ NULL, 0 };
	return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t len)
{
	struct fr_parser *p = parser_of(ll);

	if (p->in_head && p->nfields)
		extend(&p->fields[p->nfields - 1].value, at, len);
	return 0;
}

static int on_headers_complete(llhttp_t *ll)
{
	/* Upgrades are not llhttp's business: the body is framed as ever. */
	ll->upgrade = 0;
	parser_of(ll)->in_head = false;
	return HPE_PAUSED;
}

static int on_chunk_header(llhttp_t *ll)
{
	struct fr_parser *p = parser_of(ll);

	p->chunk_left = ll->content_length;
	p->paused_at_chunk = true;
	return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *ll)
{
	parser_of(ll)->message_complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_method = on_method,
	.on_url = on_url,
	.on_version = on_version,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
	.on_chunk_header = on_chunk_header,
	.on_message_complete = on_message_complete,
};

void fr_parser_init(struct fr_parser *p, const struct fr_parse_limits *limits,
                    struct fr_field *fields)
{
	memset(p, 0, sizeof(*p));
	p->limits = limits;
	p->fields = fields;
}

void fr_parser_fini(struct fr_parser *p)
{
	free(p->scratch);
	p->scratch = NULL;
	p->scratch_cap = 0;
}

/* Back to the first byte of the message. */
static void restart(struct fr_parser *p)
{
	llhttp_t *ll = (llhttp_t *)(void *)p->ll;

	p->head = (struct fr_head){ .content_length = -1 };
	p->version = (struct fr_bytes){ NULL, 0 };
	p->chunked = p->expect_continue = false;
	p->head_len = 0;
	p->why = NULL;
	p->nfields = 0;
	p->fed = 0;
	p->status = 0;
	p->in_head = true;
	p->paused_at_chunk = p->message_complete = p->trailers = p->cr = p->in_extension = false;
	p->digits = 0;
	p->chunk_left = 0;
	p->extension_bytes = p->trailer_bytes = 0;
	llhttp_init(ll, HTTP_REQUEST, &settings);
	ll->data = p;
}

void fr_parser_begin(struct fr_parser *p, char *base)
{
	p->base = base;
	p->mended = 0;
	restart(p);
}

static void shift(struct fr_bytes *b, const char *from, const char *to)
{
	if (b->p)
		b->p = to + (b->p - from);
}

void fr_parser_move(struct fr_parser *p, char *base)
{
	shift(&p->head.method, p->base, base);
	shift(&p->head.target, p->base, base);
	shift(&p->version, p->base, base);
	for (size_t i = 0; i < p->nfields; i++) {
		shift(&p->fields[i].name, p->base, base);
		shift(&p->fields[i].value, p->base, base);
	}
	p->base = base;
}

static int refuse(struct fr_parser *p, int status, const char *why)
{
	p->why = why;
	return -status;
}

/* What the request line is to answer that llhttp stumbled over. */
static int refuse_error(struct fr_parser *p, llhttp_errno_t err)
{
	llhttp_t *ll = (llhttp_t *)(void *)p->ll;
	const char *base = p->base;
	size_t n = 0, len;

	switch (err) {
	case HPE_USER:
		return -p->status;
	case HPE_INVALID_METHOD:
		/* Up to the offending byte, so that it doesn't matter what has arrived behind it. */
		len = (size_t)(llhttp_get_error_pos(ll) - base) + 1;
		while (n < len && token_lower[(unsigned char)base[n]])
			n++;
		if (n && (n == len || base[n] == ' '))
			return refuse(p, 501, "unknown method");
		return refuse(p, 400, "malformed request line");
	case HPE_INVALID_VERSION:
		if (p->version.len == 3 && !memcmp(p->version.p, "1.", 2) &&
		    (p->version.p[2] == '0' || p->version.p[2] == '1'))
			return refuse(p, 400, "malformed request line"); /* what follows is wrong */
		/* fall through */
	case HPE_PAUSED_H2_UPGRADE:
		return refuse(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	case HPE_INVALID_URL:
		return refuse(p, 400, "malformed request target");
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return refuse(p, 400, "invalid content-length");
	case HPE_INVALID_TRANSFER_ENCODING:
		return refuse(p, 400, "invalid transfer-encoding");
	default:
		return refuse(p, 400, "malformed request");
	}
}

/* "METHOD SP target SP HTTP/1.x CR LF", and nothing else; returns where fields start. */
static int check_request_line(struct fr_parser *p, const char **ret_next)
{
	const struct fr_head *h = &p->head;
	const char *at = h->method.p;

	if (!at || at != p->base || !p->version.p || p->version.len != 3)
		return refuse(p, 400, "malformed request line");
	at += h->method.len;
	if (*at++ != ' ' || h->target.p != at)
		return refuse(p, 400, "malformed request line");
	at += h->target.len;
	if (memcmp(at, " HTTP/", 6) || p->version.p != at + 6)
		return refuse(p, 400, "malformed request line");
	at += 9;
	if (at[0] != '\r' || at[1] != '\n')
		return refuse(p, 400, "malformed request line");
	if (memcmp(p->version.p, "1.", 2) || (p->version.p[2] != '1' && p->version.p[2] != '0'))
		return refuse(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	p->head.major = 1;
	p->head.minor = (uint8_t)(p->version.p[2] - '0');
	*ret_next = at + 2;
	return 0;
}

static bool value_byte_valid(unsigned char c)
{
	return (c >= 32 || c == '\t') && c != 127;
}

/*
 * One field line from at on: lowers the name, trims the value, and leaves *at
 * at the next line.  That llhttp's spans tile the head exactly is what rules
 * out folding, bare line ends and white space in the wrong place.
 */
static int check_field(struct fr_parser *p, struct fr_field *f, const char **at)
{
	char *name = (char *)(uintptr_t)f->name.p;
	const char *end = p->base + p->head_len;
	const char *v;

	if (name != *at || !f->name.len)
		return refuse(p, 400, "malformed header field");
	for (size_t i = 0; i < f->name.len; i++) {
		unsigned char lower = token_lower[(unsigned char)name[i]];

		if (!lower)
			return refuse(p, 400, "malformed header field");
		name[i] = (char)lower;
	}
	v = name + f->name.len;
	if (v >= end || *v++ != ':')
		return refuse(p, 400, "malformed header field");
	while (*v == ' ' || *v == '\t')
		v++;
	f->value.p = v;
	while (value_byte_valid((unsigned char)*v))
		v++;
	if (v[0] != '\r' || v[1] != '\n')
		return refuse(p, 400, "invalid character in a header field");
	*at = v + 2;
	while (v > f->value.p && (v[-1] == ' ' || v[-1] == '\t'))
		v--;
	f->value.len = (size_t)(v - f->value.p);
	return 0;
}

static bool is(struct fr_bytes b, const char *text, size_t len)
{
	return b.len == len && !strncasecmp(b.p, text, len);
}
#define IS(b, text) is(b, text, sizeof(text) - 1)

/* What the fields say about framing and connection. */
struct meaning {
	const struct fr_field *host;
	const struct fr_field *encoding;
	unsigned hosts, encodings, lengths;
	bool close, keep_alive, expect;
};

static void read_connection(struct meaning *m, struct fr_bytes v)
{
	const char *p = v.p, *end = v.p + v.len;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop_at = comma ? comma : end, *last = stop_at;
		struct fr_bytes token;

		while (p < last && (*p == ' ' || *p == '\t'))
			p++;
		while (last > p && (last[-1] == ' ' || last[-1] == '\t'))
			last--;
		token = (struct fr_bytes){ p, (size_t)(last - p) };
		if (IS(token, "close"))
			m->close = true;
		else if (IS(token, "keep-alive"))
			m->keep_alive = true;
		p = stop_at + 1;
	}
}

static int read_length(struct fr_parser *p, struct fr_bytes v)
{
	int64_t n = 0;

	if (!v.len)
		return refuse(p, 400, "invalid content-length");
	for (size_t i = 0; i < v.len; i++) {
		int digit = v.p[i] - '0';

		if (digit < 0 || digit > 9)
			return refuse(p, 400, "invalid content-length");
		if (n > (INT64_MAX - digit) / 10)
			return refuse(p, 413, "the body is too large");
		n = n * 10 + digit;
	}
	if (p->head.content_length >= 0 && p->head.content_length != n)
		return refuse(p, 400, "several content-lengths");
	p->head.content_length = n;
	return 0;
}

static int read_field(struct fr_parser *p, const struct fr_field *f, struct meaning *m)
{
	switch (f->name.len) {
	case 4:
		if (!memcmp(f->name.p, "host", 4)) {
			m->host = f;
			m->hosts++;
		}
		break;
	case 6:
		if (!memcmp(f->name.p, "expect", 6) && IS(f->value, "100-continue"))
			m->expect = true;
		break;
	case 10:
		if (!memcmp(f->name.p, "connection", 10))
			read_connection(m, f->value);
		break;
	case 14:
		if (!memcmp(f->name.p, "content-length", 14)) {
			m->lengths++;
			return read_length(p, f->value);
		}
		break;
	case 17:
		if (!memcmp(f->name.p, "transfer-encoding", 17)) {
			m->encoding = f;
			m->encodings++;
		}
		break;
	}
	return 0;
}

static int check_framing(struct fr_parser *p, const struct meaning *m)
{
	struct fr_head *h = &p->head;

	if (m->encodings) {
		if (m->lengths)
			return refuse(p, 400, "both content-length and transfer-encoding");
		if (h->minor == 0)
			return refuse(p, 400, "transfer-encoding in HTTP/1.0");
		if (m->encodings > 1 || !IS(m->encoding->value, "chunked"))
			return refuse(p, 501, "unknown transfer-encoding");
		p->chunked = true;
	}
	h->has_body = p->chunked || h->content_length > 0;
	h->keep_alive = h->minor ? !m->close : m->keep_alive && !m->close;
	p->expect_continue = m->expect && h->minor && h->has_body;
	return 0;
}

/* The target's parts; in absolute-form its authority stands for the Host field's value. */
static int check_target(struct fr_parser *p, const struct meaning *m)
{
	struct fr_head *h = &p->head;
	struct fr_target t;

	if (fr_uri_split(h->target, IS(h->method, "OPTIONS"), &t))
		return refuse(p, 400, "malformed request target");
	if (m->hosts > 1 || (h->minor && !m->hosts))
		return refuse(p, 400, "exactly one Host field is needed");
	if (m->host && !fr_uri_host_valid(m->host->value))
		return refuse(p, 400, "invalid Host field");
	if (m->host && t.authority.p)
		p->fields[m->host - p->fields].value = t.authority;
	h->raw_path = h->path = t.path;
	h->query = t.query;
	if (memchr(t.path.p, '%', t.path.len)) {
		if (p->scratch_cap < t.path.len) {
			char *scratch = realloc(p->scratch, t.path.len);

			if (!scratch)
				return refuse(p, 503, "out of memory");
			p->scratch = scratch;
			p->scratch_cap = t.path.len;
		}
		h->path.len = fr_uri_decode(t.path, p->scratch);
		h->path.p = p->scratch;
	}
	return 0;
}

static int finish_head(struct fr_parser *p)
{
	struct meaning m = { 0 };
	const char *at, *end = p->base + p->head_len;
	int err = check_request_line(p, &at);

	for (size_t i = 0; !err && i < p->nfields; i++) {
		err = check_field(p, &p->fields[i], &at);
		if (!err)
			err = read_field(p, &p->fields[i], &m);
	}
	if (err)
		return err;
	if (end - at != 2 || at[0] != '\r' || at[1] != '\n')
		return refuse(p, 400, "malformed header field");
	err = check_framing(p, &m);
	if (!err)
		err = check_target(p, &m);
	if (err)
		return err;
	p->head.fields = p->fields;
	p->head.nfields = p->nfields;
	return FR_PARSE_DONE;
}

/* Makes the white space from at on spaces; returns its end. */
static size_t mend_run(struct fr_parser *p, size_t at, size_t len)
{
	while (at < len && (p->base[at] == ' ' || p->base[at] == '\t'))
		p->base[at++] = ' ';
	return at;
}

/*
 * llhttp takes a tab around a content-length for a digit gone wrong.  Makes
 * it a space, which means the same, and starts again; false: it is another
 * error.
 */
static bool mend_length(struct fr_parser *p, size_t len)
{
	llhttp_t *ll = (llhttp_t *)(void *)p->ll;
	const char *at = llhttp_get_error_pos(ll), *end = p->base + len;

	if (at >= end || *at != '\t' || p->mended++ == MAX_MENDED)
		return false;
	p->mended_to = mend_run(p, (size_t)(at - p->base), len);
	if (p->mended_to < len && p->base[p->mended_to] != '\r')
		return false;
	restart(p);
	return true;
}

int fr_parse_head(struct fr_parser *p, size_t len)
{
	llhttp_t *ll = (llhttp_t *)(void *)p->ll;
	size_t max = p->limits->header_bytes;
	size_t upto = len > max ? max + 1 : len;
	llhttp_errno_t err;

	/* The rest of white space of which a part was mended; to start again for each byte of it is costly. */
	if (p->mended && p->fed == p->mended_to)
		p->mended_to = mend_run(p, p->fed, upto);
	while (upto > p->fed) {
		err = llhttp_execute(ll, p->base + p->fed, upto - p->fed);
		if (err == HPE_PAUSED && !p->in_head) {
			p->head_len = (size_t)(llhttp_get_error_pos(ll) - p->base);
			if (p->head_len <= max) {
				p->fed = p->head_len;
				return finish_head(p);
			}
		} else if (err == HPE_INVALID_CONTENT_LENGTH && mend_length(p, upto)) {
			continue;
		} else if (err != HPE_OK) {
			return refuse_error(p, err);
		}
		p->fed = upto;
	}
	if (upto > max)
		return p->version.p ? refuse(p, 431, "the header fields are too large")
		                    : refuse(p, 414, "the request target is too long");
	return FR_PARSE_MORE;
}

int fr_parser_execute(struct fr_parser *p, const char *data, size_t len, size_t *ret_used)
{
	llhttp_t *ll = (llhttp_t *)(void *)p->ll;
	llhttp_errno_t err;

	if (llhttp_get_errno(ll) == HPE_PAUSED)
		llhttp_resume(ll);
	err = llhttp_execute(ll, data, len);
	if (err == HPE_OK) {
		*ret_used = len;
		return 0;
	}
	if (err != HPE_PAUSED)
		return refuse(p, 400, "malformed chunked body");
	*ret_used = (size_t)(llhttp_get_error_pos(ll) - data);
	return 0;
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *fr_parse_llhttp_version(void)
{
	return TEXT(LLHTTP_VERSION_MAJOR) "." TEXT(LLHTTP_VERSION_MINOR) "." TEXT(
		LLHTTP_VERSION_PATCH);
}

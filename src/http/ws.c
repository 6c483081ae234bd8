#include "http/ws.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "http/sha1.h"

#define KEY_TEXT 24 /* 16 bytes in base64 */

static bool named(const struct fr_field *f, const char *name)
{
	return f->name.len == strlen(name) && !memcmp(f->name.p, name, f->name.len);
}

static struct fr_bytes trim(struct fr_bytes v)
{
	while (v.len && (v.p[0] == ' ' || v.p[0] == '\t')) {
		v.p++;
		v.len--;
	}
	while (v.len && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
		v.len--;
	return v;
}

/* Whether a list of tokens has this one, in any case. */
static bool lists(struct fr_bytes list, const char *token)
{
	while (list.len) {
		const char *comma = memchr(list.p, ',', list.len);
		struct fr_bytes item = { list.p, comma ? (size_t)(comma - list.p) : list.len };

		list.p += item.len;
		list.len -= item.len;
		if (comma) {
			list.p++;
			list.len--;
		}
		item = trim(item);
		if (item.len == strlen(token) && !strncasecmp(item.p, token, item.len))
			return true;
	}
	return false;
}

static bool key_valid(struct fr_bytes key)
{
	unsigned char bytes[16];
	size_t len;

	return key.len == KEY_TEXT &&
	       !sodium_base642bin(bytes, sizeof(bytes), key.p, key.len, NULL, &len, NULL,
	                          sodium_base64_VARIANT_ORIGINAL) &&
	       len == sizeof(bytes);
}

int fr_ws_handshake(const struct fr_head *head, const char **ret_why)
{
	bool upgrade = false, connection = false, current = false;
	const struct fr_field *key = NULL;
	unsigned keys = 0, versions = 0;

	if (head->major != 1 || head->minor < 1)
		return 0; /* RFC 9110, 7.8: ignored */
	for (size_t i = 0; i < head->nfields; i++) {
		const struct fr_field *f = &head->fields[i];

		if (named(f, "upgrade")) {
			upgrade = upgrade || lists(f->value, "websocket");
		} else if (named(f, "connection")) {
			connection = connection || lists(f->value, "upgrade");
		} else if (named(f, "sec-websocket-key")) {
			key = f;
			keys++;
		} else if (named(f, "sec-websocket-version")) {
			current = f->value.len == 2 && !memcmp(f->value.p, "13", 2);
			versions++;
		}
	}
	if (!upgrade || !connection)
		return 0;
	*ret_why = "";
	if (head->method.len != 3 || memcmp(head->method.p, "GET", 3))
		*ret_why = "a WebSocket handshake is a GET request";
	else if (head->has_body)
		*ret_why = "a WebSocket handshake has no body";
	else if (keys != 1 || !key_valid(key->value))
		*ret_why = "a WebSocket handshake has one Sec-WebSocket-Key of 16 bytes in base64";
	if (**ret_why)
		return 400;
	if (versions != 1 || !current) {
		*ret_why = "the WebSocket version is 13";
		return 426;
	}
	return 101;
}

void fr_ws_accept(const struct fr_head *head, char ret[FR_WS_ACCEPT_BYTES + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[KEY_TEXT + sizeof(guid) - 1] = "";
	uint8_t digest[FR_SHA1_BYTES];

	for (size_t i = 0; i < head->nfields; i++)
		if (named(&head->fields[i], "sec-websocket-key"))
			memcpy(text, head->fields[i].value.p, KEY_TEXT);
	memcpy(text + KEY_TEXT, guid, sizeof(guid) - 1);
	fr_sha1(text, sizeof(text), digest);
	sodium_bin2base64(ret, FR_WS_ACCEPT_BYTES + 1, digest, sizeof(digest),
	                  sodium_base64_VARIANT_ORIGINAL);
}

/* The length of the valid sequence of two bytes or more at p, or 0: Unicode's table 3-7. */
static size_t sequence(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f; /* no surrogates */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (left < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

bool fr_utf8_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t i = 0;

	while (i < len) {
		uint64_t eight;
		size_t n;

		if (len - i >= sizeof(eight)) {
			memcpy(&eight, p + i, sizeof(eight));
			if (!(eight & UINT64_C(0x8080808080808080))) {
				i += sizeof(eight);
				continue;
			}
		}
		n = p[i] < 0x80 ? 1 : sequence(p + i, len - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}

bool fr_ws_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

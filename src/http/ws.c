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

bool fr_ws_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

#include "master/conf_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define MAX_DEPTH 16
#define MAX_PATH 256

struct walk {
	const char *text;
	size_t len, at;
	struct fr_conf_pos pos;
	const char *file;
	struct fr_conf_marks *marks;
	struct fr_diag *diag;
	char path[MAX_PATH];
	unsigned depth;
};

enum fr_err fr_conf_error(struct fr_diag *diag, const char *file, struct fr_conf_pos pos,
                          const char *fmt, ...)
{
	char message[1024], where[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	/* A long path keeps its end, which is what tells files apart. */
	size_t n = strlen(file), max = sizeof where - 24;
	snprintf(where, sizeof where, "%s%s:%u:%u", n > max ? "..." : "",
	         n > max ? file + n - max + 3 : file, pos.line, pos.column);
	return fr_diag_set(diag, FR_EINVAL, where, "%s", message);
}

static void advance(struct walk *w, size_t n)
{
	for (; n && w->at < w->len; n--, w->at++) {
		unsigned char c = (unsigned char)w->text[w->at];

		if (c == '\n') {
			w->pos.line++;
			w->pos.column = 1;
		} else if ((c & 0xc0) != 0x80 && c != '\r') {
			w->pos.column++;
		}
	}
}

static int peek(const struct walk *w)
{
	return w->at < w->len ? (unsigned char)w->text[w->at] : -1;
}

static void skip_blanks(struct walk *w)
{
	while (w->at < w->len && strchr(" \t\r\n", w->text[w->at]) && w->text[w->at])
		advance(w, 1);
}

/* What stands here, in words for "found ...". */
static void describe(const struct walk *w, char *out, size_t size)
{
	size_t n = 0;

	if (w->at >= w->len) {
		snprintf(out, size, "the end of the file");
		return;
	}
	if ((unsigned char)w->text[w->at] < 0x20 || w->text[w->at] == 0x7f) {
		snprintf(out, size, "the control character 0x%02x", (unsigned char)w->text[w->at]);
		return;
	}
	while (w->at + n < w->len && n < 20 && !strchr(" \t\r\n,:{}[]", w->text[w->at + n]))
		n++;
	while (n && w->at + n < w->len && (w->text[w->at + n] & 0xc0) == 0x80)
		n--; /* not inside a character */
	snprintf(out, size, "'%.*s'", n ? (int)n : 1, w->text + w->at);
}

static int unexpected(struct walk *w, const char *expected)
{
	char found[64];

	describe(w, found, sizeof found);
	return fr_conf_error(w->diag, w->file, w->pos, "found %s, expected %s", found, expected);
}

int fr_conf_blank(char *text, size_t len, const char *file, struct fr_diag *diag)
{
	struct walk w = { .text = text, .len = len, .pos = { 1, 1 } };
	int in_string = 0;

	while (w.at < len) {
		char c = text[w.at], next = w.at + 1 < len ? text[w.at + 1] : 0;

		if (in_string) {
			if (c == '"' || c == '\n') /* an unended string is the walk's to report */
				in_string = 0;
			advance(&w, c == '\\' && next && next != '\n' ? 2 : 1);
		} else if (c == '/' && next == '/') {
			while (w.at < len && text[w.at] != '\n') {
				size_t at = w.at;

				advance(&w, 1);
				text[at] = ' ';
			}
		} else if (c == '/' && next == '*') {
			struct fr_conf_pos start = w.pos;
			const char *end = memmem(text + w.at + 2, len - w.at - 2, "*/", 2);
			size_t stop;

			if (!end)
				return fr_conf_error(diag, file, start,
				                     "found a comment without end, expected '*/'");
			stop = (size_t)(end - text) + 2;
			while (w.at < stop) {
				size_t at = w.at;

				advance(&w, 1);
				/* One blank for a character, so that columns stay right: '\r' has no width. */
				if (text[at] != '\n')
					text[at] = ((unsigned char)text[at] & 0xc0) == 0x80 ? '\r'
					                                                    : ' ';
			}
		} else {
			in_string = c == '"';
			advance(&w, 1);
		}
	}
	return 0;
}

static int add_mark(struct walk *w, struct fr_conf_pos key)
{
	struct fr_conf_marks *m = w->marks;

	if (m->count == m->capacity) {
		size_t capacity = m->capacity ? m->capacity * 2 : 64;
		struct fr_conf_mark *list = reallocarray(m->list, capacity, sizeof *list);

		if (!list)
			return fr_diag_set(w->diag, FR_ENOMEM, w->file, "out of memory");
		m->list = list;
		m->capacity = capacity;
	}
	char *path = strdup(w->path);

	if (!path)
		return fr_diag_set(w->diag, FR_ENOMEM, w->file, "out of memory");
	m->list[m->count++] =
		(struct fr_conf_mark){ .path = path, .key = key, .value = w->pos, .at = w->at };
	return 0;
}

/* Steps over a string; its raw text, quotes included, is ret_start and ret_len. */
static int walk_string(struct walk *w, const char **ret_start, size_t *ret_len)
{
	size_t from = w->at;

	advance(w, 1);
	for (;;) {
		int c = peek(w);

		if (c < 0 || c == '\n')
			return unexpected(w, "'\"' at the end of a string");
		if (c < 0x20)
			return unexpected(w, "an escape such as \\t inside a string");
		if (c == '"')
			break;
		if (c == '\\') {
			char next = w->at + 1 < w->len ? w->text[w->at + 1] : 0;

			if (!next || !strchr("\"\\/bfnrtu", next))
				return unexpected(w, "an escape of JSON: \\\" \\\\ \\/ \\b \\f \\n "
				                     "\\r \\t \\uXXXX");
			if (next == 'u') {
				size_t n = 0;

				while (n < 4 && w->at + 2 + n < w->len &&
				       isxdigit((unsigned char)w->text[w->at + 2 + n]))
					n++;
				if (n < 4 || !strncmp(w->text + w->at + 2, "0000", 4))
					return unexpected(w, "four hexadecimal digits other than "
					                     "0000 after \\u");
			}
			advance(w, 1);
		}
		advance(w, 1);
	}
	advance(w, 1);
	*ret_start = w->text + from;
	*ret_len = w->at - from;
	return 0;
}

static int walk_digits(struct walk *w)
{
	size_t n = 0;

	while (peek(w) >= '0' && peek(w) <= '9') {
		advance(w, 1);
		n++;
	}
	return n ? 0 : unexpected(w, "a digit");
}

static int walk_number(struct walk *w)
{
	int err;

	if (peek(w) == '-')
		advance(w, 1);
	if (peek(w) == '0') {
		advance(w, 1);
		if (peek(w) >= '0' && peek(w) <= '9')
			return unexpected(w, "a number without leading zeros");
	} else if ((err = walk_digits(w)) < 0) {
		return err;
	}
	if (peek(w) == '.') {
		advance(w, 1);
		if ((err = walk_digits(w)) < 0)
			return err;
	}
	if (peek(w) == 'e' || peek(w) == 'E') {
		advance(w, 1);
		if (peek(w) == '+' || peek(w) == '-')
			advance(w, 1);
		if ((err = walk_digits(w)) < 0)
			return err;
	}
	return 0;
}

static int walk_value(struct walk *w, struct fr_conf_pos key);

/* Appends to the current path; the old length is for the caller to cut back to. */
static int push_path(struct walk *w, const char *name, unsigned index)
{
	size_t used = strlen(w->path);
	int n = name ? snprintf(w->path + used, sizeof w->path - used, "%s%s", used ? "." : "",
	                        name)
	             : snprintf(w->path + used, sizeof w->path - used, "[%u]", index);

	if (n < 0 || (size_t)n >= sizeof w->path - used) {
		w->path[used] = 0;
		return fr_conf_error(w->diag, w->file, w->pos,
		                     "found a name that is too long, expected a known key");
	}
	return 0;
}

static int walk_member(struct walk *w)
{
	struct fr_conf_pos key = w->pos;
	size_t used = strlen(w->path), len = 0;
	const struct fr_conf_mark *first;
	const char *raw = NULL;
	cJSON *name;
	int err;

	if (peek(w) != '"')
		return unexpected(w, "a key in double quotes");
	if ((err = walk_string(w, &raw, &len)) < 0)
		return err;
	errno = 0; /* cJSON doesn't tell a short memory from bad text, malloc() does */
	name = cJSON_ParseWithLength(raw, len);
	if (!name && errno == ENOMEM)
		return fr_diag_set(w->diag, FR_ENOMEM, w->file, "out of memory");
	if (!cJSON_IsString(name)) {
		cJSON_Delete(name);
		return fr_conf_error(w->diag, w->file, key,
		                     "found a key that can't be read, expected a string");
	}
	err = push_path(w, name->valuestring, 0);
	cJSON_Delete(name);
	if (err < 0)
		return err;
	first = fr_conf_find(w->marks, w->path);
	if (first)
		return fr_conf_error(
			w->diag, w->file, key,
			"found the key \"%s\" a second time (first in line %u), expected it once",
			w->path, first->key.line);
	skip_blanks(w);
	if (peek(w) != ':')
		return unexpected(w, "':' after a key");
	advance(w, 1);
	skip_blanks(w);
	err = walk_value(w, key);
	w->path[used] = 0;
	return err;
}

static int walk_container(struct walk *w, char open)
{
	char close = open == '{' ? '}' : ']';
	size_t used = strlen(w->path);
	unsigned index = 0;
	int err;

	if (++w->depth > MAX_DEPTH)
		return unexpected(w, "at most 16 levels of brackets");
	advance(w, 1);
	skip_blanks(w);
	while (peek(w) != close) {
		if (index > 0) {
			if (peek(w) != ',')
				return unexpected(w, open == '{' ? "',' or '}'" : "',' or ']'");
			advance(w, 1);
			skip_blanks(w);
			if (peek(w) == close)
				return unexpected(
					w,
					open == '{'
						? "another key (JSON has no comma before '}')"
						: "another value (JSON has no comma before ']')");
		}
		if (open == '{') {
			err = walk_member(w);
		} else if ((err = push_path(w, NULL, index)) == 0) {
			err = walk_value(w, w->pos);
			w->path[used] = 0;
		}
		if (err < 0)
			return err;
		index++;
		skip_blanks(w);
	}
	advance(w, 1);
	w->depth--;
	return 0;
}

static int walk_bare_value(struct walk *w)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *raw = NULL;
	int c = peek(w);
	size_t len = 0;

	if (c == '{' || c == '[')
		return walk_container(w, (char)c);
	if (c == '"')
		return walk_string(w, &raw, &len);
	if (c == '-' || (c >= '0' && c <= '9'))
		return walk_number(w);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		len = strlen(words[i]);
		if (w->len - w->at >= len && !strncmp(w->text + w->at, words[i], len)) {
			advance(w, len);
			return 0;
		}
	}
	return unexpected(w, "a value");
}

static int walk_value(struct walk *w, struct fr_conf_pos key)
{
	size_t mark = w->marks->count, at = w->at;
	int err;

	if (!w->depth)
		return walk_bare_value(w);
	if ((err = add_mark(w, key)) < 0 || (err = walk_bare_value(w)) < 0)
		return err;
	w->marks->list[mark].len = w->at - at;
	return 0;
}

int fr_conf_walk(const char *text, size_t len, const char *file, struct fr_conf_marks *ret_marks,
                 struct fr_diag *diag)
{
	struct fr_conf_marks marks = { 0 };
	struct walk w = { .text = text,
		          .len = len,
		          .pos = { 1, 1 },
		          .file = file,
		          .marks = &marks,
		          .diag = diag };
	int err;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		w.at = 3; /* a byte order mark, as some editors write it */
	skip_blanks(&w);
	err = peek(&w) == '{' ? walk_value(&w, w.pos) : unexpected(&w, "'{'");
	if (err == 0) {
		skip_blanks(&w);
		if (w.at < w.len)
			err = unexpected(&w, "the end of the file");
	}
	if (err < 0) {
		fr_conf_marks_fini(&marks);
		return err;
	}
	*ret_marks = marks;
	return 0;
}

const struct fr_conf_mark *fr_conf_find(const struct fr_conf_marks *marks, const char *path)
{
	for (size_t i = 0; i < marks->count; i++)
		if (!strcmp(marks->list[i].path, path))
			return &marks->list[i];
	return NULL;
}

void fr_conf_marks_fini(struct fr_conf_marks *marks)
{
	for (size_t i = 0; i < marks->count; i++)
		free(marks->list[i].path);
	free(marks->list);
	*marks = (struct fr_conf_marks){ 0 };
}

#include "shm/manifest_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fr_reader_fail(struct fr_reader *r, enum fr_err code, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return fr_diag_set(r->diag, code, r->where, "%s", text);
}

int fr_reader_no_memory(struct fr_reader *r)
{
	return fr_reader_fail(r, FR_ENOMEM, "out of memory while reading the manifest");
}

size_t fr_reader_enter(struct fr_reader *r, const char *key, long index)
{
	size_t before = r->where_len, room = sizeof r->where - before;
	int n;

	if (key)
		n = snprintf(r->where + before, room, "%s%.60s", before ? "." : "", key);
	else
		n = snprintf(r->where + before, room, "[%ld]", index);
	r->where_len += (size_t)n < room ? (size_t)n : room - 1;
	return before;
}

void fr_reader_leave(struct fr_reader *r, size_t before)
{
	r->where_len = before;
	r->where[before] = '\0';
}

static void *take(struct fr_reader *r, size_t count, size_t size)
{
	struct fr_block *b = calloc(1, sizeof *b + (count ? count : 1) * size);

	if (!b)
		return NULL;
	b->next = r->doc->blocks;
	r->doc->blocks = b;
	return b->data;
}

static const char *type_name(const cJSON *item)
{
	if (cJSON_IsNull(item))
		return "null";
	if (cJSON_IsBool(item))
		return "a bool";
	if (cJSON_IsNumber(item))
		return "a number";
	if (cJSON_IsString(item))
		return "a string";
	return cJSON_IsArray(item) ? "a list" : "an object";
}

int fr_reader_want(struct fr_reader *r, const cJSON *item, const char *what)
{
	return fr_reader_fail(r, FR_EINVAL, "expected %s, found %s", what, type_name(item));
}

int fr_reader_number(struct fr_reader *r, const cJSON *item, uint32_t max, uint32_t *ret)
{
	double d;

	if (!cJSON_IsNumber(item))
		return fr_reader_want(r, item, "a number");
	d = item->valuedouble;
	if (!(d >= 0 && d <= (double)max) || d != (double)(uint32_t)d)
		return fr_reader_fail(r, FR_EINVAL,
		                      "expected a whole number from 0 to %u, found %.17g", max, d);
	*ret = (uint32_t)d;
	return 0;
}

static int read_id(struct fr_reader *r, const cJSON *item, uint32_t count, const char *what,
                   uint32_t *ret)
{
	uint32_t id = 0;
	int rc;

	if (!item || cJSON_IsNull(item)) {
		*ret = FR_NONE32;
		return 0;
	}
	rc = fr_reader_number(r, item, UINT32_MAX - 1, &id);
	if (rc < 0)
		return rc;
	if (id >= count)
		return fr_reader_fail(r, FR_EINVAL, "%s %u is out of range: there are %u", what, id,
		                      count);
	*ret = id;
	return 0;
}

int fr_reader_string(struct fr_reader *r, const cJSON *item, const char **ret)
{
	if (!cJSON_IsString(item))
		return fr_reader_want(r, item, "a string");
	*ret = item->valuestring;
	return 0;
}

int fr_reader_enum(struct fr_reader *r, const cJSON *item, const struct fr_reader_field *f,
                   uint32_t *ret)
{
	char known[256] = "";
	size_t used = 0;

	if (!cJSON_IsString(item))
		return fr_reader_want(r, item, "a string");
	for (uint32_t i = 0; f->names[i]; i++) {
		if (!strcmp(f->names[i], item->valuestring)) {
			*ret = i + f->arg;
			return 0;
		}
		used += (size_t)snprintf(known + used, sizeof known - used, "%s\"%s\"",
		                         i ? ", " : "", f->names[i]);
	}
	return fr_reader_fail(r, FR_EINVAL, "unknown value \"%.100s\"; known are %s",
	                      item->valuestring, known);
}

/* item is NULL when the key is absent and need not be there. */
static int read_field(struct fr_reader *r, const cJSON *item, const struct fr_reader_field *f,
                      char *out)
{
	void *at = out + f->offset;
	const struct fr_manifest *m = &r->doc->manifest;

	switch (f->type) {
	case FR_T_U32:
		return item ? fr_reader_number(r, item, f->arg, at) : 0;
	case FR_T_LIMIT:
		if (item && !cJSON_IsNull(item))
			return fr_reader_number(r, item, f->arg, at);
		*(uint32_t *)at = FR_NONE32;
		return 0;
	case FR_T_FLAG:
		if (item && !cJSON_IsBool(item))
			return fr_reader_want(r, item, "a bool");
		if (item && cJSON_IsTrue(item))
			*(uint32_t *)at |= f->arg;
		return 0;
	case FR_T_ID:
		return read_id(r, item, m->objects.count, "object", at);
	case FR_T_PLACE:
		return read_id(r, item, m->nplaces, "place", at);
	case FR_T_REG:
		if (item && !cJSON_IsNull(item))
			return fr_reader_number(r, item, FR_MAX_REGISTERS - 1, at);
		*(uint32_t *)at = FR_NONE16;
		return 0;
	case FR_T_OSTR:
		if (!item || cJSON_IsNull(item))
			return 0;
		return fr_reader_string(r, item, at);
	case FR_T_STR:
		return item ? fr_reader_string(r, item, at) : 0;
	case FR_T_ENUM:
		return item ? fr_reader_enum(r, item, f, at) : 0;
	case FR_T_FN:
		return item ? f->fn(r, item, at) : 0;
	}
	return 0;
}

int fr_reader_object(struct fr_reader *r, const cJSON *object, const struct fr_reader_field *fields,
                     size_t n, uint32_t op, void *out)
{
	const cJSON *items[32] = { NULL };
	const cJSON *item;
	size_t i, before;
	int rc;

	if (!cJSON_IsObject(object))
		return fr_reader_want(r, object, "an object");
	cJSON_ArrayForEach(item, object)
	{
		for (i = 0; i < n; i++)
			if ((fields[i].ops & op) && !strcmp(fields[i].key, item->string))
				break;
		before = fr_reader_enter(r, item->string, 0);
		if (i == n)
			return fr_reader_fail(r, FR_EINVAL, "unknown key");
		if (items[i])
			return fr_reader_fail(r, FR_EINVAL, "the key is there twice");
		fr_reader_leave(r, before);
		items[i] = item;
	}
	for (i = 0; i < n; i++) {
		if (!(fields[i].ops & op))
			continue;
		before = fr_reader_enter(r, fields[i].key, 0);
		if (!items[i] && (fields[i].need & op))
			return fr_reader_fail(r, FR_EINVAL, "the key is missing");
		rc = read_field(r, items[i], &fields[i], out);
		if (rc < 0)
			return rc;
		fr_reader_leave(r, before);
	}
	return 0;
}

int fr_reader_list(struct fr_reader *r, const cJSON *list, size_t size,
                   int (*fn)(struct fr_reader *, const cJSON *, void *), void *ret_list,
                   uint32_t *ret_count)
{
	const cJSON *item;
	size_t n = 0, before;
	char *out;
	int rc;

	if (!cJSON_IsArray(list))
		return fr_reader_want(r, list, "a list");
	cJSON_ArrayForEach(item, list) n++;
	if (n > FR_MANIFEST_MAX_LIST)
		return fr_reader_fail(r, FR_ELIMIT, "%zu elements; at most %u are possible", n,
		                      FR_MANIFEST_MAX_LIST);
	out = take(r, n, size);
	if (!out)
		return fr_reader_no_memory(r);
	n = 0;
	cJSON_ArrayForEach(item, list)
	{
		before = fr_reader_enter(r, NULL, (long)n);
		rc = fn(r, item, out + n * size);
		if (rc < 0)
			return rc;
		fr_reader_leave(r, before);
		n++;
	}
	memcpy(ret_list, &out, sizeof out);
	*ret_count = (uint32_t)n;
	return 0;
}

static int read_string_element(struct fr_reader *r, const cJSON *item, void *out)
{
	return fr_reader_string(r, item, out);
}

int fr_reader_strings(struct fr_reader *r, const cJSON *item, void *out)
{
	struct fr_manifest_strings *s = out;

	return fr_reader_list(r, item, sizeof *s->list, read_string_element, &s->list, &s->count);
}

int fr_reader_pair(struct fr_reader *r, const cJSON *item, const cJSON **ret_a, const cJSON **ret_b)
{
	if (!cJSON_IsArray(item))
		return fr_reader_want(r, item, "a list of two");
	if (cJSON_GetArraySize(item) != 2)
		return fr_reader_fail(r, FR_EINVAL, "expected a list of two, found one of %d",
		                      cJSON_GetArraySize(item));
	*ret_a = item->child;
	*ret_b = item->child->next;
	return 0;
}

int fr_reader_need(struct fr_reader *r, const char *key, bool there)
{
	if (there)
		return 0;
	fr_reader_enter(r, key, 0);
	return fr_reader_fail(r, FR_EINVAL, "must not be null here");
}

/*
 * Mutates JSON as JSON for libFuzzer: values are replaced, moved, doubled and
 * dropped, so that what is tried gets past the parser.  Linked with the
 * targets whose input is JSON.
 */
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

static unsigned draw(unsigned *seed, unsigned below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return below ? (*seed >> 8) % below : 0;
}

/* The items of a tree in order; *left counts down to the one that is wanted. */
static cJSON *nth(cJSON *item, unsigned *left)
{
	for (cJSON *child = item->child; child; child = child->next) {
		cJSON *found;

		if (!(*left)--)
			return child;
		found = nth(child, left);
		if (found)
			return found;
	}
	return NULL;
}

static unsigned count(const cJSON *item)
{
	unsigned n = 0;

	for (const cJSON *child = item->child; child; child = child->next)
		n += 1 + count(child);
	return n;
}

static cJSON *parent_of(cJSON *tree, const cJSON *item)
{
	for (cJSON *child = tree->child; child; child = child->next) {
		cJSON *found = child == item ? tree : parent_of(child, item);

		if (found)
			return found;
	}
	return NULL;
}

static cJSON *invent(unsigned *seed)
{
	static const double numbers[] = {
		0,     1,        2,   3,       -1,  0.5,          255,          4095, 4096, 65535,
		65536, 16777216, 1e6, 1000001, 2e9, 4294967295.0, 4294967296.0, 1e18, 1e300
	};
	static const char *const words[] = { "",      "a",   "/",  "/a/b",     "{x}",
		                             "auto",  "64K", "5m", "\xc3\xa4", "\n",
		                             "500ms", "a:b", ":1", "unix:x" };

	switch (draw(seed, 6)) {
	case 0:
		return cJSON_CreateNull();
	case 1:
		return cJSON_CreateBool((int)draw(seed, 2));
	case 2:
		return cJSON_CreateString(words[draw(seed, sizeof words / sizeof *words)]);
	case 3:
		return draw(seed, 2) ? cJSON_CreateArray() : cJSON_CreateObject();
	default:
		return cJSON_CreateNumber(numbers[draw(seed, sizeof numbers / sizeof *numbers)]);
	}
}

static void add(cJSON *parent, const char *name, cJSON *item)
{
	if (cJSON_IsObject(parent))
		cJSON_AddItemToObject(parent, name ? name : "name", item);
	else
		cJSON_AddItemToArray(parent, item);
}

static void replace(cJSON *parent, cJSON *old, cJSON *item)
{
	if (old->string && !item->string)
		item->string = strdup(old->string);
	if (!cJSON_ReplaceItemViaPointer(parent, old, item))
		abort();
}

/* One change; what it takes from elsewhere is a copy. */
static void change(cJSON *tree, unsigned *seed)
{
	unsigned n = count(tree), at = draw(seed, n), from = draw(seed, n);
	cJSON *item = n ? nth(tree, &at) : NULL, *other = n ? nth(tree, &from) : NULL;
	cJSON *parent = item ? parent_of(tree, item) : NULL, *copy;
	char text[256];
	size_t len;

	if (!parent)
		return;
	switch (draw(seed, 7)) {
	case 0:
		cJSON_Delete(cJSON_DetachItemViaPointer(parent, item));
		break;
	case 1: /* one value in the place of another */
	case 2:
		copy = cJSON_Duplicate(other, 1);
		free(copy->string);
		copy->string = NULL;
		replace(parent, item, copy);
		break;
	case 3: /* a value more */
		copy = cJSON_Duplicate(other, 1);
		len = copy->string ? strlen(copy->string) : 0;
		snprintf(text, sizeof text, "%.*s", (int)(len < 100 ? len : 100),
		         copy->string ? copy->string : "");
		free(copy->string);
		copy->string = NULL;
		if (cJSON_IsObject(item) || cJSON_IsArray(item))
			parent = item;
		add(parent, *text ? text : NULL, copy);
		break;
	case 4:
		replace(parent, item, invent(seed));
		break;
	default:
		if (cJSON_IsNumber(item)) {
			cJSON_SetNumberHelper(item, item->valuedouble + (double)draw(seed, 5) - 2);
		} else if (cJSON_IsString(item)) {
			len = strlen(item->valuestring);
			len = len < 100 ? len : 100;
			memcpy(text, item->valuestring, len);
			len = LLVMFuzzerMutate((uint8_t *)text, len, sizeof text - 1);
			text[len] = 0;
			replace(parent, item, cJSON_CreateString(text));
		} else {
			replace(parent, item, invent(seed));
		}
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	cJSON *tree = draw(&seed, 8) ? cJSON_ParseWithLength((const char *)data, size) : NULL;
	char *text;
	size_t len;

	if (!tree)
		return LLVMFuzzerMutate(data, size, max);
	for (unsigned n = 1 + draw(&seed, 3); n; n--)
		change(tree, &seed);
	text = cJSON_PrintUnformatted(tree);
	cJSON_Delete(tree);
	len = text ? strlen(text) : 0;
	if (!text || len > max) {
		free(text);
		return LLVMFuzzerMutate(data, size, max);
	}
	memcpy(data, text, len);
	free(text);
	return len;
}

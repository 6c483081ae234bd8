/*
 * The strict reader of JSON values that the manifest's parts share: tables of
 * keys, and the JSON path for the diagnostic.
 *
 * Private to manifest*.c.  Every function returns 0 or a negative enum
 * fr_err after filling the diagnostic; the path is left as it was on success
 * only.  Any thread.
 */
#ifndef FR_SHM_MANIFEST_READ_H
#define FR_SHM_MANIFEST_READ_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "shm/manifest.h"

/* Arrays of the tree, freed together. */
struct fr_block {
	struct fr_block *next;
	max_align_t data[];
};

struct fr_document {
	struct fr_manifest manifest; /* first: what the caller holds */
	cJSON *json;
	struct fr_block *blocks;
};

struct fr_reader {
	struct fr_document *doc;
	struct fr_diag *diag;
	size_t where_len;
	char where[200]; /* JSON path of the value being read */
};

enum fr_reader_type {
	FR_T_U32, /* 0..arg */
	FR_T_LIMIT, /* the same, or null: FR_NONE32 */
	FR_T_FLAG, /* bool: bit arg */
	FR_T_ID, /* < number of objects, or null */
	FR_T_PLACE, /* < number of places, or null */
	FR_T_REG, /* < FR_MAX_REGISTERS, or null: FR_NONE16 */
	FR_T_STR,
	FR_T_OSTR, /* or null: NULL */
	FR_T_ENUM, /* one of names: its index + arg */
	FR_T_FN,
};

struct fr_reader_field {
	const char *key;
	enum fr_reader_type type;
	uint32_t ops; /* steps: bits of the ops that have it; else 1 */
	uint32_t need; /* steps: bits of the ops that can't be without it; else 1 or 0 */
	size_t offset;
	uint32_t arg;
	const char *const *names;
	int (*fn)(struct fr_reader *r, const cJSON *item, void *out);
};

int fr_reader_fail(struct fr_reader *r, enum fr_err code, const char *fmt, ...) FR_PRINTF(3, 4);
int fr_reader_no_memory(struct fr_reader *r);

/* "expected <what>, found <what item is>" */
int fr_reader_want(struct fr_reader *r, const cJSON *item, const char *what);

/* Adds a key, or an index if key is NULL, to the JSON path; fr_reader_leave() takes it off again. */
size_t fr_reader_enter(struct fr_reader *r, const char *key, long index);
void fr_reader_leave(struct fr_reader *r, size_t before);

int fr_reader_number(struct fr_reader *r, const cJSON *item, uint32_t max, uint32_t *ret);
int fr_reader_string(struct fr_reader *r, const cJSON *item, const char **ret);
int fr_reader_enum(struct fr_reader *r, const cJSON *item, const struct fr_reader_field *f,
                   uint32_t *ret);

/* A list of strings into a struct fr_manifest_strings. */
int fr_reader_strings(struct fr_reader *r, const cJSON *item, void *out);

/* The two elements of a pair such as ["lit", "users"]. */
int fr_reader_pair(struct fr_reader *r, const cJSON *item, const cJSON **ret_a,
                   const cJSON **ret_b);

/* A list's elements, each by fn into an array of elements of size bytes. */
int fr_reader_list(struct fr_reader *r, const cJSON *list, size_t size,
                   int (*fn)(struct fr_reader *, const cJSON *, void *), void *ret_list,
                   uint32_t *ret_count);

/*
 * Reads an object by its table: unknown, repeated and missing keys are
 * errors.  Fields are read in the table's order, whatever the text's.
 */
int fr_reader_object(struct fr_reader *r, const cJSON *object, const struct fr_reader_field *fields,
                     size_t n, uint32_t op, void *out);

/* An error at key unless what it needs is there. */
int fr_reader_need(struct fr_reader *r, const char *key, bool there);

/* manifest_plan.c: one step into a struct fr_manifest_step, and what holds between its values. */
int fr_reader_step(struct fr_reader *r, const cJSON *item, void *out);
int fr_reader_check_step(struct fr_reader *r, const struct fr_manifest_route *route,
                         uint32_t index);

#endif

/*
 * The manifest as a tree of C structs: what docs/manifest.md describes, read
 * strictly.
 *
 * Called by builder.c (and tests).  fr_manifest_read() owns nothing of the
 * text; the tree lives in the parsed document, which fr_manifest_free()
 * frees with it: strings are borrowed from it.  No state: any thread.
 */
#ifndef FR_SHM_MANIFEST_H
#define FR_SHM_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "shm/layout.h"

#define FR_MANIFEST_VERSION 1
#define FR_MANIFEST_MAX_LIST 1000000u /* elements of one list */
#define FR_MAX_REGISTERS 4096u /* slots, marks or caches of one route */

struct fr_manifest_strings {
	const char **list;
	uint32_t count;
};

struct fr_manifest_arg {
	const char *name;
	uint16_t slot;
};

/* A segment of a pattern: conv is enum fr_conv, or -1 for a literal. */
struct fr_manifest_segment {
	int conv;
	const char *text; /* the literal, or the parameter's name */
};

struct fr_manifest_step {
	uint32_t op, in, fast, mode, sync, default_mode;
	uint32_t slot, mark, cache; /* FR_NONE16: none */
	uint32_t jump, object, object2, object3, object4, place;
	uint32_t flags; /* enum fr_step_flag */
	const char *name, *alias; /* NULL: none */
	struct fr_manifest_arg *args;
	uint32_t nargs;
};

struct fr_manifest_route {
	uint32_t kind;
	uint32_t methods; /* mask of enum fr_method */
	struct fr_manifest_strings method_names;
	const char *path, *name, *endpoint, *file; /* file, name and endpoint may be NULL */
	const char *why; /* NULL for a plan, else the reason to run through ASGI */
	uint32_t line, object, status, body, max_body, flags;
	uint32_t nslots, nmarks, ncaches;
	struct fr_manifest_strings params;
	struct fr_manifest_segment *pattern; /* NULL: on the side list */
	uint32_t npattern;
	uint32_t side_kind; /* 0: none */
	uint32_t side_object;
	const char *side_prefix;
	struct fr_manifest_step *steps;
	uint32_t nsteps;
};

struct fr_manifest {
	const char *app_name, *root_path, *last_handler; /* the last may be NULL */
	uint32_t app_flags;
	struct fr_manifest_strings middleware, handlers;
	uint32_t nplaces;
	struct fr_manifest_strings objects;
	struct fr_manifest_route *routes;
	uint32_t nroutes;
};

/* What a pattern has too much of for the route table, in words; NULL: nothing. */
const char *fr_manifest_excess(const struct fr_manifest_segment *pattern, uint32_t n);

/* A segment's conv by its name in a manifest; FR_EINVAL: there is none of that name. */
int fr_manifest_conv(const char *name, int *ret) FR_MUST_CHECK;

/* "/items/{id}: main.create, /app/main.py:12", as far as it is known. */
void fr_manifest_name_route(const struct fr_manifest_route *route, char *out, size_t size);

/* max_len: the longest manifest to accept.  FR_EINVAL, FR_ELIMIT or FR_ENOMEM, and where. */
int fr_manifest_read(const char *text, size_t len, size_t max_len, struct fr_manifest **ret,
                     struct fr_diag *diag) FR_MUST_CHECK;
void fr_manifest_free(struct fr_manifest *manifest);

#endif

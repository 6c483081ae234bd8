/*
 * Manifests for the tests of shm/: one with every kind of step, and a maker
 * of small ones from path templates such as "/users/{id:int}".
 */
#ifndef FR_TESTS_MANIFESTS_H
#define FR_TESTS_MANIFESTS_H

#include <stdbool.h>
#include <stddef.h>

#define MANIFEST_METHODS 4

struct manifest_route {
	const char *path;
	const char *methods[MANIFEST_METHODS]; /* sorted; the first NULL: any method */
};

/* Every op, every kind of route. */
extern const char manifest_full[];

/* A new string; free() it. */
char *manifest_of(const struct manifest_route *routes, size_t n, bool redirect_slashes);

/* The same, with those routes on the side list that aside says. */
char *manifest_aside(const struct manifest_route *routes, size_t n, bool redirect_slashes,
                     const bool *aside);

/* GET /a, whose plan has so many steps (two or more), and GET /b, whose plan has two. */
char *manifest_of_steps(size_t n);

/* Whether a template goes on the side list: a parameter inside a segment, or a path before the end. */
bool manifest_is_side(const char *path);

#endif

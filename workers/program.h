/*
 * Programs: an image, bound to the objects that its ids stand for.
 *
 * A worker makes one over the sealed image (fr_program_new); ASGI and
 * TestClient compile one in private memory (fr_program_compile).  Needs the
 * GIL.
 */
#ifndef FR_WORKERS_PROGRAM_H
#define FR_WORKERS_PROGRAM_H

#include "workers/run.h"
#include "workers/state.h"

#include <string.h>

/* What one step needs, looked up once. */
struct fr_bound {
	PyObject *validate; /* the validator's validate_python */
	PyObject *validate_json;
	PyObject *serialize; /* the serializer's to_json, or to_python */
	PyObject *kwnames; /* tuple: names of a call's arguments; of serialize's keywords */
	PyObject *values; /* tuple: values of serialize's keywords */
	PyObject *loc; /* ("query", "alias"), for errors */
	PyObject *alias; /* str */
	uint16_t *slots; /* of a call's arguments */
	uint32_t nargs;
	uint32_t suspect; /* fr_place_suspect() was asked: 1 no, 2 yes */
};

/*
 * Binds image to objects (a list of image->nobjects); the image must outlive
 * the program, or owner keeps it.  NULL and an exception on error.
 */
struct fr_program *fr_program_new(struct fr_state *state, PyObject *app,
                                  const struct fr_image *image, PyObject *objects, PyObject *owner);

/* Asks app for its manifest and objects, builds an image in private memory and binds it. */
struct fr_program *fr_program_compile(struct fr_state *state, PyObject *app);

static inline struct fr_program *fr_program_ref(struct fr_program *program)
{
	return (struct fr_program *)Py_NewRef((PyObject *)program);
}

static inline void fr_program_unref(struct fr_program *program)
{
	Py_XDECREF((PyObject *)program);
}

/*
 * The program that answers for app now: compiled at first use, kept on app,
 * compiled again when its routes, overrides or middleware changed.  A new
 * reference, or NULL and an exception.
 */
struct fr_program *fr_program_of(struct fr_state *state, PyObject *app);

/* Makes program the one that fr_program_of(app) gives, until app changes. */
int fr_program_install(struct fr_program *program);

/* Adds the type Program to the module. */
int fr_program_ready(PyObject *module, struct fr_state *state);

static inline const struct fr_step *fr_program_steps(const struct fr_program *program,
                                                     const struct fr_route *route)
{
	return FR_IMAGE_AT(program->image, route->steps.off);
}

static inline struct fr_bound *fr_program_bound(const struct fr_program *program,
                                                const struct fr_step *step)
{
	const struct fr_step *first = FR_IMAGE_AT(program->image, program->image->steps.off);
	return &program->bound[step - first];
}

static inline PyObject *fr_program_object(const struct fr_program *program, uint32_t id)
{
	return id == FR_NONE32 ? NULL : program->objects[id];
}

/* What routes match of a path: what is below root, if the path is.  Starlette's rule. */
static inline struct fr_span fr_path_below(struct fr_span path, struct fr_span root)
{
	if (root.len == 0 || path.len < root.len || memcmp(path.p, root.p, root.len) != 0 ||
	    (path.len > root.len && path.p[root.len] != '/'))
		return path;
	return (struct fr_span){ path.p + root.len, path.len - root.len };
}

static inline struct fr_span fr_image_below(const struct fr_image *image, struct fr_span path)
{
	return fr_path_below(
		path, (struct fr_span){ fr_str_in(image, image->root_path), image->root_path.len });
}

#endif

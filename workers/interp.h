/*
 * Start-up of the embedded interpreter, for the loader and the workers.
 *
 * Called once in a process, on its main thread, after privileges were
 * dropped.  Leaves the GIL held.
 */
#ifndef FR_WORKERS_INTERP_H
#define FR_WORKERS_INTERP_H

#include "workers/python.h"

#include <stdint.h>

#include "base/err.h"

struct fr_interp_args {
	const char *python; /* interpreter or virtual environment; NULL: see fr_interp_find() */
	const char *app_dir; /* comes first on sys.path */
	const char *role; /* "loader" or "worker": FASTRAPID_ROLE */
	uint64_t hash_seed;
	int check_version; /* ask the interpreter for its version: costs its start */
};

/* Longest path of an interpreter. */
#define FR_INTERP_PATH 4096

/*
 * The interpreter that python means: itself; or bin/python of the
 * environment; or, if NULL, the one next to this program, else the one of
 * the build.  Writes its path into ret.
 */
int fr_interp_find(const char *python, char ret[FR_INTERP_PATH],
                   struct fr_diag *diag) FR_MUST_CHECK;

int fr_interp_start(const struct fr_interp_args *args, struct fr_diag *diag) FR_MUST_CHECK;

/* The current exception as a traceback's text (UTF-8, strong, never NULL), and clears it. */
PyObject *fr_interp_traceback(void);

/*
 * Imports the application "module:attribute", the attribute with dots if
 * need be, and checks that it is FastrAPI's.  as_fastapi: `import fastapi`
 * gives FastrAPI's modules from before that on.  NULL with an exception.
 */
PyObject *fr_interp_load(const char *app, int as_fastapi);

#endif

/*
 * Which paths the route table can't hold, for the compiler of manifests.
 *
 * A method of the extension module, called while an application is compiled.
 * Keeps nothing.  Any thread, with the GIL.
 */
#ifndef FR_WORKERS_PATTERNS_H
#define FR_WORKERS_PATTERNS_H

#include "workers/python.h"

/* Takes a list of patterns as the manifest has them; gives a list of indices (strong), NULL with an exception. */
PyObject *fr_patterns_misfits(PyObject *module, PyObject *patterns);

#endif

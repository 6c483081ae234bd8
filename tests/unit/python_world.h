/*
 * An interpreter in the test program, for the tests of workers/ that need
 * one: the standard library's, without the package.
 *
 * One main thread; it holds the GIL but for what a test runs without.
 */
#ifndef FR_TESTS_PYTHON_WORLD_H
#define FR_TESTS_PYTHON_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/python.h"

#include <cmocka.h>

/* Of a group of tests. */
int python_start(void **state);
int python_stop(void **state);

/* Names for py(), which are new with each test: what it sets is gone after it. */
int python_names(void **state);
int python_forget(void **state);
void python_set(const char *name, PyObject *value); /* borrows; NULL: fails with the exception */

PyObject *python_get(const char *name); /* borrowed */

/* Runs statements; an exception, an assert's too, fails the test, with its traceback. */
void py(const char *code);

/* The exception that is set, "KeyError: 'text'", which is cleared; "": none.  Until the next call. */
const char *py_error(void);

#endif

/*
 * Who is told of the exceptions that nothing handled, besides the log.
 *
 * The daemon sets one observer; under ASGI and TestClient there is none.
 * Thread: the loop's, with the GIL.
 */
#ifndef FR_WORKERS_ERRORS_H
#define FR_WORKERS_ERRORS_H

#include "workers/run.h"

/* route: a number among program's, FR_NONE32 if there is none. text: the traceback. */
typedef void fr_error_fn(const struct fr_program *program, uint32_t route,
                         const struct fr_input *in, PyObject *exc, const char *text, size_t len);

/* NULL: nobody any more. */
void fr_error_observe(fr_error_fn *fn);

/* Tells the observer, if there is one, of an exception that was logged elsewhere. */
void fr_error_tell(const struct fr_program *program, uint32_t route, const struct fr_input *in,
                   PyObject *exc, const char *text, size_t len);

#endif

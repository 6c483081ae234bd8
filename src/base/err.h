/*
 * Errors: codes for programs, diagnostics for people.
 *
 * Functions return 0 or a negative enum fr_err and write their outputs only
 * on success.  Where a person is to be told, the caller hands in a struct
 * fr_diag, which the function fills on failure.  Any thread.
 */
#ifndef FR_BASE_ERR_H
#define FR_BASE_ERR_H

#include <stddef.h>

enum fr_err {
	FR_OK = 0,
	FR_ENOMEM = -1, /* an allocation failed */
	FR_EINVAL = -2, /* what was given is not valid */
	FR_ELIMIT = -3, /* a configured or built-in limit was reached */
	FR_EIO = -4, /* the operating system refused; the diagnostic says how */
	FR_EPIPE = -5, /* the other side is gone */
	FR_EAGAIN = -6, /* not now */
	FR_ENOENT = -7, /* no such thing */
	FR_ECORRUPT = -8, /* data that we check does not hold together */
	FR_ETIMEOUT = -9,
	FR_ECHILD = -10, /* a child process failed; the diagnostic holds its words */
};

#define FR_MUST_CHECK __attribute__((warn_unused_result))
#define FR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* What went wrong, for a person: what, where, how to mend it. */
struct fr_diag {
	enum fr_err code;
	char where[256]; /* "fastrapi.conf:3:12", a path, a route; may be empty */
	char message[2048]; /* one or more lines, without a final newline */
};

/* Fills diag (which may be NULL) and returns code, so that it can end a function. */
enum fr_err fr_diag_set(struct fr_diag *diag, enum fr_err code, const char *where, const char *fmt,
                        ...) FR_PRINTF(4, 5);

/* As fr_diag_set, with ": " and the text of errno value err at the end; FR_EIO, or FR_ENOMEM for ENOMEM. */
enum fr_err fr_diag_errno(struct fr_diag *diag, int err, const char *where, const char *fmt, ...)
	FR_PRINTF(4, 5);

/* A short name of the code: "out of memory". */
const char *fr_err_name(enum fr_err code);

#endif

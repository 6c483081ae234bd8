#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void format(struct fr_diag *diag, enum fr_err code, const char *where, const char *fmt,
                   va_list args)
{
	diag->code = code;
	snprintf(diag->where, sizeof diag->where, "%s", where ? where : "");
	vsnprintf(diag->message, sizeof diag->message, fmt, args);
}

enum fr_err fr_diag_set(struct fr_diag *diag, enum fr_err code, const char *where, const char *fmt,
                        ...)
{
	va_list args;

	if (!diag)
		return code;
	va_start(args, fmt);
	format(diag, code, where, fmt, args);
	va_end(args);
	return code;
}

enum fr_err fr_diag_errno(struct fr_diag *diag, int err, const char *where, const char *fmt, ...)
{
	enum fr_err code = err == ENOMEM ? FR_ENOMEM : FR_EIO;
	va_list args;
	size_t used;

	if (!diag)
		return code;
	va_start(args, fmt);
	format(diag, code, where, fmt, args);
	va_end(args);
	used = strlen(diag->message);
	snprintf(diag->message + used, sizeof diag->message - used, ": %s", strerror(err));
	return code;
}

const char *fr_err_name(enum fr_err code)
{
	switch (code) {
	case FR_OK:
		return "success";
	case FR_ENOMEM:
		return "out of memory";
	case FR_EINVAL:
		return "invalid";
	case FR_ELIMIT:
		return "limit reached";
	case FR_EIO:
		return "input/output error";
	case FR_EPIPE:
		return "the other side is gone";
	case FR_EAGAIN:
		return "not now";
	case FR_ENOENT:
		return "not found";
	case FR_ECORRUPT:
		return "corrupt";
	case FR_ETIMEOUT:
		return "timed out";
	case FR_ECHILD:
		return "child process failed";
	}
	return "unknown error";
}

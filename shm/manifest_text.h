/*
 * What the JSON parser doesn't check of a manifest's text: UTF-8, and NUL
 * characters, raw or escaped, at which it would cut strings short.
 *
 * Called by manifest.c; borrows the text; any thread.
 */
#ifndef FR_SHM_MANIFEST_TEXT_H
#define FR_SHM_MANIFEST_TEXT_H

#include <stddef.h>

#include "base/err.h"

int fr_manifest_check_text(const char *text, size_t len, struct fr_diag *diag) FR_MUST_CHECK;

#endif

#include "shm/manifest_text.h"

#include <string.h>

#include "base/utf8.h"

int fr_manifest_check_text(const char *text, size_t len, struct fr_diag *diag)
{
	size_t i = 0, n;

	while (i < len) {
		n = fr_utf8_len(text + i, len - i);
		if (!n)
			return fr_diag_set(diag, FR_EINVAL, "manifest", "not UTF-8, at byte %zu",
			                   i);
		if (!text[i])
			return fr_diag_set(diag, FR_EINVAL, "manifest", "a NUL byte, at byte %zu",
			                   i);
		if (text[i] == '\\') {
			if (len - i >= 6 && !memcmp(text + i, "\\u0000", 6))
				return fr_diag_set(
					diag, FR_EINVAL, "manifest",
					"a NUL character in a string, at byte %zu: no name, "
					"path or default may hold one",
					i);
			/* An escaped backslash does not escape what follows. */
			n = len - i >= 2 && text[i + 1] == '\\' ? 2 : 1;
		}
		i += n;
	}
	return 0;
}

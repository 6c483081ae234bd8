#include "shm/manifest_text.h"

#include <string.h>

/* The length of the UTF-8 sequence at p, 0 if there is none (overlong and surrogates included). */
static size_t sequence(const unsigned char *p, size_t left)
{
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

int fr_manifest_check_text(const char *text, size_t len, struct fr_diag *diag)
{
	size_t i = 0, n;

	while (i < len) {
		n = sequence((const unsigned char *)text + i, len - i);
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

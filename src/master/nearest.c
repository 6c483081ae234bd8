#include "master/nearest.h"

#include <string.h>

#define MAX_NAME 64

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t fr_nearest_distance(const char *a, const char *b)
{
	size_t rows[3][MAX_NAME + 1]; /* the current row and the two before it */
	size_t na = strlen(a), nb = strlen(b);
	size_t *older = rows[0], *old = rows[1], *now = rows[2];

	if (na > MAX_NAME || nb > MAX_NAME)
		return na > nb ? na : nb;
	for (size_t j = 0; j <= nb; j++)
		now[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *spare = older;

		older = old;
		old = now;
		now = spare;
		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			now[j] = least(least(old[j], now[j - 1]) + 1,
			               old[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], older[j - 2] + 1);
		}
	}
	return now[nb];
}

int fr_nearest_plausible(size_t distance, size_t len)
{
	return distance <= (len < 4 ? 1 : len < 8 ? 2 : 3);
}

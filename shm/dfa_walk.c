/* What routes with parameters say of paths without: walks of the automaton, and the order of accepts. */
#include "shm/dfa.h"

#include <stdlib.h>
#include <string.h>

#include "shm/hash.h"

static int by_route(const void *a, const void *b)
{
	const struct fr_accept *x = a, *y = b;

	return (x->route > y->route) - (x->route < y->route);
}

uint32_t fr_dfa_prune(struct fr_accept *list, uint32_t n)
{
	uint32_t covered = 0, kept = 0;

	if (n)
		qsort(list, n, sizeof *list, by_route);
	for (uint32_t i = 0; i < n && !(covered & FR_ANY); i++) {
		uint32_t methods = list[i].methods & ~FR_ACCEPT_TAIL;

		/* The first one stays for its 405. */
		if (i && !(methods & ~covered) && !(methods & FR_OTHER))
			continue;
		covered |= methods;
		list[kept++] = list[i];
	}
	return kept;
}

static uint32_t follow(const struct fr_dfa *dfa, const struct fr_dfa_state *s, const char *text,
                       size_t len)
{
	uint32_t lo = s->edges, hi = s->edges + s->nedges;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct fr_dfa_edge *e = &dfa->edges[mid];
		int c = memcmp(text, e->text, len < e->len ? len : e->len);

		if (!c)
			c = (len > e->len) - (len < e->len);
		if (!c)
			return e->to;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return len ? s->next[fr_hash_class(text, len)] : FR_NONE32;
}

uint32_t fr_dfa_collect(const struct fr_dfa *dfa, const char *path, size_t len,
                        struct fr_accept *ret)
{
	uint32_t state = 0, n = 0;
	const char *at = path + 1, *end = path + len, *slash;

	while (state != FR_NONE32 && state < dfa->nstates) {
		const struct fr_dfa_state *s = &dfa->states[state];

		if (s->ntails && !memchr(at, '\n', (size_t)(end - at))) {
			if (ret)
				memcpy(ret + n, dfa->accepts + s->tails, s->ntails * sizeof *ret);
			n += s->ntails;
		}
		slash = memchr(at, '/', (size_t)(end - at));
		state = follow(dfa, s, at, (size_t)((slash ? slash : end) - at));
		if (slash) {
			at = slash + 1;
			continue;
		}
		if (state != FR_NONE32) {
			s = &dfa->states[state];
			if (ret && s->naccepts)
				memcpy(ret + n, dfa->accepts + s->accepts,
				       s->naccepts * sizeof *ret);
			n += s->naccepts;
		}
		break;
	}
	return n;
}

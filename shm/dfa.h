/*
 * The automaton of routes with parameters: the subset construction over
 * their segments, so that a lookup follows one way only.
 *
 * Called by builder.c.  Borrows the manifest's strings, owns the rest.  No
 * state of its own; any thread.
 */
#ifndef FR_SHM_DFA_H
#define FR_SHM_DFA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "shm/layout.h"
#include "shm/manifest.h"

/* What overlapping patterns may grow to: the number of states can be exponential in the worst case. */
#define FR_DFA_MAX_STATES (1u << 20)
#define FR_DFA_MAX_MEMBERS (1u << 24) /* of all states' sets together */

struct fr_dfa_edge {
	const char *text;
	uint32_t len;
	uint32_t from, to; /* states */
};

struct fr_dfa_state {
	uint32_t edges, nedges; /* in fr_dfa.edges, sorted by text */
	uint32_t accepts, naccepts; /* in fr_dfa.accepts */
	uint32_t tails, ntails;
	uint32_t next[FR_CLASSES]; /* FR_NONE32: no way on */
	uint32_t members, nmembers; /* private */
};

struct fr_dfa {
	struct fr_dfa_state *states; /* the first is the start */
	struct fr_dfa_edge *edges;
	struct fr_accept *accepts;
	uint32_t nstates, nedges, naccepts; /* nstates is 0 if no route has parameters */
};

/* Orders by declaration and drops what can never win.  Returns the new count. */
uint32_t fr_dfa_prune(struct fr_accept *list, uint32_t n);

int fr_dfa_build(const struct fr_manifest *m, struct fr_dfa **ret,
                 struct fr_diag *diag) FR_MUST_CHECK;
void fr_dfa_free(struct fr_dfa *dfa);

/*
 * All accepts of a path (which starts with '/'), unordered, into ret unless
 * that is NULL.  Returns their number.
 */
uint32_t fr_dfa_collect(const struct fr_dfa *dfa, const char *path, size_t len,
                        struct fr_accept *ret);

#endif

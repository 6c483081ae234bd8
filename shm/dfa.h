/*
 * The automaton of routes with parameters: the subset construction over
 * their segments, so that a lookup follows one way only.
 *
 * Called by builder.c.  Borrows the manifest's strings, owns the rest.  No
 * state of its own; any thread.
 */
#ifndef FR_SHM_DFA_H
#define FR_SHM_DFA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "shm/layout.h"
#include "shm/manifest.h"

/*
 * What overlapping patterns may grow to: the number of states can be
 * exponential in the worst case.  Bounded by what the patterns are without
 * their overlaps, so that to find out that some do not fit takes no longer
 * than to build a table of as many that do.
 */
#define FR_DFA_MAX_STATES(nodes) ((1u << 14) + 2 * (uint64_t)(nodes))
#define FR_DFA_MAX_MEMBERS(nodes) ((1u << 17) + 8 * (uint64_t)(nodes)) /* of all states' sets */
#define FR_DFA_MAX_EDGES(nodes) ((1u << 17) + 8 * (uint64_t)(nodes))

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

/* FR_ELIMIT if the patterns grow beyond the bounds. */
int fr_dfa_build(const struct fr_manifest *m, struct fr_dfa **ret,
                 struct fr_diag *diag) FR_MUST_CHECK;

/*
 * Which routes have to go on the side list for the others to fit: those with
 * too many segments or parameters, and, as long as the table is too large,
 * those with the largest parts in that.  ret has an element for each route;
 * of the manifest only patterns and counts of parameters are read.  The same
 * patterns give the same answer in every process.
 */
int fr_dfa_misfits(const struct fr_manifest *m, bool *ret, struct fr_diag *diag) FR_MUST_CHECK;
void fr_dfa_free(struct fr_dfa *dfa);

/*
 * All accepts of a path (which starts with '/'), unordered, into ret unless
 * that is NULL.  Returns their number.
 */
uint32_t fr_dfa_collect(const struct fr_dfa *dfa, const char *path, size_t len,
                        struct fr_accept *ret);

#endif

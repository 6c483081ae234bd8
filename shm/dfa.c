#include "shm/dfa.h"

#include <stdlib.h>
#include <string.h>

#include "shm/hash.h"

/* A node of the trie of patterns; index 0 is the root, and no one's child. */
struct node {
	uint32_t conv[FR_CONV_UUID + 1]; /* child by convertor; 0: none */
	uint32_t literals; /* first literal child; 0: none */
	uint32_t sibling; /* next literal child of the same parent */
	uint32_t parent; /* has a lower index */
	uint32_t routes, tails; /* chains through next_route; FR_NONE32: empty */
	const char *text;
	uint32_t len;
};

/* A literal way out of a set of nodes. */
struct branch {
	const char *text;
	uint32_t len;
	uint32_t child;
};

/* Open addressing; slots hold index + 1. */
struct table {
	uint32_t *slots;
	size_t mask, used;
};

struct work {
	const struct fr_manifest *manifest;
	const bool *without; /* routes to leave out; NULL: none */
	struct fr_dfa *dfa;
	struct fr_diag *diag;
	bool overgrown; /* that is what FR_ELIMIT means */
	struct node *nodes;
	size_t nnodes, nodes_cap;
	uint32_t *next_route; /* per route: the next one at the same node */
	uint32_t *end; /* per route: its node */
	struct table literals; /* (parent, text) -> node */
	struct table sets; /* sorted members -> state */
	uint32_t *members; /* of all states */
	size_t nmembers, members_cap;
	uint32_t *target; /* the set in the making */
	size_t ntarget, target_cap;
	struct branch *branches;
	size_t nbranches, branches_cap;
	size_t states_cap, edges_cap, accepts_cap;
};

static int no_memory(struct work *w)
{
	return fr_diag_set(w->diag, FR_ENOMEM, "routes",
	                   "out of memory while compiling the routes");
}

/* The list, with room for one more element; NULL leaves it as it was. */
static void *grow(struct work *w, void *list, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? *cap * 2 : 64;
	void *new;

	if (n < *cap)
		return list;
	new = reallocarray(list, want, size);
	if (new)
		*cap = want;
	else
		no_memory(w);
	return new;
}

/* ROOM(w, list, n, cap): 0 or FR_ENOMEM. */
#define ROOM(w, list, n, cap)                                                                      \
	({                                                                                         \
		void *grown_ = grow(w, list, n, cap, sizeof *(list));                              \
		if (grown_)                                                                        \
			(list) = grown_;                                                           \
		grown_ ? 0 : FR_ENOMEM;                                                            \
	})

static uint64_t hash_literal(uint32_t parent, const char *text, size_t len)
{
	return fr_hash((uint64_t)parent * FR_HASH_K0, text, len);
}

static uint64_t hash_node(const struct work *w, uint32_t index)
{
	const struct node *n = &w->nodes[index];

	return hash_literal(n->parent, n->text, n->len);
}

static uint64_t hash_state(const struct work *w, uint32_t index)
{
	const struct fr_dfa_state *s = &w->dfa->states[index];

	return fr_hash(0, (const char *)(w->members + s->members),
	               (size_t)s->nmembers * sizeof *w->members);
}

static int table_reserve(struct work *w, struct table *t,
                         uint64_t (*hash)(const struct work *, uint32_t))
{
	size_t want = t->slots ? (t->mask + 1) * 2 : 64;
	struct table new = { .mask = want - 1, .used = t->used };

	if (t->slots && t->used * 2 < t->mask + 1)
		return 0;
	new.slots = calloc(want, sizeof *new.slots);
	if (!new.slots)
		return no_memory(w);
	for (size_t i = 0; t->slots && i <= t->mask; i++) {
		size_t at;

		if (!t->slots[i])
			continue;
		at = hash(w, t->slots[i] - 1) & new.mask;
		while (new.slots[at])
			at = (at + 1) & new.mask;
		new.slots[at] = t->slots[i];
	}
	free(t->slots);
	*t = new;
	return 0;
}

/* ---- the trie ---- */

static int new_node(struct work *w, uint32_t *ret)
{
	int rc = ROOM(w, w->nodes, w->nnodes, &w->nodes_cap);

	if (rc < 0)
		return rc;
	w->nodes[w->nnodes] = (struct node){ .routes = FR_NONE32, .tails = FR_NONE32 };
	*ret = (uint32_t)w->nnodes++;
	return 0;
}

static int literal_child(struct work *w, uint32_t parent, const char *text, uint32_t *ret)
{
	size_t len = strlen(text), at;
	uint32_t child;
	struct node *n;
	int rc = table_reserve(w, &w->literals, hash_node);

	if (rc < 0)
		return rc;
	at = hash_literal(parent, text, len) & w->literals.mask;
	for (; w->literals.slots[at]; at = (at + 1) & w->literals.mask) {
		n = &w->nodes[w->literals.slots[at] - 1];
		if (n->parent == parent && n->len == len && !memcmp(n->text, text, len)) {
			*ret = w->literals.slots[at] - 1;
			return 0;
		}
	}
	rc = new_node(w, &child);
	if (rc < 0)
		return rc;
	n = &w->nodes[child];
	n->parent = parent;
	n->text = text;
	n->len = (uint32_t)len;
	n->sibling = w->nodes[parent].literals;
	w->nodes[parent].literals = child;
	w->literals.slots[at] = child + 1;
	w->literals.used++;
	*ret = child;
	return 0;
}

static int add_route(struct work *w, uint32_t index)
{
	const struct fr_manifest_route *r = &w->manifest->routes[index];
	uint32_t at = 0, child;
	int rc;

	for (uint32_t i = 0; i < r->npattern; i++) {
		int conv = r->pattern[i].conv;

		if (conv == FR_CONV_PATH) {
			w->next_route[index] = w->nodes[at].tails;
			w->nodes[at].tails = index;
			w->end[index] = at;
			return 0;
		}
		if (conv < 0) {
			rc = literal_child(w, at, r->pattern[i].text, &child);
			if (rc < 0)
				return rc;
		} else if (!(child = w->nodes[at].conv[conv])) {
			rc = new_node(w, &child);
			if (rc < 0)
				return rc;
			w->nodes[at].conv[conv] = child;
			w->nodes[child].parent = at;
		}
		at = child;
	}
	w->end[index] = at;
	w->next_route[index] = w->nodes[at].routes;
	w->nodes[at].routes = index;
	return 0;
}

/* ---- the sets ---- */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int by_text(const void *a, const void *b)
{
	const struct branch *x = a, *y = b;
	int c = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

static struct fr_accept accept_of(const struct fr_manifest *m, uint32_t index)
{
	const struct fr_manifest_route *r = &m->routes[index];
	struct fr_accept a = { .route = index, .methods = r->methods };

	for (uint32_t i = 0; i < r->npattern; i++) {
		if (r->pattern[i].conv >= 0)
			a.segments |= 1ULL << i;
		if (r->pattern[i].conv == FR_CONV_PATH)
			a.methods |= FR_ACCEPT_TAIL;
	}
	return a;
}

/* The accepts of the chains of a state's members. */
static int collect_accepts(struct work *w, uint32_t state, int tails)
{
	struct fr_dfa *dfa = w->dfa;
	struct fr_dfa_state *s = &dfa->states[state];
	uint32_t first = dfa->naccepts, n;
	int rc;

	for (uint32_t i = 0; i < s->nmembers; i++) {
		const struct node *node = &w->nodes[w->members[s->members + i]];
		uint32_t route = tails ? node->tails : node->routes;

		for (; route != FR_NONE32; route = w->next_route[route]) {
			rc = ROOM(w, dfa->accepts, dfa->naccepts, &w->accepts_cap);
			if (rc < 0)
				return rc;
			dfa->accepts[dfa->naccepts++] = accept_of(w->manifest, route);
		}
	}
	n = dfa->naccepts > first ? fr_dfa_prune(dfa->accepts + first, dfa->naccepts - first) : 0;
	dfa->naccepts = first + n;
	if (tails) {
		s->tails = first;
		s->ntails = n;
	} else {
		s->accepts = first;
		s->naccepts = n;
	}
	return 0;
}

static int add_target(struct work *w, uint32_t node)
{
	int rc = ROOM(w, w->target, w->ntarget, &w->target_cap);

	if (rc == 0)
		w->target[w->ntarget++] = node;
	return rc;
}

/* Adds the children of a state's members whose convertor takes the class. */
static int add_class(struct work *w, uint32_t state, enum fr_class class)
{
	const struct fr_dfa_state *s = &w->dfa->states[state];

	for (uint32_t i = 0; i < s->nmembers; i++) {
		const struct node *node = &w->nodes[w->members[s->members + i]];

		for (enum fr_conv conv = FR_CONV_STR; conv <= FR_CONV_UUID; conv++) {
			if (!node->conv[conv] || !fr_hash_takes(conv, class))
				continue;
			if (add_target(w, node->conv[conv]) < 0)
				return FR_ENOMEM;
		}
	}
	return 0;
}

/* The state that stands for the set in target; FR_NONE32 for the empty one. */
static int intern(struct work *w, uint32_t *ret)
{
	struct fr_dfa *dfa = w->dfa;
	size_t n = w->ntarget, at;
	int rc;

	w->ntarget = 0;
	if (!n) {
		*ret = FR_NONE32;
		return 0;
	}
	/* A node has one parent, so that no node is there twice. */
	qsort(w->target, n, sizeof *w->target, by_value);
	rc = table_reserve(w, &w->sets, hash_state);
	if (rc < 0)
		return rc;
	at = fr_hash(0, (const char *)w->target, n * sizeof *w->target) & w->sets.mask;
	for (; w->sets.slots[at]; at = (at + 1) & w->sets.mask) {
		const struct fr_dfa_state *s = &dfa->states[w->sets.slots[at] - 1];

		if (s->nmembers == n && w->members &&
		    !memcmp(w->members + s->members, w->target, n * sizeof *w->target)) {
			*ret = w->sets.slots[at] - 1;
			return 0;
		}
	}
	if (dfa->nstates >= FR_DFA_MAX_STATES(w->nnodes) ||
	    w->nmembers + n > FR_DFA_MAX_MEMBERS(w->nnodes) ||
	    dfa->nedges >= FR_DFA_MAX_EDGES(w->nnodes)) {
		w->overgrown = true;
		return FR_ELIMIT;
	}
	rc = ROOM(w, dfa->states, dfa->nstates, &w->states_cap);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = ROOM(w, w->members, w->nmembers + i, &w->members_cap);
		if (rc == 0)
			w->members[w->nmembers + i] = w->target[i];
	}
	if (rc < 0)
		return rc;
	dfa->states[dfa->nstates] =
		(struct fr_dfa_state){ .members = (uint32_t)w->nmembers, .nmembers = (uint32_t)n };
	w->nmembers += n;
	w->sets.slots[at] = dfa->nstates + 1;
	w->sets.used++;
	*ret = dfa->nstates++;
	return 0;
}

static int list_branches(struct work *w, uint32_t state)
{
	const struct fr_dfa_state *s = &w->dfa->states[state];

	w->nbranches = 0;
	for (uint32_t i = 0; i < s->nmembers; i++) {
		uint32_t child = w->nodes[w->members[s->members + i]].literals;

		for (; child; child = w->nodes[child].sibling) {
			int rc = ROOM(w, w->branches, w->nbranches, &w->branches_cap);

			if (rc < 0)
				return rc;
			w->branches[w->nbranches++] =
				(struct branch){ w->nodes[child].text, w->nodes[child].len, child };
		}
	}
	if (w->nbranches)
		qsort(w->branches, w->nbranches, sizeof *w->branches, by_text);
	return 0;
}

/* The ways out of a state by what is spelled out: also what the convertors say of that text. */
static int expand_literals(struct work *w, uint32_t state)
{
	struct fr_dfa *dfa = w->dfa;
	struct fr_dfa_edge edge = { .from = state };
	uint32_t first = dfa->nedges;
	int rc = list_branches(w, state);

	for (size_t i = 0; rc == 0 && i < w->nbranches;) {
		const struct branch *b = &w->branches[i];

		edge.text = b->text;
		edge.len = b->len;
		for (; rc == 0 && i < w->nbranches && !by_text(b, &w->branches[i]); i++)
			rc = add_target(w, w->branches[i].child);
		if (rc == 0 && edge.len)
			rc = add_class(w, state, fr_hash_class(edge.text, edge.len));
		if (rc == 0)
			rc = intern(w, &edge.to);
		if (rc == 0)
			rc = ROOM(w, dfa->edges, dfa->nedges, &w->edges_cap);
		if (rc == 0)
			dfa->edges[dfa->nedges++] = edge;
	}
	dfa->states[state].edges = first;
	dfa->states[state].nedges = dfa->nedges - first;
	return rc;
}

static int expand(struct work *w, uint32_t state)
{
	uint32_t to;
	int rc = collect_accepts(w, state, 0);

	if (rc == 0)
		rc = collect_accepts(w, state, 1);
	if (rc == 0)
		rc = expand_literals(w, state);
	for (enum fr_class class = 0; rc == 0 && class < FR_CLASSES; class ++) {
		rc = add_class(w, state, class);
		if (rc == 0)
			rc = intern(w, &to);
		if (rc == 0)
			w->dfa->states[state].next[class] = to;
	}
	return rc;
}

static bool takes_part(const struct work *w, uint32_t route)
{
	const struct fr_manifest_route *r = &w->manifest->routes[route];

	return r->pattern && r->params.count && !(w->without && w->without[route]);
}

/* The whole automaton, or an error with what has been made until then. */
static int construct(struct work *w)
{
	const struct fr_manifest *m = w->manifest;
	uint32_t root, start, with_params = 0;
	int rc;

	w->dfa = calloc(1, sizeof *w->dfa);
	w->next_route = calloc(m->nroutes + 1, sizeof *w->next_route);
	w->end = calloc(m->nroutes + 1, sizeof *w->end);
	if (!w->dfa || !w->next_route || !w->end)
		return no_memory(w);
	rc = new_node(w, &root);
	for (uint32_t i = 0; rc == 0 && i < m->nroutes; i++) {
		if (!takes_part(w, i))
			continue;
		with_params++;
		rc = add_route(w, i);
	}
	if (rc < 0 || !with_params)
		return rc;
	rc = add_target(w, root);
	if (rc == 0)
		rc = intern(w, &start);
	for (uint32_t i = 0; rc == 0 && i < w->dfa->nstates; i++)
		rc = expand(w, i);
	return rc;
}

static void work_fini(struct work *w)
{
	fr_dfa_free(w->dfa);
	free(w->nodes);
	free(w->next_route);
	free(w->end);
	free(w->literals.slots);
	free(w->sets.slots);
	free(w->members);
	free(w->target);
	free(w->branches);
}

/* ---- what does not fit ---- */

/* A route, and how often what it consists of stands in the sets. */
struct part {
	uint64_t weight;
	uint32_t route;
};

/* The heaviest first, and of equal ones the last declared. */
static int by_weight(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return (x->route < y->route) - (x->route > y->route);
}

/* The routes that take part, by their parts in what has grown too large: the caller's to free. */
static int weigh(struct work *w, struct part **ret, uint32_t *ret_n)
{
	struct part *parts = calloc(w->manifest->nroutes + 1, sizeof *parts);
	uint64_t *nodes = calloc(w->nnodes + 1, sizeof *nodes);
	uint32_t n = 0;

	if (!parts || !nodes) {
		free(parts);
		free(nodes);
		return no_memory(w);
	}
	for (size_t i = 0; i < w->nmembers; i++)
		nodes[w->members[i]]++;
	for (size_t i = 1; i < w->nnodes; i++)
		nodes[i] += nodes[w->nodes[i].parent];
	for (uint32_t i = 0; i < w->manifest->nroutes; i++)
		if (takes_part(w, i))
			parts[n++] = (struct part){ nodes[w->end[i]], i };
	free(nodes);
	qsort(parts, n, sizeof *parts, by_weight);
	*ret = parts;
	*ret_n = n;
	return 0;
}

/* One half of those that weigh at least half as much as the heaviest: a few rounds do. */
static int leave_out(struct work *w, bool *without)
{
	struct part *parts;
	uint32_t n, heavy = 0;
	int rc = weigh(w, &parts, &n);

	if (rc < 0)
		return rc;
	while (heavy < n && parts[heavy].weight * 2 >= parts[0].weight)
		heavy++;
	for (uint32_t i = 0; i < (heavy + 1) / 2; i++)
		without[parts[i].route] = true;
	free(parts);
	return 0;
}

int fr_dfa_misfits(const struct fr_manifest *m, bool *ret, struct fr_diag *diag)
{
	bool grows = true;
	int rc = 0;

	for (uint32_t i = 0; i < m->nroutes; i++)
		ret[i] = m->routes[i].pattern &&
		         fr_manifest_excess(m->routes[i].pattern, m->routes[i].npattern);
	while (rc == 0 && grows) {
		struct work w = { .manifest = m, .without = ret, .diag = diag };

		rc = construct(&w);
		grows = w.overgrown;
		if (grows)
			rc = leave_out(&w, ret);
		work_fini(&w);
	}
	return rc;
}

/* Only of a manifest that was not made by asking fr_dfa_misfits(). */
static int overgrown(struct work *w)
{
	char name[512] = "";
	struct part *parts;
	uint32_t n;
	int rc = weigh(w, &parts, &n);

	if (rc < 0)
		return rc;
	fr_manifest_name_route(&w->manifest->routes[parts[0].route], name, sizeof name);
	free(parts);
	return fr_diag_set(w->diag, FR_ELIMIT, "routes",
	                   "the paths overlap in too many ways: more than %u states; some have to "
	                   "go on the side list, first of all %s",
	                   w->dfa->nstates, name);
}

int fr_dfa_build(const struct fr_manifest *m, struct fr_dfa **ret, struct fr_diag *diag)
{
	struct work w = { .manifest = m, .diag = diag };
	int rc = construct(&w);

	if (w.overgrown)
		rc = overgrown(&w);
	if (rc == 0) {
		*ret = w.dfa;
		w.dfa = NULL;
	}
	work_fini(&w);
	return rc;
}

void fr_dfa_free(struct fr_dfa *dfa)
{
	if (!dfa)
		return;
	free(dfa->states);
	free(dfa->edges);
	free(dfa->accepts);
	free(dfa);
}

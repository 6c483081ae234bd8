#include "shm/board.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t align(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

int fr_board_open(struct fr_board *ret, uint32_t nworkers, uint32_t nroutes, uint32_t nplaces,
                  uint32_t nflights, struct fr_diag *diag)
{
	struct fr_board b = {
		.nworkers = nworkers, .nroutes = nroutes, .nplaces = nplaces, .nflights = nflights
	};
	size_t at = align(sizeof(struct fr_board_slot), 64);
	void *base;

	at += ((size_t)nroutes + 1) * sizeof(struct fr_board_route);
	b.places_at = at;
	at += (size_t)nplaces * sizeof(struct fr_board_place);
	b.flights_at = at;
	at += (size_t)nflights * sizeof(struct fr_board_flight);
	b.buckets_at = at;
	at += ((size_t)nroutes + 1) * FR_BOARD_BUCKETS * sizeof(uint64_t);
	b.ring_at = align(at, 64);
	at = b.ring_at + fr_ring_bytes(FR_BOARD_ERRORS);
	b.slot_size = align(at, (size_t)sysconf(_SC_PAGESIZE));
	b.size = b.slot_size * nworkers;
	/* Pages that nobody touches cost nothing: most routes of most applications are rarely asked for. */
	base = mmap(NULL, b.size, PROT_READ | PROT_WRITE,
	            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return fr_diag_errno(diag, errno, "board", "can't map %zu bytes", b.size);
	b.base = base;
	*ret = b;
	return 0;
}

void fr_board_close(struct fr_board *board)
{
	if (board->base)
		munmap(board->base, board->size);
	*board = (struct fr_board){ 0 };
}

static char *slot(const struct fr_board *board, uint32_t worker)
{
	return board->base + board->slot_size * worker;
}

struct fr_board_slot *fr_board_slot(const struct fr_board *board, uint32_t worker)
{
	return (struct fr_board_slot *)(void *)slot(board, worker);
}

struct fr_board_route *fr_board_routes(const struct fr_board *board, uint32_t worker)
{
	return (struct fr_board_route *)(void *)(slot(board, worker) +
	                                         align(sizeof(struct fr_board_slot), 64));
}

struct fr_board_place *fr_board_places(const struct fr_board *board, uint32_t worker)
{
	return (struct fr_board_place *)(void *)(slot(board, worker) + board->places_at);
}

struct fr_board_flight *fr_board_flights(const struct fr_board *board, uint32_t worker)
{
	return (struct fr_board_flight *)(void *)(slot(board, worker) + board->flights_at);
}

uint32_t fr_board_flights_used(const struct fr_board *board, uint32_t worker)
{
	uint64_t used = FR_BOARD_GET(fr_board_slot(board, worker)->flights_used);

	return used < board->nflights ? (uint32_t)used : board->nflights;
}

void fr_board_put_place(struct fr_board_place *place, uint32_t state, const char *why)
{
	uint64_t words[FR_BOARD_WHY / 8] = { 0 };

	if (why)
		memccpy(words, why, 0, sizeof words - 1);
	for (unsigned i = 0; i < FR_BOARD_WHY / 8; i++)
		FR_BOARD_PUT(place->why[i], words[i]);
	atomic_store_explicit(&place->state, state, memory_order_release);
}

uint32_t fr_board_get_place(struct fr_board_place *place, char ret_why[FR_BOARD_WHY])
{
	uint32_t state = atomic_load_explicit(&place->state, memory_order_acquire);
	size_t len = 0;

	/* A copy: what others write can change between two looks at it. */
	for (unsigned i = 0; i < FR_BOARD_WHY / 8; i++) {
		uint64_t word = FR_BOARD_GET(place->why[i]);

		memcpy(ret_why + i * 8, &word, 8);
	}
	while (len < FR_BOARD_WHY - 1 && ret_why[len] >= ' ' && ret_why[len] <= '~')
		len++;
	ret_why[len] = '\0';
	return state;
}

_Atomic uint64_t *fr_board_buckets(const struct fr_board *board, uint32_t worker, uint32_t route)
{
	char *first = slot(board, worker) + board->buckets_at;

	return (_Atomic uint64_t *)(void *)first + (size_t)route * FR_BOARD_BUCKETS;
}

struct fr_ring fr_board_errors(const struct fr_board *board, uint32_t worker)
{
	struct fr_ring ring;

	fr_ring_init(&ring, slot(board, worker) + board->ring_at, FR_BOARD_ERRORS);
	return ring;
}

void fr_board_clear(const struct fr_board *board, uint32_t worker)
{
	if (madvise(slot(board, worker), board->slot_size, MADV_REMOVE) < 0)
		memset(slot(board, worker), 0, board->slot_size);
}

unsigned fr_board_bucket(uint64_t us)
{
	unsigned log;

	if (us < 8)
		return (unsigned)us;
	log = 63 - (unsigned)__builtin_clzll(us);
	if (log > 26)
		return FR_BOARD_BUCKETS - 1;
	return (log - 2) * 8 + (unsigned)((us >> (log - 3)) & 7);
}

double fr_board_bucket_us(unsigned bucket)
{
	unsigned shift;

	if (bucket < 8)
		return bucket + 0.5;
	shift = bucket / 8 - 1;
	return ((double)(8 + bucket % 8) + 0.5) * (double)(1u << shift);
}

double fr_board_percentile(const uint64_t *counts, double share)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < FR_BOARD_BUCKETS; i++)
		total += counts[i];
	if (!total)
		return -1;
	for (unsigned i = 0; i < FR_BOARD_BUCKETS; i++) {
		seen += counts[i];
		if (counts[i] && (double)seen >= share * (double)total)
			return fr_board_bucket_us(i);
	}
	return fr_board_bucket_us(FR_BOARD_BUCKETS - 1);
}

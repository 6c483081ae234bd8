#include <stdlib.h>
#include <string.h>

#include "net/conn.h"

static char *inline_data(struct fr_block *b, size_t nfields)
{
	return (char *)&b->fields[nfields];
}

struct fr_block *fr_block_take(struct fr_server *s)
{
	struct fr_block *b = s->blocks;
	size_t nfields = s->parse_limits.headers;

	if (b) {
		s->blocks = b->next;
		s->nblocks--;
		return b;
	}
	b = malloc(sizeof(*b) + nfields * sizeof(*b->fields) + FR_BLOCK_BYTES);
	if (!b)
		return NULL;
	b->next = NULL;
	b->rd = b->wr = b->pin = 0;
	b->cap = FR_BLOCK_BYTES;
	b->data = inline_data(b, nfields);
	fr_parser_init(&b->parser, &s->parse_limits, b->fields);
	return b;
}

static void block_free(struct fr_block *b, size_t nfields)
{
	if (b->data != inline_data(b, nfields))
		free(b->data);
	fr_parser_fini(&b->parser);
	free(b);
}

void fr_block_give(struct fr_server *s, struct fr_block *b)
{
	size_t nfields = s->parse_limits.headers;

	if (s->nblocks >= FR_POOLED_BLOCKS) {
		block_free(b, nfields);
		return;
	}
	if (b->data != inline_data(b, nfields)) {
		free(b->data);
		b->data = inline_data(b, nfields);
		b->cap = FR_BLOCK_BYTES;
	}
	b->rd = b->wr = b->pin = 0;
	b->next = s->blocks;
	s->blocks = b;
	s->nblocks++;
}

int fr_block_grow(struct fr_server *s, struct fr_block *b, size_t max)
{
	size_t cap = b->cap * 2 < max ? b->cap * 2 : max;
	char *data;

	if (cap <= b->cap)
		return FR_ELIMIT;
	data = malloc(cap);
	if (!data)
		return FR_ENOMEM;
	memcpy(data, b->data, b->wr);
	if (b->data != inline_data(b, s->parse_limits.headers))
		free(b->data);
	b->data = data;
	b->cap = cap;
	return 0;
}

void fr_blocks_fini(struct fr_server *s)
{
	while (s->blocks) {
		struct fr_block *b = s->blocks;

		s->blocks = b->next;
		block_free(b, s->parse_limits.headers);
	}
	s->nblocks = 0;
}

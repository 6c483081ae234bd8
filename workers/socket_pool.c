#include "workers/socket.h"

#include <stdlib.h>

#define POOL_MAX 256u /* requests that are kept for later ones */
#define POOL_HEAD_MAX 8192 /* larger buffers are not kept with them */
#define POOL_BODY_MAX 65536

struct fr_request *fr_request_new(struct fr_socket *s, struct fr_exchange *x)
{
	struct fr_request *req = s->pool;

	if (req) {
		s->pool = req->next;
		s->npool--;
	} else {
		req = calloc(1, sizeof(*req));
		if (!req)
			return NULL;
		req->sock = s;
	}
	req->x = x;
	req->refs = 1; /* the exchange's */
	req->body_len = 0;
	req->stream = req->body_ended = req->paused = req->over = false;
	req->left = req->completed = req->starting = req->listed = false;
	req->flight.open = false;
	req->status = 0;
	fr_exchange_set_data(x, req);
	return req;
}

void fr_request_free(struct fr_request *req)
{
	free(req->body);
	free(req->head);
	free(req);
}

void fr_request_unref(struct fr_request *req)
{
	struct fr_socket *s = req->sock;

	if (--req->refs > 0)
		return;
	if (s->npool == POOL_MAX) {
		fr_request_free(req);
		return;
	}
	if (req->head_cap > POOL_HEAD_MAX) {
		free(req->head);
		req->head = NULL;
		req->head_cap = 0;
	}
	if (req->body_cap > POOL_BODY_MAX) {
		free(req->body);
		req->body = NULL;
		req->body_cap = 0;
	}
	req->next = s->pool;
	s->pool = req;
	s->npool++;
}

void fr_request_list(struct fr_request *req)
{
	struct fr_socket *s = req->sock;

	req->prev = NULL;
	req->next = s->live;
	if (s->live)
		s->live->prev = req;
	s->live = req;
	req->listed = true;
	s->nlive++;
}

void fr_request_unlist(struct fr_request *req)
{
	if (!req->listed)
		return;
	if (req->prev)
		req->prev->next = req->next;
	else
		req->sock->live = req->next;
	if (req->next)
		req->next->prev = req->prev;
	req->listed = false;
	req->sock->nlive--;
}

void fr_request_begin(struct fr_request *req)
{
	req->refs++;
	fr_request_list(req);
}

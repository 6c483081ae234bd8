#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn.h"

#define MAX_REST 4096u /* as long as a queue may be */

/*
 * Descriptors have run out.  The reserve is given up to take and drop one
 * connection: else it would stay in the queue and wake the loop for ever.
 */
static void refuse_one(struct fr_server *s, int fd)
{
	int conn;

	if (s->reserve_fd >= 0)
		close(s->reserve_fd);
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (conn >= 0)
		close(conn);
	s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->refused_accepts++;
	if (ev_now(s->loop) - s->last_warning >= 1) {
		s->last_warning = ev_now(s->loop);
		fr_log(FR_WARNING, "out of file descriptors: %llu connections refused so far",
		       (unsigned long long)s->refused_accepts);
	}
}

/* Takes one connection; false: there is none, or none can be taken now. */
static bool accept_one(struct fr_listening *l)
{
	struct fr_server *s = l->srv;
	union {
		struct sockaddr any;
		struct sockaddr_in6 v6;
	} peer = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	int fd = accept4(l->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse_one(s, l->fd);
		else if (errno == EINTR || errno == ECONNABORTED)
			return true;
		else if (errno != EAGAIN && errno != EWOULDBLOCK)
			fr_log(FR_WARNING, "accept failed: errno %d", errno);
		return false;
	}
	if (fr_conn_open(s, fd, &peer.any, len, l))
		close(fd);
	return true;
}

static void on_acceptable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct fr_listening *l = FR_CONTAINER_OF(w, struct fr_listening, io);
	struct fr_server *s = l->srv;

	(void)loop;
	(void)revents;
	for (uint64_t i = 0; i < s->limits.accepts && s->accepting; i++)
		if (!accept_one(l))
			return;
}

void fr_listen_rest(struct fr_server *s)
{
	for (size_t i = 0; i < s->nlistening; i++)
		for (unsigned n = 0; n < MAX_REST && s->accepting; n++)
			if (!accept_one(s->listening[i]))
				break;
}

int fr_server_listen(struct fr_server *s, int fd)
{
	struct fr_listening *l;
	int one = 1;

	if (s->nlistening == FR_MAX_LISTENERS)
		return FR_ELIMIT;
	l = calloc(1, sizeof(*l));
	if (!l)
		return FR_ENOMEM;
	/* Connections inherit it; a Unix socket refuses, which is as well. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	l->srv = s;
	l->fd = fd;
	ev_io_init(&l->io, on_acceptable, fd, EV_READ);
	s->listening[s->nlistening++] = l;
	if (s->accepting)
		ev_io_start(s->loop, &l->io);
	return 0;
}

void fr_listen_resume(struct fr_server *s)
{
	if (s->accepting || s->draining)
		return;
	s->accepting = true;
	for (size_t i = 0; i < s->nlistening; i++)
		ev_io_start(s->loop, &s->listening[i]->io);
}

void fr_listen_pause(struct fr_server *s)
{
	s->accepting = false;
	for (size_t i = 0; i < s->nlistening; i++)
		ev_io_stop(s->loop, &s->listening[i]->io);
}

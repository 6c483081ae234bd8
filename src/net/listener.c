#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn.h"

#define MAX_REST 4096u /* as long as a queue may be */
#define PAUSE 0.1 /* seconds until accepting is tried again */
#define PATIENCE 50u /* looks, one a pause, for which a queue is left to other workers */

/* At most a line a second: what goes wrong here goes wrong again at once. */
static bool may_warn(struct fr_server *s)
{
	if (ev_now(s->loop) - s->last_warning < 1)
		return false;
	s->last_warning = ev_now(s->loop);
	return true;
}

static void reserve(struct fr_server *s)
{
	if (s->reserve_fd < 0)
		s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * The reserve is given up to take and drop one connection: else it would stay
 * in the queue and wake the loop for ever.  False: another thread was faster
 * and has the descriptor.
 */
static bool refuse_one(struct fr_server *s, int fd)
{
	int conn, err;

	if (s->reserve_fd < 0)
		return false;
	close(s->reserve_fd);
	s->reserve_fd = -1;
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	err = errno;
	if (conn >= 0)
		close(conn);
	reserve(s);
	if (conn < 0)
		return err == EAGAIN || err == EINTR || err == ECONNABORTED;
	s->refused_accepts++;
	if (may_warn(s))
		fr_log(FR_WARNING, "out of file descriptors: %llu connections refused so far",
		       (unsigned long long)s->refused_accepts);
	return true;
}

/* Nothing can be accepted: what would wake the loop at once, and again, rests for a while. */
static void hold_off(struct fr_server *s)
{
	fr_listen_pause(s);
	ev_timer_set(&s->retry, PAUSE, 0.);
	ev_timer_start(s->loop, &s->retry);
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fr_server *s = FR_CONTAINER_OF(w, struct fr_server, retry);

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < s->nlistening; i++) {
		struct fr_listening *l = s->listening[i];
		struct pollfd p = { .fd = l->fd, .events = POLLIN };

		l->waited = poll(&p, 1, 0) == 1 ? l->waited + 1 : 0;
	}
	reserve(s);
	fr_listen_resume(s);
}

/* A connection waits that can't be taken now. */
static void fall_short(struct fr_listening *l, int err)
{
	struct fr_server *s = l->srv;
	bool fds = err == EMFILE || err == ENFILE;
	bool left = s->limits.shared && l->waited < PATIENCE;

	if (fds && !left && refuse_one(s, l->fd) && !s->limits.shared)
		return;
	if (may_warn(s))
		fr_log(FR_WARNING, "%s: connections %s",
		       fds ? "out of file descriptors" : strerror(err),
		       fds && left ? "are left to the other workers" : "wait to be accepted");
	hold_off(s);
}

/* Takes one connection.  0, or an errno: there is none, or none can be taken now. */
static int accept_one(struct fr_listening *l)
{
	struct fr_server *s = l->srv;
	union {
		struct sockaddr any;
		struct sockaddr_in6 v6;
	} peer = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	int fd = accept4(l->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED ? 0 : errno;
	l->waited = 0;
	if (fr_conn_open(s, fd, &peer.any, len, l))
		close(fd);
	return 0;
}

static void on_acceptable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct fr_listening *l = FR_CONTAINER_OF(w, struct fr_listening, io);
	struct fr_server *s = l->srv;
	int err = 0;

	(void)loop;
	(void)revents;
	for (uint64_t i = 0; i < s->limits.accepts && s->accepting && !err; i++)
		err = accept_one(l);
	if (err && err != EAGAIN)
		fall_short(l, err);
}

void fr_listen_init(struct fr_server *s)
{
	s->accepting = true;
	s->reserve_fd = -1;
	reserve(s);
	ev_timer_init(&s->retry, on_retry, 0., 0.);
}

void fr_listen_fini(struct fr_server *s)
{
	fr_listen_pause(s);
	for (size_t i = 0; i < s->nlistening; i++)
		free(s->listening[i]);
	s->nlistening = 0;
	if (s->reserve_fd >= 0)
		close(s->reserve_fd);
}

void fr_listen_rest(struct fr_server *s)
{
	for (size_t i = 0; i < s->nlistening; i++)
		for (unsigned n = 0; n < MAX_REST && s->accepting; n++)
			if (accept_one(s->listening[i]))
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
	ev_timer_stop(s->loop, &s->retry);
	for (size_t i = 0; i < s->nlistening; i++)
		ev_io_start(s->loop, &s->listening[i]->io);
}

void fr_listen_pause(struct fr_server *s)
{
	s->accepting = false;
	ev_timer_stop(s->loop, &s->retry);
	for (size_t i = 0; i < s->nlistening; i++)
		ev_io_stop(s->loop, &s->listening[i]->io);
}

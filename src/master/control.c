#include "master/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "master/listeners.h"

#define ASK_TIME 5.0 /* for a client to say what it wants */
#define PAUSE 1.0
#define HEARD_TIME 5000 /* ms for a master to say that it has heard, busy as it may be */
#define MAX_ANSWER (128u << 10)

static void forget(struct fr_control_client *client)
{
	struct fr_control *control = client->control;
	struct fr_control_client **at = &control->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	control->nclients--;
	ev_io_stop(control->loop, &client->io);
	ev_timer_stop(control->loop, &client->limit);
	close(client->io.fd);
	free(client);
}

static void forget_all(struct fr_control *control)
{
	struct fr_control_client *client, *next;

	for (client = control->clients; client; client = next) {
		next = client->next;
		forget(client);
	}
}

void fr_control_answer(struct fr_control_client *client, bool done, const char *text)
{
	size_t len = strlen(text), max = MAX_ANSWER - 1;
	const char *end =
		len > max ? text + len - max : text; /* of a traceback the end says most */
	struct iovec parts[2] = { { (void *)(uintptr_t)(done ? "0" : "1"), 1 },
		                  { (void *)(uintptr_t)end, len > max ? max : len } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	/* It fits the socket's buffer.  A client that has left is no loss. */
	while (sendmsg(client->io.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
		;
	forget(client);
}

static void on_late(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	forget(timer->data);
}

static void on_said(struct ev_loop *loop, ev_io *io, int revents)
{
	struct fr_control_client *client = io->data;
	size_t room = sizeof client->word - client->len;
	ssize_t n = recv(io->fd, client->word + client->len, room, MSG_DONTWAIT);
	char *end;

	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || client->asked) {
		forget(client); /* it has left, or says more than it may */
		return;
	}
	client->len += (size_t)n;
	end = memchr(client->word, '\n', client->len);
	if (!end && client->len == sizeof client->word) {
		forget(client);
		return;
	}
	if (!end)
		return;
	*end = 0;
	client->asked = true;
	ev_timer_stop(loop, &client->limit);
	send(io->fd, ".", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	client->control->on_command(client->control->data, client, client->word);
}

static void on_pause_end(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct fr_control *control = timer->data;

	(void)revents;
	ev_io_start(loop, &control->io);
}

static void on_client(struct ev_loop *loop, ev_io *io, int revents)
{
	struct fr_control *control = io->data;
	struct fr_control_client *client;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), size = MAX_ANSWER;

	(void)revents;
	if (fd < 0) {
		/* It stays in the queue and would wake the loop for ever. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			ev_io_stop(loop, io);
			ev_timer_set(&control->pause, PAUSE, 0.);
			ev_timer_start(loop, &control->pause);
		}
		return;
	}
	client = control->nclients < FR_CONTROL_CLIENTS ? calloc(1, sizeof *client) : NULL;
	if (!client) {
		static const char words[] =
			"1too many clients are connected to the control socket: try again in "
			"some seconds\n";

		send(fd, words, sizeof words - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* the kernel doubles it */
	client->control = control;
	client->next = control->clients;
	control->clients = client;
	control->nclients++;
	ev_io_init(&client->io, on_said, fd, EV_READ);
	ev_timer_init(&client->limit, on_late, ASK_TIME, 0.);
	client->io.data = client->limit.data = client;
	ev_io_start(loop, &client->io);
	ev_timer_start(loop, &client->limit);
}

static void listen_on(struct fr_control *control)
{
	ev_io_init(&control->io, on_client, control->fd, EV_READ);
	ev_timer_init(&control->pause, on_pause_end, PAUSE, 0.);
	control->io.data = control->pause.data = control;
	ev_io_start(control->loop, &control->io);
}

int fr_control_open(struct fr_control *control, struct ev_loop *loop, const char *path,
                    fr_control_fn *on_command, void *data, struct fr_diag *diag)
{
	int err;

	struct fr_listener opened;

	*control = (struct fr_control){
		.loop = loop, .fd = -1, .on_command = on_command, .data = data
	};
	control->path = strdup(path);
	if (!control->path)
		return fr_diag_set(diag, FR_ENOMEM, path, "out of memory");
	if ((err = fr_unix_open(path, 0600, path, &opened, diag)) < 0) {
		free(control->path);
		control->path = NULL;
		return err;
	}
	control->fd = opened.fd;
	control->dev = opened.dev;
	control->ino = opened.ino;
	listen_on(control);
	return 0;
}

static void stop_listening(struct fr_control *control)
{
	if (!control->path)
		return;
	ev_io_stop(control->loop, &control->io);
	ev_timer_stop(control->loop, &control->pause);
	fr_unix_remove(control->path, control->dev, control->ino);
	close(control->fd);
	free(control->path);
	control->path = NULL;
	control->fd = -1;
}

void fr_control_move(struct fr_control *to, struct fr_control *from)
{
	stop_listening(to);
	if (!from->path)
		return;
	ev_io_stop(from->loop, &from->io);
	ev_timer_stop(from->loop, &from->pause);
	forget_all(from); /* who came before it was in force asks again */
	to->loop = from->loop;
	to->on_command = from->on_command;
	to->data = from->data;
	to->path = from->path;
	to->fd = from->fd;
	to->dev = from->dev;
	to->ino = from->ino;
	from->path = NULL;
	from->fd = -1;
	listen_on(to);
}

void fr_control_close(struct fr_control *control)
{
	forget_all(control);
	stop_listening(control);
}

/* ---- the client's side ---- */

/* FR_ETIMEOUT: the master is there, and says nothing. */
static int wait_heard(int fd, struct fr_diag *diag)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct ucred peer = { 0 };
	socklen_t len = sizeof peer;
	int n;

	do
		n = poll(&p, 1, HEARD_TIME);
	while (n < 0 && errno == EINTR);
	if (n != 0)
		return 0;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	return fr_diag_set(
		diag, FR_ETIMEOUT, "control",
		"the master (process %d) has not answered within %d s: it may be stopped "
		"(SIGSTOP), or hang",
		(int)peer.pid, HEARD_TIME / 1000);
}

/*
 * Prints the answer as it comes.  Its first byte, after that which says
 * "heard", is the outcome.  FR_EPIPE: there is none.
 */
static int take_answer(int fd, int *ret_code)
{
	bool answered = false;
	FILE *out = stderr;
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) != 0) {
		const char *text = buf, *end = buf + (n > 0 ? n : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		while (!answered && text < end) {
			if (!strchr(".01", *text) || !*text)
				return FR_ECORRUPT;
			if (*text != '.') {
				answered = true;
				*ret_code = *text == '0' ? 0 : 1;
				out = *ret_code ? stderr : stdout;
			}
			text++;
		}
		fwrite(text, 1, (size_t)(end - text), out);
	}
	return answered ? 0 : FR_EPIPE;
}

static int ask(int fd, const char *word, int *ret_code, struct fr_diag *diag)
{
	char line[FR_CONTROL_WORD];
	int len = snprintf(line, sizeof line, "%s\n", word), err;

	/* One that has turned us away has said why. */
	if (send(fd, line, (size_t)len, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return fr_diag_errno(diag, errno, "control", "can't ask the master");
	if ((err = wait_heard(fd, diag)) < 0)
		return err;
	if ((err = take_answer(fd, ret_code)) == FR_ECORRUPT)
		return fr_diag_set(diag, FR_ECORRUPT, "control", "this is no control socket");
	if (err == 0)
		return 0;
	if (strcmp(word, "stop"))
		return fr_diag_set(diag, FR_EPIPE, "control", "the master ended without an answer");
	*ret_code = 0; /* its end is what was asked for */
	return 0;
}

int fr_control_ask(const char *path, const char *word, int *ret_code, struct fr_diag *diag)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return fr_diag_errno(diag, errno, path, "can't make a socket");
	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0) {
		bool nobody = errno == ENOENT || errno == ECONNREFUSED;

		err = fr_diag_errno(diag, errno, path, "can't reach the master");
		err = nobody ? FR_ENOENT : err;
	} else {
		err = ask(fd, word, ret_code, diag);
	}
	close(fd);
	return err;
}

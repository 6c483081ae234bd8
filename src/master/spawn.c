#include "master/spawn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "base/log.h"
#include "master/child.h"

/* _exit() runs no handlers, the leak sanitizer's neither: builds with it look here. */
static void look_for_leaks(void)
{
#ifdef __SANITIZE_ADDRESS__
	__lsan_do_leak_check();
#endif
}

static void close_others(const struct fr_heritage *h)
{
	int *keep = calloc(h->nlisteners + 3, sizeof *keep);
	size_t n = 0;

	if (!keep)
		_exit(1);
	for (size_t i = 0; i < h->nlisteners; i++)
		keep[n++] = h->listeners[i].fd;
	keep[n++] = h->image_fd;
	keep[n++] = h->master_fd;
	keep[n++] = h->log_fd;
	fr_child_close_fds(keep, n);
	free(keep);
}

/* The forked child: from here to its exit code.  A worker that a spare forks returns here, too. */
static _Noreturn void be_child(struct ev_loop *loop, const struct fr_entries *entries,
                               struct fr_heritage h)
{
	struct fr_diag diag = { 0 };
	char name[16];
	int rc;

	snprintf(name, sizeof name, h.spare ? FR_SPARE_NAME : FR_WORKER_NAME, h.worker);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	fr_child_reset_signals();
	ev_loop_destroy(loop); /* closes the child's copy of the epoll descriptor, no more */
	if (fr_child_close_stdin() < 0)
		_exit(1);
	close_others(&h);
	if (h.log_fd > 2)
		dup2(h.log_fd, 2);
	fr_log_init(h.log_fd, (enum fr_level)h.config->log.level);
	if (fr_child_drop(h.config->user, h.config->group, &diag) < 0) {
		fr_log(FR_ERROR, "%s: %s: %s", name, diag.where, diag.message);
		_exit(1);
	}
	/* A spare has nothing to finish. */
	fr_child_follow((pid_t)h.master_pid, h.spare ? SIGKILL : FR_ORPHAN_SIGNAL);
	rc = entries->worker(&h);
	fflush(NULL);
	look_for_leaks();
	_exit(rc);
}

int fr_spawn_pair(int ends[2], struct fr_diag *diag)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fr_diag_errno(diag, errno, "crew", "can't make a socket pair");
	return 0;
}

int fr_spawn_send_fd(int socket, const void *bytes, size_t len, int fd)
{
	struct iovec part = { (void *)(uintptr_t)bytes, len };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
		                .cmsg_level = SOL_SOCKET,
		                .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &part,
		                  .msg_iovlen = 1,
		                  .msg_control = &control,
		                  .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n;

	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	do
		n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? FR_EIO : 0;
}

int fr_spawn(struct ev_loop *loop, const struct fr_entries *entries,
             const struct fr_heritage *heritage, pid_t *ret_pid, int *ret_fd, struct fr_diag *diag)
{
	struct fr_heritage h = *heritage;
	int ends[2], err;
	pid_t pid;

	if ((err = fr_spawn_pair(ends, diag)) < 0)
		return err;
	h.master_fd = ends[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		err = fr_diag_errno(diag, errno, "crew", "can't fork");
		close(ends[0]);
		close(ends[1]);
		return err;
	}
	if (pid == 0)
		be_child(loop, entries, h);
	close(ends[1]);
	setpgid(pid, pid);
	*ret_pid = pid;
	*ret_fd = ends[0];
	return 0;
}

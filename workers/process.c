#include "workers/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ORPHAN_TIME 1800 /* ms from the master's death to ours, whatever runs */

/* ---- signals ---- */

static void on_late(int signo)
{
	(void)signo;
	fr_process_end_group(); /* NOLINT(bugprone-signal-handler): system calls */
}

/* The master has died.  The loop learns of it by itself, if it runs; if it doesn't, the kernel tells us. */
static void on_orphan(int signo)
{
	static const struct itimerval limit = {
		.it_value = { .tv_sec = ORPHAN_TIME / 1000, .tv_usec = ORPHAN_TIME % 1000 * 1000 }
	};

	(void)signo;
	signal(SIGALRM, on_late);
	setitimer(ITIMER_REAL, &limit, NULL); /* NOLINT(bugprone-signal-handler): a system call */
}

/* Meant for the master.  Not ignored, for programs that are executed would ignore it, too. */
static void on_nothing(int signo)
{
	(void)signo;
}

void fr_process_signals(void)
{
	static const int defaults[] = { SIGTERM, SIGINT, SIGQUIT, SIGCHLD };
	sigset_t none;

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		signal(defaults[i], SIG_DFL);
	signal(SIGPIPE, SIG_IGN); /* as Python expects */
	signal(SIGHUP, SIG_IGN); /* the master's, who may be reached together with us */
	signal(SIGUSR1, on_nothing);
	signal(SIGUSR2, on_nothing);
	signal(FR_ORPHAN_SIGNAL, on_orphan);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- what a forked child inherits ---- */

/* FR_ORPHAN_SIGNAL is no constant. */
static const int handled[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 };

#define HANDLED (sizeof(handled) / sizeof(handled[0]))

struct address {
	struct sockaddr_storage name;
	socklen_t len;
};

/* Of this process; a forked child looks into its copy. */
static struct {
	struct address *list; /* that are listened on */
	size_t count;
	int master_fd;
	void (*handlers[HANDLED])(int);
} ours;

static int get_name(int fd, struct address *ret)
{
	*ret = (struct address){ .len = sizeof(ret->name) };
	return getsockname(fd, (struct sockaddr *)&ret->name, &ret->len);
}

/* Whether a socket of that name was accepted from a listener of the other, or is that listener. */
static int matches(const struct address *name, const struct address *listener)
{
	const struct sockaddr_in *in = (const void *)&name->name,
				 *on = (const void *)&listener->name;
	const struct sockaddr_in6 *in6 = (const void *)&name->name,
				  *on6 = (const void *)&listener->name;

	if (name->name.ss_family != listener->name.ss_family)
		return 0;
	if (name->name.ss_family == AF_INET)
		return in->sin_port == on->sin_port && (on->sin_addr.s_addr == htonl(INADDR_ANY) ||
		                                        on->sin_addr.s_addr == in->sin_addr.s_addr);
	if (name->name.ss_family == AF_INET6)
		return in6->sin6_port == on6->sin6_port &&
		       (IN6_IS_ADDR_UNSPECIFIED(&on6->sin6_addr) ||
		        IN6_ARE_ADDR_EQUAL(&on6->sin6_addr, &in6->sin6_addr));
	return name->name.ss_family == AF_UNIX && name->len == listener->len &&
	       name->len > offsetof(struct sockaddr_un, sun_path) &&
	       !memcmp(&name->name, &listener->name, name->len);
}

static int is_ours(int fd)
{
	struct address name;

	if (get_name(fd, &name) < 0)
		return 0;
	for (size_t i = 0; i < ours.count; i++)
		if (matches(&name, &ours.list[i]))
			return 1;
	return 0;
}

/*
 * Sockets are known by their names, not by the server's lists: another thread
 * may have been changing these when it forked.
 */
static void close_ours(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;

	close(ours.master_fd);
	while (dir && (e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (fd > 2 && fd != dirfd(dir) && is_ours(fd))
			close(fd);
	}
	if (dir)
		closedir(dir);
	for (int fd = 3; !dir && fd < (int)sysconf(_SC_OPEN_MAX); fd++)
		if (is_ours(fd))
			close(fd);
}

static PyObject *in_child(PyObject *self, PyObject *args)
{
	struct sigaction action;

	(void)self;
	(void)args;
	close_ours();
	/* Those of the event loop would wake the parent's.  What the application has set stays. */
	for (size_t i = 0; i < HANDLED; i++)
		if (sigaction(handled[i], NULL, &action) == 0 &&
		    action.sa_handler == ours.handlers[i])
			signal(handled[i], SIG_DFL);
	signal(FR_ORPHAN_SIGNAL, SIG_DFL);
	Py_RETURN_NONE;
}

static int find_ours(const struct fr_heritage *h)
{
	struct sigaction action;

	ours.master_fd = h->master_fd;
	for (size_t i = 0; i < HANDLED; i++)
		ours.handlers[i] =
			sigaction(handled[i], NULL, &action) == 0 ? action.sa_handler : SIG_ERR;
	ours.count = 0;
	ours.list = calloc(h->nlisteners + 1, sizeof(*ours.list));
	if (!ours.list) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < h->nlisteners; i++)
		if (get_name(h->listeners[i].fd, &ours.list[ours.count]) == 0)
			ours.count++;
	return 0;
}

int fr_process_watch_forks(const struct fr_heritage *heritage)
{
	static PyMethodDef def = { "fastrapid_forked", in_child, METH_NOARGS, NULL };
	PyObject *os = NULL, *fn = NULL, *registered = NULL, *none = NULL, *names = NULL;

	if (find_ours(heritage) < 0)
		return -1;
	os = PyImport_ImportModule("os");
	fn = os ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
	none = fn ? PyTuple_New(0) : NULL;
	names = none ? PyDict_New() : NULL;
	if (names) {
		PyObject *hook = PyCFunction_New(&def, NULL);

		if (hook && PyDict_SetItemString(names, "after_in_child", hook) == 0)
			registered = PyObject_Call(fn, none, names);
		Py_XDECREF(hook);
	}
	Py_XDECREF(names);
	Py_XDECREF(none);
	Py_XDECREF(fn);
	Py_XDECREF(os);
	Py_XDECREF(registered);
	return registered ? 0 : -1;
}

/* ---- orders ---- */

void fr_process_take_log(const struct fr_heritage *h, int fd)
{
	if (h->log_fd > 2) {
		dup3(fd, h->log_fd, O_CLOEXEC);
		dup2(fd, STDERR_FILENO);
	}
	close(fd);
}

ssize_t fr_process_order(const struct fr_heritage *h, char *ret_order)
{
	struct iovec part = { ret_order, 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &part,
		                  .msg_iovlen = 1,
		                  .msg_control = &control,
		                  .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(h->master_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (n <= 0 || message.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    control.head.cmsg_type != SCM_RIGHTS)
		return n;
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	if (*ret_order == FR_ORDER_REOPEN)
		fr_process_take_log(h, fd);
	else
		close(fd);
	return n;
}

void fr_process_end_group(void)
{
	kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL);
}

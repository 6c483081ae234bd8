#include "master/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void master_signals(sigset_t *set)
{
	static const int list[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2 };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		sigaddset(set, list[i]);
}

int fr_signals_open(int *ret_fd, struct fr_diag *diag)
{
	sigset_t set;
	int fd;

	master_signals(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return fr_diag_errno(diag, errno, "signals", "can't block signals");
	/* An ignored SIGCHLD, inherited from who started us, would lose exit codes. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return fr_diag_errno(diag, errno, "signals", "can't make a signalfd");
	*ret_fd = fd;
	return 0;
}

int fr_signals_next(int fd)
{
	struct signalfd_siginfo info;
	ssize_t n;

	do
		n = read(fd, &info, sizeof info);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

pid_t fr_child_ended(void)
{
	siginfo_t info = { 0 };

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		if (errno != EINTR)
			return 0;
	return info.si_pid;
}

bool fr_child_has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

int fr_child_reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

void fr_child_reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			signal(i, SIG_DFL); /* fails for the few that libc keeps: as it should */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* close_range(), also where the kernel lacks it. */
static void close_between(unsigned from, unsigned to)
{
	if (from > to || close_range(from, to, 0) == 0)
		return;
	for (unsigned fd = from; fd <= to && fd < (unsigned)sysconf(_SC_OPEN_MAX); fd++)
		close((int)fd);
}

void fr_child_close_fds(int *keep, size_t n)
{
	unsigned from = 3;

	qsort(keep, n, sizeof *keep, by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			close_between(from, (unsigned)keep[i] - 1);
		from = (unsigned)keep[i] + 1;
	}
	close_between(from, ~0U);
}

int fr_child_close_stdin(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return FR_EIO;
	if (fd != 0) {
		int err = dup2(fd, 0) < 0 ? FR_EIO : 0;

		close(fd);
		return err;
	}
	return fcntl(0, F_SETFD, 0) < 0 ? FR_EIO : 0;
}

void fr_child_follow(pid_t parent, int signo)
{
	prctl(PR_SET_PDEATHSIG, signo, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
}

/* Supplementary groups: those of the user, or the one group alone. */
static int set_groups(const char *user, gid_t gid)
{
	return user ? initgroups(user, gid) : setgroups(1, &gid);
}

int fr_child_drop(const char *user, const char *group, struct fr_diag *diag)
{
	const struct passwd *pw = user ? getpwnam(user) : NULL;
	const struct group *gr = group ? getgrnam(group) : NULL;
	uid_t uid = pw ? pw->pw_uid : geteuid(), r, e, s;
	gid_t gid = gr ? gr->gr_gid : pw ? pw->pw_gid : getegid(), rg, eg, sg;

	if ((user && !pw) || (group && !gr))
		return fr_diag_set(diag, FR_ENOENT, pw || !user ? "group" : "user",
		                   "\"%s\" does not exist", pw || !user ? group : user);
	if (!user && !group)
		return 0;
	if (geteuid() != 0 && (uid != geteuid() || gid != getegid()))
		return fr_diag_set(diag, FR_EINVAL, "user",
		                   "only root can change the user or the group");
	if (geteuid() == 0 && (set_groups(user, gid) < 0 || setresgid(gid, gid, gid) < 0 ||
	                       setresuid(uid, uid, uid) < 0))
		return fr_diag_errno(diag, errno, "user", "can't give up privileges");
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0 || r != uid || e != uid ||
	    s != uid || rg != gid || eg != gid || sg != gid ||
	    (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0 || setgroups(0, NULL) == 0)))
		return fr_diag_set(diag, FR_EIO, "user", "privileges were not given up");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fr_diag_errno(diag, errno, "user", "can't forbid new privileges");
	/* Changing the uid forbids core dumps and a look at /proc/self, standard error's name included. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

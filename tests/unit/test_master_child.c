/* Giving privileges up, in a child that is thrown away; for root only, but the refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/child.h"

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			dprintf(2, "%d: not so: %s\n", __LINE__, #what);                           \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* Runs it in a child; it returns 0 if all is as it should be. */
static void in_child(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int drop_to_user(void)
{
	const struct passwd *pw = getpwnam("nobody");
	struct fr_diag diag;
	gid_t groups[64];
	int n;

	CHECK(pw != NULL);
	CHECK(fr_child_drop("nobody", NULL, &diag) == 0);
	CHECK(getuid() == pw->pw_uid && geteuid() == pw->pw_uid);
	CHECK(getgid() == pw->pw_gid && getegid() == pw->pw_gid);
	n = getgroups(64, groups);
	CHECK(n >= 1);
	for (int i = 0; i < n; i++)
		CHECK(groups[i] != 0);
	CHECK(setuid(0) < 0 && seteuid(0) < 0 && setgid(0) < 0 && setgroups(0, NULL) < 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
	/* Once more, as what it is: no root is needed for that. */
	CHECK(fr_child_drop("nobody", NULL, &diag) == 0);
	CHECK(fr_child_drop("root", NULL, &diag) == FR_EINVAL);
	CHECK(strstr(diag.message, "only root"));
	return 0;
}

static int drop_to_group(void)
{
	const struct group *gr = getgrnam("nogroup");
	struct fr_diag diag;
	gid_t groups[64];

	CHECK(gr != NULL);
	CHECK(fr_child_drop(NULL, "nogroup", &diag) == 0);
	CHECK(getuid() == 0 && getgid() == gr->gr_gid && getegid() == gr->gr_gid);
	CHECK(getgroups(64, groups) == 1 && groups[0] == gr->gr_gid);
	return 0;
}

/* Root stays root, yet nothing that it executes may become more. */
static int drop_to_root(void)
{
	struct fr_diag diag;

	CHECK(fr_child_drop("root", NULL, &diag) == 0);
	CHECK(getuid() == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return 0;
}

static void test_drops(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	in_child(drop_to_user);
	in_child(drop_to_group);
	in_child(drop_to_root);
}

static int nothing_asked(void)
{
	struct fr_diag diag;
	uid_t uid = geteuid();

	CHECK(fr_child_drop(NULL, NULL, &diag) == 0);
	CHECK(geteuid() == uid && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	return 0;
}

static int unknown_names(void)
{
	struct fr_diag diag;
	uid_t uid = geteuid();

	CHECK(fr_child_drop("nobody-of-that-name", NULL, &diag) == FR_ENOENT);
	CHECK(!strcmp(diag.where, "user") && strstr(diag.message, "nobody-of-that-name"));
	CHECK(fr_child_drop(NULL, "nobody-of-that-name", &diag) == FR_ENOENT);
	CHECK(!strcmp(diag.where, "group"));
	CHECK(geteuid() == uid);
	return 0;
}

static void test_refusals(void **state)
{
	(void)state;
	in_child(nothing_asked);
	in_child(unknown_names);
}

/* Descriptors that are not named are closed, those that are stay. */
static int close_most(void)
{
	int fds[2], other = dup(1), keep[2];

	CHECK(other > 2 && pipe(fds) == 0);
	keep[0] = fds[1];
	keep[1] = fds[0];
	fr_child_close_fds(keep, 2);
	CHECK(write(fds[1], "x", 1) == 1);
	CHECK(dup2(other, 200) < 0 && dup2(1, 200) == 200);
	return 0;
}

static void test_close_fds(void **state)
{
	(void)state;
	in_child(close_most);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drops),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_close_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The kernel's counts of processes that it has killed for want of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/oom.h"

static char folder[64];

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	for (char *slash = strchr(path + 5, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct fr_oom look(void)
{
	char proc[80], cgroup[80];

	snprintf(proc, sizeof proc, "%s/proc", folder);
	snprintf(cgroup, sizeof cgroup, "%s/cgroup", folder);
	return fr_oom_look(proc, cgroup);
}

static void forget(void)
{
	char command[96];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	assert_int_equal(system(command), 0); /* NOLINT(concurrency-mt-unsafe) */
}

static void test_the_group_counts_if_there_is_one(void **state)
{
	struct fr_oom oom;

	(void)state;
	snprintf(folder, sizeof folder, "/tmp/fr_oom_XXXXXX");
	assert_non_null(mkdtemp(folder));
	oom = look();
	assert_false(oom.own);
	assert_int_equal(oom.kills, 0);
	put("proc/vmstat", "nr_free_pages 5\noom_kill 7\nother 9\n");
	put("proc/self/cgroup", "5:cpu,memory:/x\n1:memory:/old\n0::/new.slice/a.service\n");
	oom = look();
	assert_false(oom.own);
	assert_int_equal(oom.kills, 7);
	put("cgroup/memory/old/memory.oom_control", "oom_kill_disable 0\noom_kill 3\n");
	oom = look();
	assert_true(oom.own);
	assert_int_equal(oom.kills, 3);
	put("proc/self/cgroup", "0::/new.slice/a.service\n");
	put("cgroup/memory.events", "low 0\noom 4\noom_kill 2\noom_group_kill 6\n");
	oom = look();
	assert_true(oom.own);
	assert_int_equal(oom.kills, 2);
	put("cgroup/new.slice/a.service/memory.events", "oom 4\noom_kill 0\n");
	oom = look();
	assert_true(oom.own); /* and not the 7 of the system */
	assert_int_equal(oom.kills, 0);
	forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_group_counts_if_there_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

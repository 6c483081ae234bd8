#include "master/oom.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The number after "oom_kill" in a file of such lines. */
static bool read_kills(const char *path, uint64_t *ret)
{
	FILE *f = fopen(path, "re");
	unsigned long long count;
	bool found = false;
	char line[256];

	while (f && !found && fgets(line, sizeof line, f))
		found = sscanf(line, "oom_kill %llu", &count) == 1;
	if (f)
		fclose(f);
	if (found)
		*ret = count;
	return found;
}

/* One of /proc/self/cgroup: "0::/system.slice/x" (version 2) or "5:memory:/x" (version 1). */
static bool read_group(const char *line, const char *cgroup, uint64_t *ret)
{
	const char *names = strchr(line, ':');
	const char *path = names ? strchr(names + 1, ':') : NULL;
	bool unified = !strncmp(line, "0::", 3);
	char file[PATH_MAX];

	if (!path || (!unified && strncmp(names, ":memory:", 8)))
		return false;
	snprintf(file, sizeof file,
	         unified ? "%s%s/memory.events" : "%s/memory%s/memory.oom_control", cgroup,
	         path + 1);
	if (read_kills(file, ret))
		return true;
	/* In a container, the group may be mounted as if it were the root. */
	snprintf(file, sizeof file, unified ? "%s/memory.events" : "%s/memory/memory.oom_control",
	         cgroup);
	return read_kills(file, ret);
}

struct fr_oom fr_oom_look(const char *proc, const char *cgroup)
{
	struct fr_oom oom = { 0 };
	char path[PATH_MAX], line[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof path, "%s/self/cgroup", proc);
	f = fopen(path, "re");
	while (f && !oom.own && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		oom.own = read_group(line, cgroup, &oom.kills);
	}
	if (f)
		fclose(f);
	snprintf(path, sizeof path, "%s/vmstat", proc);
	if (!oom.own && !read_kills(path, &oom.kills))
		oom.kills = 0;
	return oom;
}

/* Which control socket a process has, whatever a configuration says. */
#include "master/control.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTENING 0x10000u /* of the flags in /proc/net/unix */

/* Whether the process has a descriptor of the socket with that number. */
static bool has_socket(pid_t pid, unsigned long inode)
{
	char folder[64], path[96], want[64], link[64];
	bool found = false;
	struct dirent *e;
	DIR *dir;

	snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
	snprintf(want, sizeof want, "socket:[%lu]", inode);
	dir = opendir(folder);
	while (dir && !found && (e = readdir(dir))) {
		ssize_t n;

		snprintf(path, sizeof path, "%s/%.16s", folder, e->d_name);
		n = readlink(path, link, sizeof link - 1);
		link[n > 0 ? n : 0] = 0;
		found = !strcmp(link, want);
	}
	if (dir)
		closedir(dir);
	return found;
}

char *fr_control_find(pid_t pid, unsigned skip)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512], *found = NULL;

	while (f && !found && fgets(line, sizeof line, f)) {
		unsigned long inode;
		unsigned flags;
		struct stat st;
		int at = 0;

		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "%*s %*x %*x %x %*x %*x %lu %n", &flags, &inode, &at) < 2 || !at ||
		    line[at] != '/' || !(flags & LISTENING) || stat(line + at, &st) < 0 ||
		    st.st_mode != (S_IFSOCK | 0600) || !has_socket(pid, inode))
			continue;
		if (skip)
			skip--;
		else
			found = strdup(line + at);
	}
	if (f)
		fclose(f);
	return found;
}

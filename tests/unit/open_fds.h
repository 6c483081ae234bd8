/* How many descriptors are open, for tests that none is left behind. */
#ifndef FR_TESTS_OPEN_FDS_H
#define FR_TESTS_OPEN_FDS_H

#include <dirent.h>

static inline unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

#endif

/* Waiting for the end of a process that is nobody's child here. */
#ifndef FR_TESTS_IS_GONE_H
#define FR_TESTS_IS_GONE_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* Whether it has ended within a minute; who reaps it, and when, does not matter. */
static inline bool is_gone(int pid)
{
	char path[32], state = 'R';

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	for (int i = 0; i < 6000; i++) {
		FILE *f = fopen(path, "re");

		if (!f)
			return true;
		/* An orphan may wait for a reaper of its own. */
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 'Z';
		fclose(f);
		if (state == 'Z')
			return true;
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
	return false;
}

#endif

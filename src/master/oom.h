/*
 * Whether the kernel kills for want of memory.
 *
 * Called by crew.c, which compares counts, when a worker has ended by SIGKILL.
 */
#ifndef FR_MASTER_OOM_H
#define FR_MASTER_OOM_H

#include <stdbool.h>
#include <stdint.h>

struct fr_oom {
	uint64_t kills; /* so far */
	bool own; /* of our control group; else of the whole system */
};

/* proc and cgroup are where these are mounted: "/proc", "/sys/fs/cgroup".  0 kills: it can't be told. */
struct fr_oom fr_oom_look(const char *proc, const char *cgroup);

#endif

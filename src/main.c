/* The daemon: brings the master, which knows no Python, and the workers together. */
#include "config.h"

#include "master/heritage.h"
#include "workers/entry.h"

int main(int argc, char **argv)
{
	static const struct fr_entries entries = {
		.worker = fr_worker_main,
		.loader = fr_loader_main,
		.python_version = FR_PYTHON_VERSION,
	};

	return fr_master_main(argc, argv, &entries);
}

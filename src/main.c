/* The daemon: brings the master, which knows no Python, and the workers together. */
#include "config.h"

#include "http/parse.h"
#include "master/heritage.h"
#include "workers/entry.h"

int main(int argc, char **argv)
{
	const struct fr_entries entries = {
		.worker = fr_worker_main,
		.loader = fr_loader_main,
		.version = PACKAGE_VERSION,
		.python_version = FR_PYTHON_VERSION,
		.llhttp_version = fr_parse_llhttp_version(),
	};

	return fr_master_main(argc, argv, &entries);
}

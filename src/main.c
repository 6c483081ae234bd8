/* The daemon: brings the master, which knows no Python, and the workers together. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "http/parse.h"
#include "master/heritage.h"
#include "workers/entry.h"

/* A descriptor below 3 that is closed would be the next thing that is opened, and be printed to. */
static void fill_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++) {
		int got = fd;

		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			got = open("/dev/null", O_RDWR);
		if (got != fd)
			_exit(1);
	}
}

int main(int argc, char **argv)
{
	const struct fr_entries entries = {
		.worker = fr_worker_main,
		.loader = fr_loader_main,
		.version = PACKAGE_VERSION,
		.python_version = FR_PYTHON_VERSION,
		.llhttp_version = fr_parse_llhttp_version(),
	};

	fill_standard_fds();
	return fr_master_main(argc, argv, &entries);
}

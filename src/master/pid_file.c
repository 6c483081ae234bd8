#include "master/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written beside and renamed, so that nobody ever reads half a number. */
static int write_file(const char *path, struct fr_diag *diag)
{
	char *temp;
	int fd, err = 0;

	if (asprintf(&temp, "%s.%d", path, (int)getpid()) < 0)
		return fr_diag_set(diag, FR_ENOMEM, path, "out of memory");
	unlink(temp); /* of a server that was killed, and had our pid */
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		err = fr_diag_errno(diag, errno, path, "can't write the pid file");
		free(temp);
		return err;
	}
	if (dprintf(fd, "%d\n", (int)getpid()) < 0 || rename(temp, path) < 0) {
		err = fr_diag_errno(diag, errno, path, "can't write the pid file");
		unlink(temp);
	}
	close(fd);
	free(temp);
	return err;
}

void fr_pid_file_remove(char **at)
{
	FILE *f = *at ? fopen(*at, "re") : NULL;
	int pid = 0;

	if (f) {
		if (fscanf(f, "%d", &pid) == 1 && pid == (int)getpid())
			unlink(*at);
		fclose(f);
	}
	free(*at);
	*at = NULL;
}

int fr_pid_file_move(char **at, const char *path, struct fr_diag *diag)
{
	char *copy;
	int err;

	if (!path) {
		fr_pid_file_remove(at);
		return 0;
	}
	if (*at && !strcmp(path, *at))
		return 0;
	copy = strdup(path);
	if (!copy)
		return fr_diag_set(diag, FR_ENOMEM, path, "out of memory");
	if ((err = write_file(path, diag)) < 0) {
		free(copy);
		return err;
	}
	fr_pid_file_remove(at);
	*at = copy;
	return 0;
}

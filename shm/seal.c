#include "shm/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int fr_image_seal(const struct fr_image_buf *buf, int *ret_fd, struct fr_diag *diag)
{
	const char *p = (const char *)buf->image;
	size_t left = buf->size;
	ssize_t n;
	int fd, rc = 0;

	fd = memfd_create("fastrapid-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return fr_diag_errno(diag, errno, "image", "can't create shared memory");
	/* Written, not mapped: a writable mapping would stand in the way of the seal. */
	while (left) {
		n = write(fd, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = fr_diag_errno(diag, n ? errno : ENOSPC, "image",
			                   "can't write %zu bytes to shared memory", left);
			goto out;
		}
		p += n;
		left -= (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		rc = fr_diag_errno(diag, errno, "image", "can't seal shared memory");
out:
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

int fr_image_map(int fd, size_t size, const struct fr_image **ret, struct fr_diag *diag)
{
	struct stat st;
	void *p;
	int seals;

	if (fstat(fd, &st) < 0)
		return fr_diag_errno(diag, errno, "image", "can't look at descriptor %d", fd);
	if (size < sizeof(struct fr_image) || st.st_size < 0 || (size_t)st.st_size != size)
		return fr_diag_set(diag, FR_EINVAL, "image", "%lld bytes, expected %zu",
		                   (long long)st.st_size, size);
	/* Unsealed, it could change or shrink under its readers. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE))
		return fr_diag_set(diag, FR_EINVAL, "image", "descriptor %d is not sealed", fd);
	/* Private: older kernels refuse a shared mapping of sealed memory; the pages are shared all the same. */
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return fr_diag_errno(diag, errno, "image", "can't map %zu bytes", size);
	*ret = p;
	return 0;
}

void fr_image_unmap(const struct fr_image *image, size_t size)
{
	if (image)
		munmap((void *)image, size);
}

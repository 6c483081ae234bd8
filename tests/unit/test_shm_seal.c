/* The sealed copy of an image: nobody can change it, and only a sealed one is mapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/builder.h"

static struct fr_image_buf built(void)
{
	static struct fr_image image = { .magic = FR_IMAGE_MAGIC, .version = FR_IMAGE_VERSION };
	struct fr_image_buf buf = { .image = &image, .size = sizeof image };

	return buf;
}

static void test_nobody_can_change_it(void **state)
{
	struct fr_image_buf buf = built();
	struct fr_diag diag;
	int fd = -1;

	(void)state;
	assert_int_equal(fr_image_seal(&buf, &fd, &diag), 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, (off_t)buf.size * 2), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_ptr_equal(mmap(NULL, buf.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
	                 MAP_FAILED);
	close(fd);
}

static void test_maps(void **state)
{
	struct fr_image_buf buf = built();
	const struct fr_image *image = NULL;
	struct fr_diag diag;
	int fd = -1;

	(void)state;
	assert_int_equal(fr_image_seal(&buf, &fd, &diag), 0);
	assert_int_equal(fr_image_map(fd, buf.size, &image, &diag), 0);
	assert_memory_equal(image, buf.image, buf.size);
	close(fd); /* the mapping holds the memory */
	assert_memory_equal(image, buf.image, buf.size);
	fr_image_unmap(image, buf.size);
	fr_image_unmap(NULL, buf.size);
}

static void refused(int fd, size_t size, int err, const char *words)
{
	const struct fr_image *image = NULL;
	struct fr_diag diag = { 0 };

	assert_int_equal(fr_image_map(fd, size, &image, &diag), err);
	assert_null(image);
	if (!strstr(diag.message, words))
		fail_msg("\"%s\" lacks \"%s\"", diag.message, words);
}

static void test_refuses(void **state)
{
	struct fr_image_buf buf = built(), small = built();
	struct fr_diag diag;
	int fd = -1, other;

	(void)state;
	assert_int_equal(fr_image_seal(&buf, &fd, &diag), 0);
	refused(fd, buf.size + 1, FR_EINVAL, "expected");
	refused(fd, buf.size - 1, FR_EINVAL, "expected");
	close(fd);
	refused(fd, buf.size, FR_EIO, "can't look at descriptor");
	small.size = 8; /* less than a header */
	assert_int_equal(fr_image_seal(&small, &fd, &diag), 0);
	refused(fd, 8, FR_EINVAL, "8 bytes");
	close(fd);
	other = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(other >= 0);
	assert_int_equal(write(other, buf.image, buf.size), buf.size);
	refused(other, buf.size, FR_EINVAL, "is not sealed");
	assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), 0);
	refused(other, buf.size, FR_EINVAL, "is not sealed"); /* it could still be written */
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_can_change_it),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The manifest reader and the image builder: any text; what is built verifies. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shm/builder.h"
#include "shm/verify.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fr_image_buf image;
	struct fr_diag diag;

	if (fr_image_build((const char *)data, size, 7, &image, &diag))
		return 0;
	if (fr_image_verify(image.image, image.size, &diag))
		abort();
	fr_image_buf_fini(&image);
	return 0;
}

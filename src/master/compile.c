#include "master/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "shm/builder.h"
#include "shm/verify.h"

int fr_compile(const struct fr_config *config, int signal_fd, struct fr_compiled *ret,
               struct fr_diag *diag)
{
	struct fr_image_buf buf = { 0 };
	struct {
		uint64_t routes;
		uint32_t python; /* PyConfig.hash_seed takes no more */
	} seeds;
	int err;

	*ret = (struct fr_compiled){ .image_fd = -1 };
	if (getrandom(&seeds, sizeof seeds, 0) != (ssize_t)sizeof seeds)
		return fr_diag_errno(diag, errno, "image", "can't draw a seed");
	ret->hash_seed = seeds.python;
	if ((err = fr_loader_run(config, ret->hash_seed, signal_fd, &ret->loaded, diag)) < 0)
		return err;
	if ((err = fr_image_build(ret->loaded.manifest, ret->loaded.len, seeds.routes, &buf,
	                          diag)) < 0)
		return err;
	ret->image_size = buf.size;
	if ((err = fr_image_seal(&buf, &ret->image_fd, diag)) < 0) {
		ret->image_fd = -1;
		goto out;
	}
	if ((err = fr_image_map(ret->image_fd, ret->image_size, &ret->image, diag)) < 0) {
		ret->image = NULL;
		goto out;
	}
	/* After the seal: what is checked is what workers will read. */
	err = fr_image_verify(ret->image, ret->image_size, diag);
out:
	fr_image_buf_fini(&buf);
	return err;
}

void fr_compiled_fini(struct fr_compiled *compiled)
{
	if (compiled->image)
		fr_image_unmap(compiled->image, compiled->image_size);
	if (compiled->image_fd >= 0)
		close(compiled->image_fd);
	fr_loaded_fini(&compiled->loaded);
	*compiled = (struct fr_compiled){ .image_fd = -1 };
}

void fr_compiled_report(const struct fr_compiled *compiled, FILE *out)
{
	const struct fr_image *img = compiled->image;
	const struct fr_route *routes = FR_IMAGE_AT(img, img->routes.off);
	const struct fr_side *sides = FR_IMAGE_AT(img, img->sides.off);

	fprintf(out, "application %s: %u routes ok\n", fr_str_in(img, img->app_name),
	        img->routes.count);
	for (uint32_t i = 0; i < img->sides.count; i++) {
		const struct fr_route *route = &routes[sides[i].route];

		fprintf(out, "on the side list, tried in order: %s (%s)\n",
		        fr_str_in(img, route->path),
		        sides[i].kind == FR_SIDE_REGEX ? "regular expression"
		                                       : "matched by its own class");
	}
}

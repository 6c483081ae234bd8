#include "master/compile.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "master/child.h"
#include "shm/builder.h"
#include "shm/verify.h"

void fr_compiled_init(struct fr_compiled *compiled)
{
	*compiled = (struct fr_compiled){ .image_fd = -1 };
}

static int make_image(struct fr_compiled *c)
{
	struct fr_image_buf buf = { 0 };
	uint64_t seed;
	int err;

	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return fr_diag_errno(&c->diag, errno, "image", "can't draw a seed");
	if ((err = fr_image_build(c->loader.ret.manifest, c->loader.ret.len, seed, &buf,
	                          &c->diag)) < 0)
		return err;
	c->image_size = buf.size;
	if ((err = fr_image_seal(&buf, &c->image_fd, &c->diag)) < 0) {
		c->image_fd = -1;
		goto out;
	}
	if ((err = fr_image_map(c->image_fd, c->image_size, &c->image, &c->diag)) < 0) {
		c->image = NULL;
		goto out;
	}
	/* After the seal: what is checked is what workers will read. */
	err = fr_image_verify(c->image, c->image_size, &c->diag);
out:
	fr_image_buf_fini(&buf);
	return err;
}

static void on_loaded(void *data, int err)
{
	struct fr_compiled *c = data;

	if (err < 0)
		c->diag = c->loader.diag;
	else
		err = make_image(c);
	c->on_done(c->data, err);
}

int fr_compile_start(struct fr_compiled *c, struct ev_loop *loop, const struct fr_config *config,
                     fr_loader_done_fn *on_done, void *data, struct fr_diag *diag)
{
	uint32_t seed; /* PyConfig.hash_seed takes no more */

	fr_compiled_init(c);
	c->on_done = on_done;
	c->data = data;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return fr_diag_errno(diag, errno, "image", "can't draw a seed");
	c->hash_seed = seed;
	return fr_loader_start(&c->loader, loop, config, c->hash_seed, on_loaded, c, diag);
}

/* ---- on a loop of its own ---- */

struct wait {
	struct ev_loop *loop;
	struct fr_compiled *compiled;
	ev_io signals;
	int err;
};

static void on_done(void *data, int err)
{
	struct wait *w = data;

	w->err = err;
	ev_break(w->loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, ev_io *io, int revents)
{
	struct wait *w = io->data;
	struct fr_diag diag;
	int signo;

	(void)loop;
	(void)revents;
	while ((signo = fr_signals_next(io->fd)) != 0) {
		pid_t pid;

		while (signo == SIGCHLD && (pid = fr_child_ended()) > 0)
			if (!fr_loader_ended(&w->compiled->loader, pid))
				fr_child_reap(pid);
		if (signo == SIGCHLD || signo == SIGHUP)
			continue;
		fr_diag_set(&diag, FR_EAGAIN, "loader", "stopped by signal %d (%s)", signo,
		            strsignal(signo));
		fr_loader_kill(&w->compiled->loader, &diag);
	}
}

int fr_compile(const struct fr_config *config, int signal_fd, struct fr_compiled *ret,
               struct fr_diag *diag)
{
	struct wait w = { .compiled = ret };
	int err;

	fr_compiled_init(ret);
	w.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!w.loop)
		return fr_diag_errno(diag, errno, "libev", "can't make an event loop");
	ev_io_init(&w.signals, on_signal, signal_fd, EV_READ);
	w.signals.data = &w;
	ev_io_start(w.loop, &w.signals);
	if ((err = fr_compile_start(ret, w.loop, config, on_done, &w, diag)) == 0) {
		ev_run(w.loop, 0);
		err = w.err;
		if (err < 0)
			*diag = ret->diag;
	}
	ev_loop_destroy(w.loop);
	return err;
}

void fr_compiled_fini(struct fr_compiled *compiled)
{
	if (compiled->image)
		fr_image_unmap(compiled->image, compiled->image_size);
	if (compiled->image_fd >= 0)
		close(compiled->image_fd);
	fr_loaded_fini(&compiled->loader.ret);
	fr_compiled_init(compiled);
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

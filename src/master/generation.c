#include "master/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "master/config_load.h"

#define MAX_LOGGED 12000 /* bytes of a child's words that fit a log entry */
/* Of each connection that the board names: its request, and one that goes on without it. */
#define FLIGHTS 2
/* Of a loader, beside workers that serve: its share of a busy processor is a third of one of theirs. */
#define LOADER_NICE 5

struct fr_generation *fr_generation_new(struct ev_loop *loop, const struct fr_entries *entries,
                                        unsigned number, struct fr_config *config,
                                        struct fr_status *status,
                                        struct fr_generation_events events)
{
	struct fr_generation *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->loop = loop;
	g->entries = entries;
	g->number = number;
	g->events = events;
	g->status = status;
	g->log_fd = -1;
	g->config = *config;
	*config = (struct fr_config){ 0 };
	fr_compiled_init(&g->compiled);
	return g;
}

static int open_log(const struct fr_config *config, int *ret_fd, struct fr_diag *diag)
{
	int fd = STDERR_FILENO;

	if (config->log.file) {
		fd = open(config->log.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
		          0640);
		if (fd < 0)
			return fr_diag_errno(diag, errno, config->log.file, "can't open the log");
	}
	*ret_fd = fd;
	return 0;
}

static void gone(struct fr_generation *g)
{
	g->gone = true;
	g->events.on_gone(g->events.data, g);
}

static void failed(struct fr_generation *g, const struct fr_diag *diag, const char *said)
{
	g->diag = *diag;
	g->said = said && *said ? strdup(said) : NULL;
	if (!g->stopping)
		g->events.on_failed(g->events.data, g);
}

static void on_crew_ready(void *data)
{
	struct fr_generation *g = data;

	g->events.on_ready(g->events.data, g);
}

static void on_crew_failed(void *data)
{
	struct fr_generation *g = data;

	failed(g, &g->crew.diag, g->crew.failure);
}

static void on_crew_gone(void *data)
{
	gone(data);
}

static void on_worker_ended(void *data, unsigned worker, pid_t pid, const char *how,
                            bool unexpected)
{
	struct fr_generation *g = data;

	fr_watch_died(g->watch, worker, pid, how, unexpected);
}

static void on_spare(void *data)
{
	struct fr_generation *g = data;
	const struct fr_spare *spare = &g->crew.spare;

	fr_watch_spare(g->watch, spare->pid,
	               spare->state == FR_SPARE_NONE ? NULL : fr_spare_state_name(spare->state),
	               spare->why);
}

static int start_crew(struct fr_generation *g, struct fr_diag *diag)
{
	unsigned at_once = g->beside ? g->config.limits.starting : g->config.workers;
	struct fr_heritage heritage = {
		.config = &g->config,
		.listeners = g->listeners.list,
		.nlisteners = g->listeners.count,
		.image_fd = g->compiled.image_fd,
		.image_size = g->compiled.image_size,
		.master_fd = -1,
		.log_fd = g->log_fd,
		.generation = g->number,
		.hash_seed = g->compiled.hash_seed,
		.master_pid = (int)getpid(),
	};
	const struct fr_crew_events events = {
		g, on_crew_ready, on_crew_failed, on_crew_gone, on_worker_ended, on_spare
	};
	int err = fr_status_enter(g->status, g->number, g->compiled.image, g->config.workers,
	                          (uint32_t)(FLIGHTS * g->config.limits.connections), &g->watch,
	                          diag);

	if (err < 0)
		return err;
	heritage.board = fr_watch_board(g->watch);
	g->crewed = true;
	return fr_crew_start(&g->crew, g->loop, g->entries, &heritage, at_once, events, diag);
}

static void on_compiled(void *data, int err)
{
	struct fr_generation *g = data;
	struct fr_loaded *loaded = &g->compiled.loader.ret;
	size_t skip = loaded->said_len > MAX_LOGGED ? loaded->said_len - MAX_LOGGED : 0;
	struct fr_diag diag = { 0 };

	if (err < 0)
		diag = g->compiled.diag;
	if (err == 0 && g->stopping)
		err = fr_diag_set(&diag, FR_EAGAIN, "", "stopped");
	if (err == 0) {
		if (loaded->said_len)
			fr_log_text(FR_INFO, loaded->said + skip, loaded->said_len - skip,
			            "while %s was loaded:", g->config.app);
		g->routes = g->compiled.image->routes.count;
		fr_loaded_fini(loaded); /* workers need the image alone */
		err = start_crew(g, &diag);
		g->crewed = err == 0;
	}
	if (err < 0) {
		failed(g, &diag, loaded->said);
		gone(g);
	}
}

int fr_generation_start(struct fr_generation *g, const struct fr_generation *from,
                        struct fr_diag *diag)
{
	int err;

	g->beside = from != NULL;
	if ((err = open_log(&g->config, &g->log_fd, diag)) < 0)
		return err;
	if (!from)
		fr_log_init(g->log_fd, (enum fr_level)g->config.log.level);
	if (geteuid() == 0 && !g->config.user && !from)
		fr_log(FR_WARNING, "the application runs as root: set \"user\" to change that");
	if ((err = fr_listeners_open(&g->config, from ? &from->listeners : NULL, &g->listeners,
	                             diag)) < 0)
		return err;
	err = fr_compile_start(&g->compiled, g->loop, &g->config, on_compiled, g, diag);
	if (err < 0)
		fr_listeners_close(&g->listeners, from ? &from->listeners : NULL);
	else if (from)
		setpriority(PRIO_PROCESS, (id_t)g->compiled.loader.pid,
		            getpriority(PRIO_PROCESS, 0) + LOADER_NICE);
	return err;
}

int fr_generation_reopen_log(struct fr_generation *g, struct fr_diag *diag)
{
	int fd = -1, err;

	if (!g->config.log.file || g->log_fd < 0)
		return 0;
	if ((err = open_log(&g->config, &fd, diag)) < 0)
		return err;
	if (dup3(fd, g->log_fd, O_CLOEXEC) < 0)
		err = fr_diag_errno(diag, errno, g->config.log.file, "can't change the log");
	close(fd);
	if (err == 0 && g->crewed)
		fr_crew_reopen_log(&g->crew);
	return err;
}

void fr_generation_stop(struct fr_generation *g, bool graceful)
{
	struct fr_diag why;

	g->stopping = true;
	if (g->gone)
		return;
	if (g->crewed) {
		fr_crew_stop(&g->crew, graceful);
		return;
	}
	fr_diag_set(&why, FR_EAGAIN, "", "stopped while \"%s\" was loaded", g->config.app);
	fr_loader_kill(&g->compiled.loader, &why);
}

bool fr_generation_loader_ended(struct fr_generation *g, pid_t pid)
{
	return !g->gone && !g->crewed && fr_loader_ended(&g->compiled.loader, pid);
}

void fr_generation_free(struct fr_generation *g)
{
	if (!g)
		return;
	if (g->crewed)
		fr_crew_fini(&g->crew);
	fr_status_leave(g->watch);
	fr_compiled_fini(&g->compiled);
	if (g->log_fd > 2)
		close(g->log_fd);
	fr_config_fini(&g->config);
	free(g->said);
	free(g);
	/* Manifests are large and short-lived: what they leave free goes back to the system. */
	malloc_trim(0);
}

bool fr_generation_has_left(const struct fr_generation *g)
{
	const struct fr_board *board = g->watch ? fr_watch_board(g->watch) : NULL;

	for (unsigned i = 0; board && !g->gone && i < g->crew.count; i++)
		if (g->crew.members[i].pid > 0 &&
		    FR_BOARD_GET(fr_board_slot(board, i)->state) == FR_BOARD_SERVING)
			return false;
	return true;
}

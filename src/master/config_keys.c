#include "master/config_keys.h"

#include <stdint.h>
#include <string.h>

#include "master/nearest.h"

#define AT(member) offsetof(struct fr_config, member), sizeof(((struct fr_config *)0)->member)
#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const char *const sync_choices[] = { "auto", "inline", "threads", NULL };
static const char *const level_choices[] = { "debug", "info", "warning", "error", NULL };

/* clang-format off */
const struct fr_conf_key fr_conf_keys[] = {
	{ "app", FR_CONF_APP, AT(app), NULL, 0, 0, NULL,
	  "The application: a module and the attribute of it that holds the FastrAPI object." },
	{ "app_dir", FR_CONF_DIR, AT(app_dir), NULL, 0, 0, NULL,
	  "The folder that the application is imported from; it comes first on Python's path. "
	  "Default: the folder of the configuration file, else the current one." },
	{ "python", FR_CONF_PYTHON, AT(python), NULL, 0, 0, NULL,
	  "The interpreter, or the virtual environment, whose packages the application uses. "
	  "It must have the Python version that fastrapid was built for. "
	  "Default: the environment that fastrapid is installed in." },
	{ "serve_fastapi_imports", FR_CONF_BOOL, AT(serve_fastapi_imports), "false", 0, 0, NULL,
	  "Whether import fastapi, in the application and in the packages that it uses, gives "
	  "FastrAPI's modules: so an application or a plugin written for FastAPI runs unchanged. "
	  "FastAPI need not be installed; if it is, it is not imported." },
	{ "listen", FR_CONF_LISTEN, AT(listen), NULL, 0, 0, NULL,
	  "Where to accept connections: a list of \"host:port\", \"[v6]:port\" and \"unix:PATH\". "
	  "A host name is listened on at each of its addresses; port 0 takes a free one. "
	  "The master opens the sockets, with its own privileges; a Unix socket's file gets the mode 0666 less "
	  "the umask, and who connects has to be allowed to write to it. "
	  "Default: [\"127.0.0.1:8000\"]." },
	{ "workers", FR_CONF_WORKERS, AT(workers), "auto", 1, 256, NULL,
	  "The number of worker processes; \"auto\" is one for each usable core." },
	{ "spare", FR_CONF_BOOL, AT(spare), "true", 0, 0, NULL,
	  "Whether to keep a process that has imported the application, from which a worker that "
	  "dies is replaced in milliseconds and without looking at the files again. It takes the memory of one more worker." },
	{ "threads", FR_CONF_COUNT, AT(threads), "40", 1, 1000, NULL,
	  "How many def endpoints and dependencies each worker may run in threads at a time." },
	{ "sync_handlers", FR_CONF_CHOICE, AT(sync_handlers), "auto", 0, 0, sync_choices,
	  "Where def endpoints and dependencies run: in the thread pool (threads), on the event "
	  "loop (inline), or each in the pool until it has proven short (auto)." },
	{ "status.listen", FR_CONF_ADDRESS, AT(status.listen), NULL, 0, 0, NULL,
	  "Where the master answers GET /status with JSON: \"host:port\", \"[v6]:port\" or "
	  "\"unix:PATH\". Whoever can connect can read it: it names routes and shows tracebacks. "
	  "Default: nowhere." },
	{ "limits.uri", FR_CONF_SIZE, AT(limits.uri), "8K", 64, MIB, NULL,
	  "Bytes of a request's target. A longer one is answered 414." },
	{ "limits.header_bytes", FR_CONF_SIZE, AT(limits.header_bytes), "64K", 256, 16 * MIB, NULL,
	  "Bytes of a request's head, the request line included. More is answered 431." },
	{ "limits.headers", FR_CONF_COUNT, AT(limits.headers), "100", 1, 10000, NULL,
	  "Header fields of a request. More is answered 431." },
	{ "limits.body", FR_CONF_SIZE, AT(limits.body), "16M", 0, 64 * GIB, NULL,
	  "Bytes of a request's body. More is answered 413." },
	{ "limits.chunk_extensions", FR_CONF_SIZE, AT(limits.chunk_extensions), "16K", 0, 16 * MIB, NULL,
	  "Bytes of chunk extensions in one body, all together. More is answered 413." },
	{ "limits.trailer_bytes", FR_CONF_SIZE, AT(limits.trailer_bytes), "16K", 0, 16 * MIB, NULL,
	  "Bytes of the trailer section of a chunked body. More is answered 431." },
	{ "limits.write_queue", FR_CONF_SIZE, AT(limits.write_queue), "256K", 4 * KIB, GIB, NULL,
	  "Bytes that may wait to be written to one connection before the application is held back." },
	{ "limits.connections", FR_CONF_COUNT, AT(limits.connections), "10000", 1, 1000000, NULL,
	  "Connections that one worker holds at a time; further ones wait to be accepted." },
	{ "limits.pipeline", FR_CONF_COUNT, AT(limits.pipeline), "16", 1, 1000, NULL,
	  "Pipelined requests of one connection that are answered before others get their turn." },
	{ "limits.ws_message", FR_CONF_SIZE, AT(limits.ws_message), "16M", 125, GIB, NULL,
	  "Bytes of a WebSocket's message, all its fragments together. More closes it with 1009." },
	{ "limits.manifest", FR_CONF_SIZE, AT(limits.manifest), "64M", 64 * KIB, 256 * MIB, NULL,
	  "Bytes of the manifest that the loader may send: the size of an application." },
	{ "limits.retiring", FR_CONF_COUNT, AT(limits.retiring), "4", 1, 100, NULL,
	  "Generations that a reload has replaced and that still finish their requests. A reload "
	  "beyond that tells the oldest one to cancel its requests, and begins when it has ended." },
	{ "limits.starting", FR_CONF_WORKERS, AT(limits.starting), "auto", 1, 256, NULL,
	  "Workers that a reload starts at a time, so that those that serve keep processors to do it; "
	  "\"auto\" is one for every two usable cores, and one at least. The first start starts all at once. "
	  "If workers wait for one another in lifespan, this has to be their number." },
	{ "timeouts.start", FR_CONF_TIME, AT(timeouts.start), "60s", 0.1, 86400, NULL,
	  "How long the application may take to load, and then each of its workers to become ready." },
	{ "timeouts.header", FR_CONF_TIME, AT(timeouts.header), "10s", 0.01, 86400, NULL,
	  "How long a client may take to send a request's head, all of it. Longer is answered 408." },
	{ "timeouts.body", FR_CONF_TIME, AT(timeouts.body), "60s", 0.01, 86400, NULL,
	  "How long a client may take to send a request's body, all of it. Longer is answered 408." },
	{ "timeouts.idle", FR_CONF_TIME, AT(timeouts.idle), "5s", 0.01, 86400, NULL,
	  "How long a connection is kept open between requests." },
	{ "timeouts.write", FR_CONF_TIME, AT(timeouts.write), "30s", 0.01, 86400, NULL,
	  "How long a client may go without taking any of its answer." },
	{ "timeouts.linger", FR_CONF_TIME, AT(timeouts.linger), "2s", 0.01, 86400, NULL,
	  "How long a refused request is read on and thrown away, so that its client can read the "
	  "answer; then the connection is closed." },
	{ "timeouts.ws_ping", FR_CONF_TIME, AT(timeouts.ws_ping), "20s", 0.01, 86400, NULL,
	  "How often a WebSocket's client is asked by a ping whether it is there; one that has sent "
	  "nothing since the last one is gone." },
	{ "timeouts.ws_close", FR_CONF_TIME, AT(timeouts.ws_close), "5s", 0.01, 86400, NULL,
	  "How long a WebSocket's client may take to answer a close frame." },
	{ "timeouts.ws_hold", FR_CONF_TIME, AT(timeouts.ws_hold), "1s", 0.01, 86400, NULL,
	  "How long the answer to a client's close frame, or the 1012 of a server that ends, waits "
	  "for the reply to a message that the handler has taken." },
	{ "timeouts.drain", FR_CONF_TIME, AT(timeouts.drain), "30s", 0, 86400, NULL,
	  "How long requests in flight may go on when the server ends, or when a reload has "
	  "replaced their worker." },
	{ "log.level", FR_CONF_CHOICE, AT(log.level), "info", 0, 0, level_choices,
	  "The least important events that are logged." },
	{ "log.file", FR_CONF_FILE, AT(log.file), NULL, 0, 0, NULL,
	  "The file that the log is appended to; workers' standard error goes there too, as it is. SIGUSR1 opens it anew. "
	  "Default: standard error." },
	{ "pid_file", FR_CONF_FILE, AT(pid_file), NULL, 0, 0, NULL,
	  "A file for the master's process id: written when all workers are ready, removed at the "
	  "end. Default: none." },
	{ "control", FR_CONF_SOCKET, AT(control), NULL, 0, 0, NULL,
	  "A Unix socket for fastrapid -s, which only the user that starts fastrapid can use. "
	  "Without one, -s sends signals to the process in pid_file and does not wait. "
	  "Default: the path of pid_file with .sock at its end, else none." },
	{ "user", FR_CONF_USER, AT(user), NULL, 0, 0, NULL,
	  "The user that the loader and the workers run as; only root can change it. Changing it "
	  "also forbids them to gain privileges again. Default: the user that starts fastrapid." },
	{ "group", FR_CONF_GROUP, AT(group), NULL, 0, 0, NULL,
	  "The group that the loader and the workers run as. Default: the primary group of user." },
};
/* clang-format on */
const size_t fr_conf_nkeys = sizeof fr_conf_keys / sizeof *fr_conf_keys;

const struct fr_conf_key *fr_conf_key_find(const char *name)
{
	for (size_t i = 0; i < fr_conf_nkeys; i++)
		if (!strcmp(fr_conf_keys[i].name, name))
			return &fr_conf_keys[i];
	return NULL;
}

int fr_conf_is_section(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < fr_conf_nkeys; i++)
		if (!strncmp(fr_conf_keys[i].name, name, len) && fr_conf_keys[i].name[len] == '.')
			return 1;
	return 0;
}

const char *fr_conf_key_nearest(const char *name)
{
	static const char *const sections[] = { "limits", "timeouts", "log", "status" };
	const char *best = NULL, *dot = strchr(name, '.');
	size_t least = SIZE_MAX;

	/* The right name in the wrong place. */
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		const char *full = fr_conf_keys[i].name, *last = strrchr(full, '.');

		if (!strcmp(last ? last + 1 : full, dot ? dot + 1 : name))
			return full;
	}
	for (size_t i = 0; i < fr_conf_nkeys; i++) {
		size_t d = fr_nearest_distance(name, fr_conf_keys[i].name);

		if (d < least) {
			least = d;
			best = fr_conf_keys[i].name;
		}
	}
	for (size_t i = 0; !dot && i < sizeof sections / sizeof *sections; i++) {
		size_t d = fr_nearest_distance(name, sections[i]);

		if (d < least) {
			least = d;
			best = sections[i];
		}
	}
	return fr_nearest_plausible(least, strlen(dot ? dot + 1 : name)) ? best : NULL;
}

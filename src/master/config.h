/*
 * The configuration as values: what fastrapi.conf and the command line said,
 * with the defaults filled in.
 *
 * Filled by master/; workers and net/ only read it.  Plain data without
 * pointers into the file's text; strings are owned by the struct.  The table
 * in config_keys.c is the one source of names, types, defaults, bounds and
 * documentation.
 */
#ifndef FR_MASTER_CONFIG_H
#define FR_MASTER_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#define FR_MAX_LISTEN 32

enum fr_sync_handlers { FR_SYNC_AUTO, FR_SYNC_INLINE, FR_SYNC_THREADS };
enum fr_log_level { FR_LOG_DEBUG, FR_LOG_INFO, FR_LOG_WARNING, FR_LOG_ERROR };

struct fr_config {
	char *file; /* NULL: none was read */
	char *app; /* "module:attribute" */
	char *app_dir; /* absolute; default: the folder of the file, else the current one */
	int serve_fastapi_imports; /* `import fastapi` gives fastrapi */
	char *python; /* an interpreter's path (of a virtual environment: its bin/python); NULL: see start-up */
	char *listen[FR_MAX_LISTEN]; /* "host:port", "[v6]:port", "unix:PATH" */
	size_t nlisten;
	unsigned workers; /* 0 was "auto": the number of usable cores, filled in */
	int spare; /* keep a process that workers are forked from when one dies */
	unsigned threads; /* capacity of the thread pool of each worker */
	int sync_handlers; /* enum fr_sync_handlers */
	struct {
		uint64_t uri; /* bytes of the request line's target */
		uint64_t header_bytes; /* of a request's head, request line included */
		uint64_t headers; /* number of fields */
		uint64_t body; /* bytes */
		uint64_t chunk_extensions; /* bytes in one body */
		uint64_t trailer_bytes;
		uint64_t write_queue; /* bytes a connection may have unwritten: the high mark */
		uint64_t connections; /* per worker */
		uint64_t pipeline; /* requests answered in one turn before others get theirs */
		uint64_t ws_message; /* bytes of a WebSocket's message */
		uint64_t manifest; /* bytes the loader may send */
		uint64_t retiring; /* generations that were replaced and have not ended */
		unsigned starting; /* workers of a reload at a time; 0 was "auto": filled in */
	} limits;
	struct {
		double start; /* loader and worker until ready, seconds */
		double header; /* the whole head */
		double body; /* the whole body */
		double idle; /* between requests */
		double write; /* without progress of a write */
		double linger; /* reading on after the last answer */
		double ws_ping; /* between questions whether a WebSocket's client is there */
		double ws_close; /* for it to answer a close frame */
		double ws_hold; /* a close frame for the reply to a message before it */
		double drain; /* requests in flight when the server ends */
	} timeouts;
	struct {
		int level; /* enum fr_log_level */
		char *file; /* NULL: standard error */
	} log;
	char *pid_file;
	struct {
		char *listen; /* where the status is served; NULL: nowhere */
	} status;
	char *control; /* path of the control socket; NULL: none */
	char *user;
	char *group;
};

void fr_config_init(struct fr_config *config);
void fr_config_fini(struct fr_config *config);

#endif

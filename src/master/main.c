/* fr_master_main: what the command line asks for. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <ev.h>
#include <sodium.h>

#include "base/log.h"
#include "master/child.h"
#include "master/compile.h"
#include "master/config_load.h"
#include "master/control.h"
#include "master/loader.h"
#include "master/master.h"
#include "master/options.h"
#include "master/reference.h"
#include "shm/explain.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void print_version(const struct fr_entries *entries)
{
	printf("fastrapid %s\n", entries->version ? entries->version : "of unknown version");
	printf("libev %d.%d\n", ev_version_major(), ev_version_minor());
	printf("llhttp %s\n",
	       entries->llhttp_version ? entries->llhttp_version : "of unknown version");
	printf("cJSON %s\n", cJSON_Version());
	printf("libsodium %s\n", sodium_version_string());
	printf("Python %s\n", entries->python_version);
}

static int dump_manifest(const struct fr_compiled *compiled)
{
	cJSON *tree =
		cJSON_ParseWithLength(compiled->loader.ret.manifest, compiled->loader.ret.len);
	char *text = tree ? cJSON_Print(tree) : NULL;

	cJSON_Delete(tree);
	if (!text) {
		fprintf(stderr, "fastrapid: out of memory\n");
		return EXIT_FAILED;
	}
	puts(text);
	free(text);
	return EXIT_DONE;
}

static int explain(const struct fr_image *image, const char *what)
{
	const char *space = strchr(what, ' ');
	const char *path = space + strspn(space, " ");
	char *method = strndup(what, (size_t)(space - what));
	int rc;

	if (!method)
		return EXIT_FAILED;
	rc = fr_explain(image, method, path, stdout);
	free(method);
	return rc ? EXIT_FAILED : EXIT_DONE;
}

/* What needs the application compiled but not served. */
static int inspect(const struct fr_options *options, const struct fr_config *config, int signal_fd)
{
	struct fr_compiled compiled;
	struct fr_diag diag = { 0 };
	int code = EXIT_DONE;

	if (fr_compile(config, signal_fd, &compiled, &diag) < 0) {
		fr_master_complain(&diag, compiled.loader.ret.said);
		fr_compiled_fini(&compiled);
		return EXIT_FAILED;
	}
	if (compiled.loader.ret.said_len) /* what the application printed is not our output */
		fwrite(compiled.loader.ret.said, 1, compiled.loader.ret.said_len, stderr);
	if (options->mode == FR_DO_TEST)
		fr_compiled_report(&compiled, stdout);
	else if (options->mode == FR_DO_DUMP_IMAGE)
		fr_image_dump(compiled.image, stdout);
	else if (options->mode == FR_DO_DUMP_MANIFEST)
		code = dump_manifest(&compiled);
	else
		code = explain(compiled.image, options->explain);
	fr_compiled_fini(&compiled);
	return code;
}

/* The pid in the pid file, if it is that of a running fastrapid; else 0. */
static pid_t running_pid(const char *path)
{
	FILE *f = fopen(path, "re");
	char comm_path[64], comm[32] = "";
	int pid = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1 || pid <= 0)
		pid = 0;
	fclose(f);
	snprintf(comm_path, sizeof comm_path, "/proc/%d/comm", pid);
	f = pid ? fopen(comm_path, "re") : NULL;
	if (!f)
		return 0;
	if (!fgets(comm, sizeof comm, f) || strcmp(comm, "fastrapid\n"))
		pid = 0; /* the file is stale, and the number is somebody else's by now */
	fclose(f);
	return pid;
}

/* The configuration's control socket may be another by now than the one that the process has. */
static int ask_process(pid_t pid, const char *command, int *ret_code, struct fr_diag *diag)
{
	int err = FR_ENOENT;
	char *path;

	for (unsigned i = 0; (path = fr_control_find(pid, i)); i++) {
		err = fr_control_ask(path, command, ret_code, diag);
		free(path);
		if (err != FR_ENOENT && err != FR_ECORRUPT)
			return err;
	}
	return FR_ENOENT;
}

/* Nobody answers where the configuration says: a process is known, perhaps, that can be told. */
static int tell_process(const struct fr_options *options, const struct fr_config *config,
                        int *ret_code, struct fr_diag *diag)
{
	pid_t pid = config->pid_file ? running_pid(config->pid_file) : 0;
	bool reload = !strcmp(options->command, "reload");
	int err = pid ? ask_process(pid, options->command, ret_code, diag) : FR_ENOENT;

	if (err != FR_ENOENT)
		return err;
	if (!strcmp(options->command, "status"))
		return fr_diag_set(diag, FR_ENOENT, config->control ? config->control : "",
		                   "no server runs, or it has no \"control\" socket to be asked "
		                   "through");
	if (!config->pid_file)
		return diag->code;
	if (!pid)
		return fr_diag_set(diag, FR_ENOENT, config->pid_file, "no server runs");
	if (kill(pid, reload ? SIGHUP : SIGTERM) < 0)
		return fr_diag_errno(diag, errno, config->pid_file, "can't signal process %d",
		                     (int)pid);
	printf("%s sent to process %d; the log tells the outcome\n", reload ? "SIGHUP" : "SIGTERM",
	       (int)pid);
	return 0;
}

/*
 * -s: over the control socket, or else by a signal.  A server can be asked
 * although its configuration is wrong by now; a reload then fails there, too,
 * so that its log and its status tell of it.
 */
static int send_command(const struct fr_options *options, struct fr_config *config,
                        const struct fr_diag *wrong)
{
	int code = wrong && !strcmp(options->command, "reload") ? EXIT_FAILED : EXIT_DONE;
	struct fr_diag diag = { 0 };
	int err;

	if (wrong)
		fr_config_find(config, options->file);
	err = fr_config_default_control(config, &diag);
	if (err == 0)
		err = fr_diag_set(&diag, FR_ENOENT, "",
		                  "a running server can't be found: neither \"control\" nor "
		                  "\"pid_file\" is set");
	if (err == FR_ENOENT && config->control)
		err = fr_control_ask(config->control, options->command, &code, &diag);
	if (err == FR_ENOENT)
		err = tell_process(options, config, &code, &diag);
	if (err == 0)
		return code;
	fr_master_complain(wrong ? wrong : &diag, NULL);
	return EXIT_FAILED;
}

static int run(const struct fr_options *options, const struct fr_entries *entries)
{
	struct fr_config config;
	struct fr_diag diag = { 0 };
	int code = EXIT_FAILED, signal_fd = -1, err;

	fr_config_init(&config);
	err = fr_options_configure(options, &config, &diag);
	if (options->mode == FR_DO_COMMAND) {
		code = send_command(options, &config, err < 0 ? &diag : NULL);
		goto out;
	}
	if (err < 0) {
		fr_master_complain(&diag, NULL);
		goto out;
	}
	if (options->mode == FR_DO_PRINT) {
		code = fr_config_print(&config, stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
		goto out;
	}
	if (options->mode == FR_DO_TEST && options->file) {
		printf("configuration %s: ok\n", options->file);
		fflush(stdout);
	}
	if (fr_signals_open(&signal_fd, &diag) < 0) {
		fr_master_complain(&diag, NULL);
		goto out;
	}
	code = options->mode == FR_DO_SERVE ? fr_master_serve(&config, options, entries, signal_fd)
	                                    : inspect(options, &config, signal_fd);
out:
	if (signal_fd >= 0)
		close(signal_fd);
	fr_config_fini(&config);
	return code;
}

int fr_master_main(int argc, char **argv, const struct fr_entries *entries)
{
	struct fr_options options;
	struct fr_diag diag = { 0 };
	int code = EXIT_DONE;

	if (argc > 1 && !strcmp(argv[1], "--loader"))
		return fr_loader_child(argc, argv, entries);
	if (fr_options_read(argc, argv, &options, &diag) < 0) {
		fr_master_complain(&diag, NULL);
		return EXIT_USAGE;
	}
	switch (options.mode) {
	case FR_DO_HELP:
		fr_options_help(stdout);
		break;
	case FR_DO_VERSION:
		print_version(entries);
		break;
	case FR_DO_REFERENCE_MD:
		fr_reference_md(stdout);
		break;
	case FR_DO_REFERENCE_MAN:
		fr_reference_man(stdout);
		break;
	default:
		if (options.mode == FR_DO_COMMAND && !options.file) {
			fprintf(stderr,
			        "fastrapid: -s needs -c FILE, the server's configuration\n");
			return EXIT_USAGE;
		}
		if (options.mode != FR_DO_PRINT && !options.file && !options.app) {
			fprintf(stderr, "fastrapid: nothing to serve: give -c FILE or --app "
			                "MODULE:ATTRIBUTE "
			                "(--help tells more)\n");
			return EXIT_USAGE;
		}
		code = run(&options, entries);
		break;
	}
	if (fflush(stdout) == EOF || ferror(stdout)) {
		fprintf(stderr, "fastrapid: can't write: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return code;
}

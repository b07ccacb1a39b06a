/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ocirun: images to containers, and the OCI runtime under them. `ocirun IMAGE [CMD…]` is what
 * people type; the verbs are runc's, for docker, containerd, podman and CRI-O. A first argument
 * that is exactly a verb is one. This file holds the tables; ocirun_image.c and ocirun_bundle.c do
 * what they say.
 */
#include "cli/ocirun.h"

#include "cli/image_fetch.h"
#include "cli/foreground.h"

#include <unistd.h>

#define S struct loci_ocirun_settings

static const struct loci_option options[] = {
        LOCI_OPT_ROW_STORE(S, store),
        {LOCI_OPT_PATH(S, root), .flag = "root", .value = "/run/ocirun", .metavar = "DIR",
         .help = "Keep the state of containers in this directory"},
        {LOCI_OPT_PATH(S, log_path), .flag = "log", .metavar = "FILE",
         .help = "Append the log to this file"},
        {LOCI_OPT_BOOL(S, debug), .flag = "debug", .help = "Log everything, as -vv does"},
        {0},
};

static const struct loci_option_word pull_words[] = {{"missing", LOCI_PULL_MISSING},
                                                     {"always", LOCI_PULL_ALWAYS},
                                                     {"never", LOCI_PULL_NEVER},
                                                     {0}};

static const struct loci_option image_options[] = {
        {LOCI_OPT_BOOL(S, interactive), .flag = "interactive", .letter = 'i',
         .section = "Image options", .help = "Give the container this standard input"},
        {LOCI_OPT_BOOL(S, tty), .flag = "tty", .letter = 't',
         .help = "Give the container a terminal"},
        {LOCI_OPT_BOOL(S, rm), .flag = "rm",
         .help = "Remove the container at its end, which is always done"},
        {LOCI_OPT_STRING(S, name), .flag = "name", .metavar = "NAME",
         .help = "Name the container so, not at random"},
        {LOCI_OPT_LIST(S, env), .flag = "env", .letter = 'e', .metavar = "NAME[=VALUE]",
         .help = "Set a variable, or pass on the caller's; repeat for more"},
        {LOCI_OPT_LIST(S, env_files), .flag = "env-file", .metavar = "FILE",
         .help = "Set the variables of this file, one a line"},
        {LOCI_OPT_STRING(S, workdir), .flag = "workdir", .letter = 'w', .metavar = "DIR",
         .help = "Start in this directory of the container"},
        {LOCI_OPT_STRING(S, user), .flag = "user", .letter = 'u', .metavar = "USER[:GROUP]",
         .help = "Run as this user, by name or number"},
        {LOCI_OPT_STRING(S, hostname), .flag = "hostname", .metavar = "NAME",
         .help = "Host name inside"},
        {LOCI_OPT_STRING(S, entrypoint), .flag = "entrypoint", .metavar = "PROGRAM",
         .help = "Run this program in place of the image's; empty for none"},
        {LOCI_OPT_SIZE(S, memory), .flag = "memory", .letter = 'm',
         .help = "Limit the memory, such as 512MiB"},
        {LOCI_OPT_DOUBLE(S, cpus), .flag = "cpus", .help = "Limit the processors, such as 1.5"},
        {LOCI_OPT_NUMBER(S, pids), .flag = "pids-limit", .max = INT64_MAX,
         .help = "Limit the number of processes"},
        {LOCI_OPT_BOOL(S, read_only), .flag = "read-only",
         .help = "Make the root file system read-only"},
        {LOCI_OPT_ENUM(S, pull), .flag = "pull", .value = "missing", .words = pull_words,
         .metavar = "WHEN", .help = "Fetch the image at this time"},
        {LOCI_OPT_STRING(S, platform), .flag = "platform", .metavar = "OS/ARCH[/VARIANT]",
         .help = "Take the image for this platform"},
        {LOCI_OPT_BOOL(S, insecure), .flag = "insecure",
         .help = "Take any certificate, and plain HTTP from a registry without HTTPS"},
        {0},
};

#define CREATE_ROWS                                                                               \
	{LOCI_OPT_PATH(S, bundle),                                                                \
	 .flag = "bundle",                                                                        \
	 .letter = 'b',                                                                           \
	 .value = ".",                                                                            \
	 .metavar = "DIR",                                                                        \
	 .help = "Directory with config.json"},                                                   \
	        {LOCI_OPT_PATH(S, console_socket), .flag = "console-socket", .metavar = "SOCKET", \
	         .help = "Send the terminal's master to this socket"},                            \
	        {LOCI_OPT_PATH(S, pid_file), .flag = "pid-file", .metavar = "FILE",               \
	         .help = "Write the process's number to this file"},                              \
	        {LOCI_OPT_BOOL(S, no_pivot), .flag = "no-pivot",                                  \
	         .help = "Do not use pivot_root, for a root on a RAM disk"},                      \
	        {LOCI_OPT_BOOL(S, no_new_keyring), .flag = "no-new-keyring",                      \
	         .help = "Keep the session keyring, which is always done"},                       \
	        {LOCI_OPT_NUMBER(S, preserve_fds), .flag = "preserve-fds",                        \
	         .help = "Pass on so many file descriptors after the third"},                     \
	{                                                                                         \
		LOCI_OPT_BOOL(S, dry_run), .flag = "dry-run",                                     \
		                           .help = "Print what would be done, and do nothing"     \
	}

static const struct loci_option create_options[] = {CREATE_ROWS, {0}};
static const struct loci_option run_options[] = {
        CREATE_ROWS,
        {LOCI_OPT_BOOL(S, detach), .flag = "detach", .letter = 'd',
         .help = "Do not stay with the container"},
        {LOCI_OPT_BOOL(S, no_subreaper), .flag = "no-subreaper",
         .help = "Do not adopt the container's orphans, which is never done"},
        {0},
};
static const struct loci_option kill_options[] = {
        {LOCI_OPT_BOOL(S, all), .flag = "all", .letter = 'a',
         .help = "Signal all of the container's processes"},
        {0},
};
static const struct loci_option delete_options[] = {
        {LOCI_OPT_BOOL(S, force), .flag = "force", .letter = 'f',
         .help = "Kill it first if it still runs"},
        {0},
};
static const struct loci_option_word list_words[] = {
        {"table", LOCI_OCIRUN_LIST_TABLE}, {"json", LOCI_OCIRUN_LIST_JSON}, {0}};
static const struct loci_option list_options[] = {
        {LOCI_OPT_ENUM(S, list_format), .flag = "format", .letter = 'f', .value = "table",
         .words = list_words, .metavar = "FORMAT", .help = "Print in this form"},
        {0},
};
static const struct loci_option spec_options[] = {
        {LOCI_OPT_PATH(S, bundle), .flag = "bundle", .letter = 'b', .value = ".", .metavar = "DIR",
         .help = "Write it into this directory"},
        {0},
};

/* What is not here is the container's own status, 128 + N when signal N ended it; 126 and 127 (it
 * cannot be executed, it is not there) are of ocirun_image.c. */
static const struct loci_exit_row image_exits[] = {
        {LOCI_EXIT_OWN_FAILURE, 0,
         "Wrong usage, or a failure of ocirun itself; other statuses are the container's"},
};
static const struct loci_exit_row verb_exits[] = {{1, 0, "Failed"}};

static const struct loci_command commands[] = {
        {.summary = "Run an image; without one, the last that was pulled",
         .args = "[IMAGE [CMD…]]",
         .max_args = LOCI_ARGS_UNLIMITED,
         .options = image_options,
         .flags = LOCI_COMMAND_STOP_AT_FIRST,
         .run = loci__ocirun_image},
        {.name = "create",
         .summary = "Create a container from a bundle",
         .args = "ID",
         .min_args = 1,
         .max_args = 1,
         .options = create_options,
         .exits = verb_exits,
         .run = loci__ocirun_create},
        {.name = "start",
         .summary = "Start what was created",
         .args = "ID",
         .min_args = 1,
         .max_args = 1,
         .exits = verb_exits,
         .run = loci__ocirun_start},
        {.name = "run",
         .summary = "Create and start a container from a bundle",
         .args = "ID",
         .min_args = 1,
         .max_args = 1,
         .options = run_options,
         .exits = verb_exits,
         .run = loci__ocirun_run},
        {.name = "state",
         .summary = "Print a container's state as JSON",
         .args = "ID",
         .min_args = 1,
         .max_args = 1,
         .exits = verb_exits,
         .run = loci__ocirun_state},
        {.name = "kill",
         .summary = "Send a signal to a container, SIGTERM when none is named",
         .args = "ID [SIGNAL]",
         .min_args = 1,
         .max_args = 2,
         .options = kill_options,
         .exits = verb_exits,
         .run = loci__ocirun_kill},
        {.name = "delete",
         .summary = "Delete a container that has stopped",
         .args = "ID",
         .min_args = 1,
         .max_args = 1,
         .options = delete_options,
         .exits = verb_exits,
         .run = loci__ocirun_delete},
        {.name = "list",
         .summary = "List the containers",
         .options = list_options,
         .exits = verb_exits,
         .run = loci__ocirun_list},
        {.name = "spec",
         .summary = "Write a config.json to begin with",
         .options = spec_options,
         .exits = verb_exits,
         .run = loci__ocirun_spec},
        {0},
};

static const char *const description[] = {
        "Runs OCI images out of the local store. The image is pulled when it is missing; without "
        "an image the last one that was pulled is run. Options stand before the image, what "
        "stands behind it is the command to run in place of the image's.",
        "The container gets what docker would give it: its own process, mount, network, IPC, "
        "host name and cgroup namespaces, the same capabilities, seccomp policy, masked paths "
        "and devices. Its changes go to a layer of its own, which is removed at the end.",
        "The exit status is the container's own, 128 + N when signal N ended it; 126 when the "
        "command cannot be executed, 127 when it is not there, 125 when ocirun itself failed. "
        "A verb other than run ends with 0, or with 1 when it failed.",
        "create, start, run, state, kill, delete, list and spec are the verbs of runc, on "
        "bundles: directories with a config.json. With them ocirun is the runtime of docker, "
        "containerd, podman and CRI-O. An image with the name of a verb needs its tag.",
        NULL,
};

static const struct loci_example examples[] = {
        {"Run the image that was pulled last", "ocirun"},
        {"A shell in alpine", "ocirun -it alpine:3.19 sh"},
        {"With limits, as another user", "ocirun --memory 64MiB --cpus 0.5 -u 1000 alpine id"},
        {"What would be done for a bundle", "ocirun create --dry-run -b ./bundle test"},
        {0},
};

static const char *const see_also[] = {"ocipull(1)", "ociregistry(8)", NULL};

static const struct loci_program program = {
        .name = "ocirun",
        .man_section = 1,
        .summary = "run OCI images and bundles",
        .description = description,
        .options = options,
        .commands = commands,
        .settings_size = sizeof(S),
        .log_level = LOCI_LOG_WARN,
        .exits = image_exits,
        .examples = examples,
        .see_also = see_also,
};

static char **arguments; /* main's, for starting again */

int loci__ocirun_protect(struct loci_error *err)
{
	return loci_runtime_protect_self(arguments, environ, err);
}

int main(int argc, char **argv)
{
	arguments = argv;
	return loci__program_main(&program, argc, argv);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/cleanup.h"
#include "core/base/rand.h"
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
        "usage: bench_load VERB --to ADDRESS:PORT [OPTION…]\n"
        "  requests    --path PATH… or --paths FILE, in turn, for --seconds or --count in all,\n"
        "              or until SIGINT\n"
        "  download    each connection pulls its --path --count times (1)\n"
        "  upload      each connection pushes a blob of --size bytes to --repository\n"
        "  images      pushes --count images of --layers layers of --size bytes\n"
        "  again       pushes them again, by the same --seed, mounting their blobs --from there\n"
        "options:\n"
        "  --tls                    TLS 1.3, whatever the certificate\n"
        "  --connections N          (1)\n"
        "  --method METHOD          of requests (GET)\n"
        "  --header 'NAME: VALUE'   of every request, any number\n"
        "  --expect STATUS          of requests and downloads (200)\n"
        "  --size BYTES             of each blob or layer; of a GET: what must come\n"
        "  --rate N                 requests a second (0: as fast as answers come)\n"
        "  --layers N               (10)\n"
        "  --repositories N         images go to REPOSITORY/0 … in turn (50)\n"
        "  --repository NAME        (bench/load)\n"
        "  --from NAME              where the blobs are already (bench/load)\n"
        "  --seed N                 of the content (another one each run)\n"
        "  --say-begun              a line on standard error when the clock starts\n"
        "One JSON object goes to standard output.\n";

enum {
	TO = 256,
	TLS,
	CONNECTIONS,
	METHOD,
	HEADER,
	EXPECT,
	SIZE,
	RATE,
	LAYERS,
	REPOSITORIES,
	REPOSITORY,
	FROM,
	SEED,
	PATH,
	PATHS,
	SECONDS,
	COUNT,
	SAY_BEGUN,
	HELP,
};

static const struct option longs[] = {
        {"to", required_argument, NULL, TO},
        {"tls", no_argument, NULL, TLS},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"method", required_argument, NULL, METHOD},
        {"header", required_argument, NULL, HEADER},
        {"expect", required_argument, NULL, EXPECT},
        {"size", required_argument, NULL, SIZE},
        {"rate", required_argument, NULL, RATE},
        {"layers", required_argument, NULL, LAYERS},
        {"repositories", required_argument, NULL, REPOSITORIES},
        {"repository", required_argument, NULL, REPOSITORY},
        {"from", required_argument, NULL, FROM},
        {"seed", required_argument, NULL, SEED},
        {"path", required_argument, NULL, PATH},
        {"paths", required_argument, NULL, PATHS},
        {"seconds", required_argument, NULL, SECONDS},
        {"count", required_argument, NULL, COUNT},
        {"say-begun", no_argument, NULL, SAY_BEGUN},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
};

static uint64_t number(const char *text, uint64_t max)
{
	uint64_t n;
	if (!loci__parse_u64(text, strlen(text), &n) || n > max)
		load_die("'%s' is no number up to %llu", text, (unsigned long long)max);
	return n;
}

static void read_address(struct load_options *o, const char *text)
{
	const char *colon = strrchr(text, ':');
	char address[INET_ADDRSTRLEN];
	o->to.sin_family = AF_INET;
	if (!colon || strlen(text) >= sizeof(o->host) ||
	    !loci__slice_copy(loci__slice(text, (size_t)(colon - text)), address,
	                      sizeof(address)) ||
	    inet_pton(AF_INET, address, &o->to.sin_addr) != 1)
		load_die("--to '%s': expected an IPv4 address and a port", text);
	o->to.sin_port = htons((uint16_t)number(colon + 1, UINT16_MAX));
	snprintf(o->host, sizeof(o->host), "%s", text);
}

static void add_header(struct load_options *o, const char *text)
{
	size_t n = strlen(o->headers);
	int k = snprintf(o->headers + n, sizeof(o->headers) - n, "%s\r\n", text);
	if (k < 0 || (size_t)k >= sizeof(o->headers) - n)
		load_die("headers of more than %d bytes", LOAD_HEADERS_MAX);
}

static void add_path(struct load_options *o, const char *path)
{
	if (!o->paths)
		o->paths = calloc(LOAD_PATHS_MAX, sizeof(*o->paths));
	if (!o->paths || o->n_paths == LOAD_PATHS_MAX)
		load_die("more than %d paths", LOAD_PATHS_MAX);
	o->paths[o->n_paths++] = path;
}

static void add_paths(struct load_options *o, const char *file)
{
	loci__cleanup_file FILE *f = fopen(file, "re");
	loci__cleanup_free char *line = NULL;
	size_t room = 0;
	ssize_t n;
	if (!f)
		load_die("open '%s': %m", file);
	while ((n = getline(&line, &room, f)) > 0) {
		if (line[n - 1] == '\n')
			line[--n] = '\0';
		if (n)
			add_path(o, loci__steal_ptr(&line));
	}
}

static void set(struct load_options *o, int option, const char *value)
{
	switch (option) {
	case TO: read_address(o, value); break;
	case TLS: o->tls = true; break;
	case CONNECTIONS: o->connections = (unsigned)number(value, 100000); break;
	case METHOD: o->method = value; break;
	case HEADER: add_header(o, value); break;
	case EXPECT: o->expect = (unsigned)number(value, 999); break;
	case SIZE: o->size = number(value, (uint64_t)1 << 50); break;
	case RATE: o->rate = number(value, 1000000000); break;
	case LAYERS: o->layers = (unsigned)number(value, 1000); break;
	case REPOSITORIES: o->repositories = (unsigned)number(value, 1000000); break;
	case REPOSITORY: o->repository = value; break;
	case FROM: o->from = value; break;
	case SEED: o->seed = number(value, UINT64_MAX); break;
	case PATH: add_path(o, value); break;
	case PATHS: add_paths(o, value); break;
	case SECONDS: o->seconds = number(value, 86400); break;
	case COUNT: o->count = number(value, UINT64_MAX); break;
	case SAY_BEGUN: o->says_begun = true; break;
	case HELP: fputs(help, stdout); exit(0);
	default: fputs(help, stderr); exit(2);
	}
}

static const struct verb *find_verb(const char *name)
{
	static const struct verb *const verbs[] = {&load_requests, &load_download, &load_upload,
	                                           &load_images, &load_again};
	for (size_t i = 0; i < loci__array_len(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

/* What the verb cannot do without, and its defaults. */
static void complete(struct load_options *o)
{
	const bool asks = o->verb == &load_requests || o->verb == &load_download;
	const bool pushes_images = o->verb == &load_images || o->verb == &load_again;
	if (!o->to.sin_port || !o->connections || !o->repositories)
		load_die("--to, --connections and --repositories: none may be missing or 0");
	if (asks && !o->n_paths)
		load_die("%s: expected --path or --paths", o->verb->name);
	if (o->verb == &load_upload && o->size < CONTENT_TAIL)
		load_die("upload: expected a --size of %d or more", CONTENT_TAIL);
	if (pushes_images && (!o->count || !o->layers))
		load_die("%s: expected --count, and --layers that are not 0", o->verb->name);
	if (pushes_images && !o->size)
		o->size = 2048;
	if (o->verb == &load_download && !o->count)
		o->count = 1;
	if (!o->seed && loci__rand_bytes(&o->seed, sizeof(o->seed), /* err= */ NULL) < 0)
		load_die("no random seed");
}

void load_parse_options(int argc, char **argv, struct load_options *ret)
{
	*ret = (struct load_options){.method = "GET",
	                             .connections = 1,
	                             .expect = 200,
	                             .layers = 10,
	                             .repositories = 50,
	                             .repository = "bench/load",
	                             .from = "bench/load"};
	int option;
	while ((option = getopt_long(argc, argv, "", longs, /* longindex= */ NULL)) >= 0)
		set(ret, option, optarg);
	ret->verb = optind + 1 == argc ? find_verb(argv[optind]) : NULL;
	if (!ret->verb) {
		fputs(help, stderr);
		exit(2);
	}
	complete(ret);
}

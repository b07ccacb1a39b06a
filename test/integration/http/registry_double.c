/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry that is none: the functions of loci/registry.h with routes that show one property of
 * the HTTP server each. The driver under test calls only those functions.
 *
 *   /small            "hello\n", on the loop             /memory/N   N bytes from memory
 *   /parts/OFF/LEN    text and ranges of that file, in turn
 *   /file/OFF/LEN     a range of a patterned file        /short/N    a file N bytes too short
 *   /echo             what the handler saw of the head   /stats      counters
 *   /sink             body → "COUNT SHA256\n"            /deny       401 without reading a body
 *   /full/N           the sink fails with 413 after N    /forged     a header with a line break
 *   /stuck/N          as /full, but abort waits for the gate
 *   /server           the server's own numbers
 *   /wait, /gated     a handler, a sink that blocks until /gate/open or SIGUSR1
 *   /gate/close       blocks again
 *   /disk/cold/OFF/LEN  this range of the file is on a disk that blocks likewise
 *   /disk/broken      what is on the disk cannot be read
 *   /disk/warm        nothing is on it
 */
#include "registry_double.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/fs.h"
#include "loci/digest.h"
#include "loci/metrics.h"
#include "loci/registry_http.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADERS_MAX 4

struct double_response {
	struct loci_http_response rs; /* first */
	struct loci_http_header headers[HEADERS_MAX];
	struct loci_http_part parts[4];
	struct loci_buf body;
};

struct loci_http_sink {
	struct loci_hasher *hasher;
	uint64_t count;
	uint64_t fails_at;
	bool gated; /* writes */
	bool gated_abort;
};

static struct {
	atomic_llong observed, responses, sinks, finished, aborted, failed, bytes, wrong_thread;
} counters;
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_is_open;
static int pattern_fd = -1;
struct loci_http_server *loci__double_server;
static _Thread_local bool is_loop_thread;

unsigned char loci__double_pattern(uint64_t at)
{
	return (unsigned char)(at * 31 + (at >> 8) * 7 + (at >> 20));
}

int loci__double_init(uint64_t file_size)
{
	static unsigned char block[1 << 20];
	pattern_fd = memfd_create("pattern", MFD_CLOEXEC);
	for (uint64_t at = 0; at < file_size; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = loci__double_pattern(at + i);
		uint64_t left = file_size - at;
		size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);
		if (loci__write_all(pattern_fd, block, n) < 0)
			return -1;
	}
	return pattern_fd < 0 ? -1 : 0;
}

void loci__double_stats(char *buf, size_t size)
{
	snprintf(buf, size,
	         "observed=%lld responses=%lld sinks=%lld finished=%lld aborted=%lld failed=%lld "
	         "bytes=%lld "
	         "wrong_thread=%lld",
	         atomic_load(&counters.observed), atomic_load(&counters.responses),
	         atomic_load(&counters.sinks), atomic_load(&counters.finished),
	         atomic_load(&counters.aborted), atomic_load(&counters.failed),
	         atomic_load(&counters.bytes), atomic_load(&counters.wrong_thread));
}

void loci__double_gate(bool open)
{
	pthread_mutex_lock(&gate_lock);
	gate_is_open = open;
	pthread_cond_broadcast(&gate_moved);
	pthread_mutex_unlock(&gate_lock);
}

static void pass_gate(void)
{
	pthread_mutex_lock(&gate_lock);
	while (!gate_is_open)
		pthread_cond_wait(&gate_moved, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

static void must_be_worker(void)
{
	if (is_loop_thread)
		atomic_fetch_add(&counters.wrong_thread, 1);
}

/* --- responses --- */

static struct double_response *response_new(int status)
{
	struct double_response *d = calloc(1, sizeof(*d));
	if (!d)
		abort();
	d->body = (struct loci_buf)LOCI_BUF_INIT(1 << 30);
	d->rs.status = status;
	d->rs.headers = d->headers;
	d->rs.file_fd = -1;
	atomic_fetch_add(&counters.responses, 1);
	return d;
}

static void add_header(struct double_response *d, const char *name, const char *value)
{
	d->headers[d->rs.n_headers++] = (struct loci_http_header){name, value};
}

static struct loci_http_response *with_body(struct double_response *d)
{
	d->rs.body = d->body.p;
	d->rs.body_len = d->rs.content_length = d->body.len;
	return &d->rs;
}

static struct loci_http_response *text(int status, const char *s)
{
	struct double_response *d = response_new(status);
	add_header(d, "content-type", "text/plain");
	loci__buf_puts(&d->body, s);
	return with_body(d);
}

struct loci_http_response *loci_http_response_error(int status, const char *code,
                                                    const char *message)
{
	struct double_response *d = response_new(status);
	add_header(d, "content-type", "application/json");
	loci__buf_printf(&d->body, "{\"errors\":[{\"code\":\"%s\",\"message\":", code);
	loci__buf_json_string(&d->body, message);
	loci__buf_puts(&d->body, "}]}\n");
	return with_body(d);
}

void loci_http_response_free(struct loci_http_response *rs)
{
	struct double_response *d = (struct double_response *)rs;
	if (!rs)
		return;
	loci_http_sink_abort(rs->sink);
	loci__close_fd(&rs->file_fd);
	loci__buf_done(&d->body);
	free(d);
	atomic_fetch_sub(&counters.responses, 1);
}

/* --- sinks --- */

static struct loci_http_response *sink_response(uint64_t fails_at, bool gated)
{
	struct double_response *d = response_new(0);
	struct loci_http_sink *s = calloc(1, sizeof(*s));
	if (!s || loci_hasher_new(LOCI_SHA256, &s->hasher, NULL) < 0)
		abort();
	s->fails_at = fails_at;
	s->gated = gated;
	d->rs.sink = s;
	atomic_fetch_add(&counters.sinks, 1);
	return &d->rs;
}

static void sink_free(struct loci_http_sink *s)
{
	loci_hasher_free(s->hasher);
	free(s);
	atomic_fetch_sub(&counters.sinks, 1);
}

static void set_answer(struct loci_http_response *rs, int status, const char *answer)
{
	struct double_response *d = (struct double_response *)rs;
	rs->status = status;
	loci__buf_puts(&d->body, answer);
	with_body(d);
}

int loci_http_sink_write(struct loci_http_sink *s, const void *p, size_t n,
                         struct loci_http_response *rs)
{
	must_be_worker();
	if (s->gated)
		pass_gate();
	s->count += n;
	atomic_fetch_add(&counters.bytes, (long long)n);
	if (s->count > s->fails_at) {
		set_answer(rs, 413, "too much\n");
		atomic_fetch_add(&counters.failed, 1);
		return LOCI_E_TOO_LARGE;
	}
	return loci_hasher_update(s->hasher, p, n, NULL);
}

void loci_http_sink_finish(struct loci_http_sink *s, struct loci_http_response *rs)
{
	struct loci_digest digest;
	char hex[LOCI_DIGEST_STR_MAX], answer[LOCI_DIGEST_STR_MAX + 32];
	must_be_worker();
	if (loci_hasher_finish(s->hasher, &digest, NULL) < 0)
		abort();
	loci_digest_format(&digest, hex);
	snprintf(answer, sizeof(answer), "%llu %s\n", (unsigned long long)s->count, hex);
	set_answer(rs, 201, answer);
	atomic_fetch_add(&counters.finished, 1);
	sink_free(s);
}

void loci_http_sink_abort(struct loci_http_sink *s)
{
	if (!s)
		return;
	must_be_worker();
	if (s->gated_abort)
		pass_gate();
	atomic_fetch_add(&counters.aborted, 1);
	sink_free(s);
}

/* --- routes --- */

struct route_args {
	const struct loci_http_request *rq;
	uint64_t n[2];
};

static struct loci_http_response *on_small(const struct route_args *a)
{
	(void)a;
	return text(200, "hello\n");
}

static struct loci_http_response *on_memory(const struct route_args *a)
{
	struct double_response *d = response_new(200);
	for (uint64_t i = 0; i < a->n[0]; i++)
		loci__buf_putc(&d->body, (char)loci__double_pattern(i));
	return with_body(d);
}

static struct loci_http_response *file_response(uint64_t off, uint64_t len)
{
	struct double_response *d = response_new(off ? 206 : 200);
	d->rs.file_fd = fcntl(pattern_fd, F_DUPFD_CLOEXEC, 0);
	d->rs.file_off = off;
	d->rs.file_len = d->rs.content_length = len;
	return &d->rs;
}

static struct loci_http_response *on_file(const struct route_args *a)
{
	return file_response(a->n[0], a->n[1]);
}

/* LEN bytes from OFF, none, one, and the end. file_off and file_len mislead whoever looks at them.
 */
static struct loci_http_response *on_parts(const struct route_args *a)
{
	struct loci_http_response *rs = file_response(9, 9);
	struct double_response *d = (struct double_response *)rs;
	d->parts[0] = (struct loci_http_part){"<first>", 7, a->n[0], a->n[1]};
	d->parts[1] = (struct loci_http_part){"<none>", 6, 0, 0};
	d->parts[2] = (struct loci_http_part){"<one>", 5, 7, 1};
	d->parts[3] = (struct loci_http_part){"<end>", 5, 0, 0};
	rs->parts = d->parts;
	rs->n_parts = 4;
	rs->content_length = 23 + a->n[1] + 1;
	return a->rq->takes_parts ? rs : text(500, "parts are not taken\n");
}

/* The clock that libh2o looks at, so that a test can set it. */
static atomic_long clock_ahead;

LOCI_API int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec now;
	(void)tz;
	clock_gettime(CLOCK_REALTIME, &now);
	tv->tv_sec = now.tv_sec + atomic_load(&clock_ahead);
	tv->tv_usec = now.tv_nsec / 1000;
	return 0;
}

/* "/clock/N": N seconds ahead. */
static struct loci_http_response *on_clock(const struct route_args *a)
{
	atomic_store(&clock_ahead, (long)a->n[0]);
	return text(200, "set\n");
}

/* A file that cannot be sent. */
static struct loci_http_response *on_broken(const struct route_args *a)
{
	struct loci_http_response *rs = file_response(0, 100);
	(void)a;
	loci__close_fd(&rs->file_fd);
	rs->file_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return rs;
}

static struct loci_http_response *on_short(const struct route_args *a)
{
	struct stat st = {0};
	fstat(pattern_fd, &st);
	return file_response(0, (uint64_t)st.st_size + a->n[0]);
}

static struct loci_http_response *on_echo(const struct route_args *a)
{
	const struct loci_http_request *rq = a->rq;
	struct double_response *d = response_new(200);
	loci__buf_printf(&d->body, "method=%s\ntarget=%s\nscheme=%s\nhost=%s\npeer=%s\n",
	                 rq->method, rq->target, rq->scheme, rq->host ? rq->host : "-",
	                 rq->peer ? rq->peer : "-");
	if (rq->body_length == LOCI_BODY_UNKNOWN)
		loci__buf_puts(&d->body, "body=chunked\n");
	else
		loci__buf_printf(&d->body, "body=%llu\n", (unsigned long long)rq->body_length);
	for (size_t i = 0; i < rq->n_headers; i++)
		loci__buf_printf(&d->body, "header %s=%s\n", rq->headers[i].name,
		                 rq->headers[i].value);
	return with_body(d);
}

static struct loci_http_response *on_stats(const struct route_args *a)
{
	char stats[512];
	(void)a;
	loci__double_stats(stats, sizeof(stats));
	return text(200, stats);
}

static struct loci_http_response *on_server(const struct route_args *a)
{
	struct loci_http_server_stats s = {.struct_size = sizeof(s)};
	struct double_response *d = response_new(200);
	(void)a;
	loci_http_server_stats(loci__double_server, &s);
#define SHOW(name) loci__buf_printf(&d->body, #name "=%llu ", (unsigned long long)s.name);
	SHOW(connections)
	SHOW(in_flight)
	SHOW(head_memory)
	SHOW(accepted)
	SHOW(turned_away)
	SHOW(held_up)
	SHOW(requests)
	SHOW(refused)
	SHOW(ended)
	SHOW(cut_idle)
	SHOW(cut_head)
	SHOW(cut_head_memory)
	SHOW(cut_body)
	SHOW(cut_body_rate)
	SHOW(cut_write)
	SHOW(cut_write_rate)
	SHOW(cut_for_room)
	SHOW(cut_by_stop)
	SHOW(lost)
	SHOW(bytes_in)
	SHOW(bytes_out)
	SHOW(cold_reads)
	SHOW(tls_handshakes)
	SHOW(tls_resumed)
	SHOW(tls_failed)
	SHOW(cut_handshake)
#undef SHOW
	return with_body(d);
}

static struct loci_http_response *on_sink(const struct route_args *a)
{
	(void)a;
	return sink_response(UINT64_MAX, false);
}

static struct loci_http_response *on_gated(const struct route_args *a)
{
	(void)a;
	return sink_response(UINT64_MAX, true);
}

static struct loci_http_response *on_full(const struct route_args *a)
{
	return sink_response(a->n[0], false);
}

static struct loci_http_response *on_stuck(const struct route_args *a)
{
	struct loci_http_response *rs = sink_response(a->n[0], false);
	rs->sink->gated_abort = true;
	return rs;
}

static struct loci_http_response *on_deny(const struct route_args *a)
{
	(void)a;
	return loci_http_response_error(401, "UNAUTHORIZED", "who are you");
}

static struct loci_http_response *on_forged(const struct route_args *a)
{
	(void)a;
	struct double_response *d = response_new(200);
	add_header(d, "location", "/a\r\nset-cookie: forged");
	return with_body(d);
}

static struct loci_http_response *on_nothing(const struct route_args *a)
{
	(void)a;
	return &response_new(204)->rs;
}

static struct loci_http_response *on_wait(const struct route_args *a)
{
	(void)a;
	must_be_worker();
	pass_gate();
	return text(200, "waited\n");
}

static struct loci_http_response *on_gate_open(const struct route_args *a)
{
	(void)a;
	loci__double_gate(true);
	return text(200, "open\n");
}

static struct loci_http_response *on_gate_close(const struct route_args *a)
{
	(void)a;
	loci__double_gate(false);
	return text(200, "closed\n");
}

/* The file as the driver sees it, so that a test can have its bytes on a disk. */
#define PAGE      4096
#define PAGES_MAX (64 * 1024 * 1024 / PAGE)

static atomic_bool is_broken;
static atomic_bool is_on_disk[PAGES_MAX];

static void set_on_disk(off_t offset, ssize_t n, bool value)
{
	for (off_t at = offset / PAGE; n > 0 && at <= (offset + n - 1) / PAGE; at++)
		if (at < PAGES_MAX)
			atomic_store(&is_on_disk[at], value);
}

static bool any_on_disk(off_t offset, ssize_t n)
{
	for (off_t at = offset / PAGE; n > 0 && at <= (offset + n - 1) / PAGE; at++)
		if (at < PAGES_MAX && atomic_load(&is_on_disk[at]))
			return true;
	return false;
}

/* Only who may wait reads from the disk. */
static void must_be_in_memory(off_t offset, ssize_t n)
{
	if (any_on_disk(offset, n))
		atomic_fetch_add(&counters.wrong_thread, 1);
}

LOCI_API ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	/* Files in memory do not know the flag. */
	ssize_t got = syscall(SYS_preadv2, fd, iov, n, offset, 0, flags & ~RWF_NOWAIT);
	if (!any_on_disk(offset, got))
		return got;
	if (flags & RWF_NOWAIT || atomic_load(&is_broken)) {
		errno = flags & RWF_NOWAIT ? EAGAIN : EIO;
		return -1;
	}
	must_be_worker();
	pass_gate();
	set_on_disk(offset, got, false);
	return got;
}

LOCI_API ssize_t pread(int fd, void *p, size_t n, off_t offset)
{
	ssize_t got = syscall(SYS_pread64, fd, p, n, offset);
	must_be_in_memory(offset, got);
	return got;
}

LOCI_API ssize_t sendfile(int out_fd, int in_fd, off_t *offset, size_t n)
{
	off_t from = *offset;
	ssize_t sent = syscall(SYS_sendfile, out_fd, in_fd, offset, n);
	must_be_in_memory(from, sent);
	return sent;
}

static struct loci_http_response *on_disk_cold(const struct route_args *a)
{
	set_on_disk((off_t)a->n[0], (ssize_t)a->n[1], true);
	return text(200, "cold\n");
}

static struct loci_http_response *on_disk_broken(const struct route_args *a)
{
	(void)a;
	atomic_store(&is_broken, true);
	return text(200, "broken\n");
}

static struct loci_http_response *on_disk_warm(const struct route_args *a)
{
	(void)a;
	atomic_store(&is_broken, false);
	set_on_disk(0, (ssize_t)PAGES_MAX * PAGE, false);
	return text(200, "warm\n");
}

static const struct route {
	const char *prefix; /* then /NUMBER for each number */
	unsigned numbers;
	bool blocks;
	struct loci_http_response *(*fn)(const struct route_args *a);
} routes[] = {
        {"/small", 0, false, on_small},
        {"/memory", 1, false, on_memory},
        {"/file", 2, false, on_file},
        {"/parts", 2, false, on_parts},
        {"/broken", 0, false, on_broken},
        {"/short", 1, false, on_short},
        {"/echo", 0, false, on_echo},
        {"/stats", 0, false, on_stats},
        {"/sink", 0, true, on_sink},
        {"/inline-sink", 0, false, on_sink},
        {"/gated", 0, false, on_gated},
        {"/full", 1, false, on_full},
        {"/stuck", 1, false, on_stuck},
        {"/deny", 0, false, on_deny},
        {"/forged", 0, false, on_forged},
        {"/nothing", 0, false, on_nothing},
        {"/wait", 0, true, on_wait},
        {"/gate/open", 0, false, on_gate_open},
        {"/gate/close", 0, false, on_gate_close},
        {"/disk/cold", 2, false, on_disk_cold},
        {"/disk/broken", 0, false, on_disk_broken},
        {"/disk/warm", 0, false, on_disk_warm},
        {"/clock", 1, false, on_clock},
        {"/server", 0, false, on_server},
};

static bool matches(const struct route *r, const char *target, uint64_t n[2])
{
	struct loci_cursor c = loci__cursor(target, strlen(target));
	if (!loci__take_text(&c, r->prefix))
		return false;
	for (unsigned i = 0; i < r->numbers; i++)
		if (!loci__take_char(&c, '/') || !loci__take_u64(&c, &n[i]))
			return false;
	return loci__cursor_at_end(&c) || *c.p == '?';
}

static const struct route *find(const char *target, uint64_t n[2])
{
	for (size_t i = 0; i < loci__array_len(routes); i++)
		if (matches(&routes[i], target, n))
			return &routes[i];
	return NULL;
}

int loci_registry_metrics_add_source(struct loci_registry *r,
                                     const struct loci_metric_family *families, size_t n, void *arg,
                                     struct loci_error *err)
{
	(void)r, (void)families, (void)n, (void)arg, (void)err;
	return 0;
}

void loci_registry_metrics_remove_source(struct loci_registry *r, void *arg)
{
	(void)r, (void)arg;
}

void loci_metrics_value(struct loci_metrics *m, const struct loci_metric_label *labels,
                        size_t n_labels, double value)
{
	(void)m, (void)labels, (void)n_labels, (void)value;
}

void loci_registry_observe(struct loci_registry *r, const struct loci_request_sample *s)
{
	(void)r;
	if (s->struct_size == sizeof(*s))
		atomic_fetch_add(&counters.observed, 1);
}

bool loci_registry_may_block(const struct loci_registry *r, const char *method, const char *target)
{
	uint64_t n[2];
	const struct route *route = find(target, n);
	(void)r;
	(void)method;
	return route && route->blocks;
}

struct loci_http_response *loci_registry_handle(struct loci_registry *r,
                                                const struct loci_http_request *rq)
{
	struct route_args a = {.rq = rq};
	const struct route *route = find(rq->target, a.n);
	(void)r;
	is_loop_thread |= rq->must_not_block; /* only loops ask so */
	if (!route)
		return loci_http_response_error(404, "NAME_UNKNOWN", "no such route");
	if (route->blocks && rq->must_not_block)
		return NULL;
	if (route->blocks)
		must_be_worker();
	return route->fn(&a);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All modes keep the same list of rows, one a blob or layer, and differ in what they write when a
 * row changes. Bars are drawn anew from the list, at most ten times a second.
 */
#include "cli/progress.h"

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/fs.h"

#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#define ROWS_MAX   2048         /* rows beyond it are not shown */
#define OUTPUT_MAX (256 * 1024) /* bytes of one drawing */
#define DRAW_MS    100
#define BAR_MAX    40
#define SHORT_HEX  12

enum step { STEP_PULL = 0, STEP_UNPACK };
static const char *const step_names[] = {"pull", "unpack"};

struct row {
	int step;
	struct loci_digest digest;
	uint64_t size;
	uint64_t done;
	uint64_t shown_ms;
	bool ended;
	bool was_present;
};

struct loci_progress {
	int mode;
	int fd;
	const struct loci_log *log;
	struct loci_log own_log;
	pthread_mutex_t lock;
	char name[LOCI_REF_STR_MAX];
	struct row *rows;
	size_t n_rows;
	unsigned drawn_lines; /* above the cursor */
	uint64_t drawn_ms;
};

const char *loci__bytes_text(uint64_t n, char buf[LOCI_BYTES_TEXT_MAX])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)n;
	size_t unit = 0;
	while (v >= 999.95 && unit + 1 < loci__array_len(units)) {
		v /= 1000;
		unit++;
	}
	snprintf(buf, LOCI_BYTES_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", v, units[unit]);
	return buf;
}

static void write_out(struct loci_progress *p, struct loci_buf *b)
{
	/* A terminal that is gone is no reason to stop the pull. */
	if (!b->failed && b->len)
		(void)!loci__write_all(p->fd, b->p, b->len);
	loci__buf_done(b);
}

/* ---- bars ---- */

static void window_size(int fd, unsigned *ret_columns, unsigned *ret_lines)
{
	struct winsize w = {0};
	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		w = (struct winsize){0};
	*ret_columns = w.ws_col ? w.ws_col : 80;
	*ret_lines = w.ws_row ? w.ws_row : 24;
}

static void short_digest(const struct loci_digest *d, char buf[SHORT_HEX + 1])
{
	char text[LOCI_DIGEST_STR_MAX];
	loci_digest_format(d, text);
	const char *colon = strchr(text, ':');
	snprintf(buf, SHORT_HEX + 1, "%s", colon ? colon + 1 : text);
}

static void put_bar(struct loci_buf *b, const struct row *r, unsigned width)
{
	uint64_t done = r->done < r->size ? r->done : r->size;
	unsigned full = r->size ? (unsigned)((double)done / (double)r->size * width) : width;
	loci__buf_putc(b, '[');
	for (unsigned i = 0; i < width; i++)
		loci__buf_putc(b, i < full ? '=' : i == full ? '>' : ' ');
	loci__buf_puts(b, "] ");
}

static void put_row(struct loci_buf *b, const struct row *r, unsigned columns)
{
	char hex[SHORT_HEX + 1], done[LOCI_BYTES_TEXT_MAX], size[LOCI_BYTES_TEXT_MAX];
	short_digest(&r->digest, hex);
	loci__bytes_text(r->size, size);
	loci__buf_printf(b, "  %s %-6s ", hex, step_names[r->step]);
	if (r->was_present)
		loci__buf_puts(b, "already there");
	else if (r->ended)
		loci__buf_printf(b, "done  %s", size);
	else {
		unsigned taken = 2 + SHORT_HEX + 1 + 6 + 1 + 3 + 24;
		if (columns > taken + 10)
			put_bar(b, r, columns - taken < BAR_MAX ? columns - taken : BAR_MAX);
		loci__buf_printf(b, "%s / %s", loci__bytes_text(r->done, done), size);
	}
	loci__buf_puts(b, "\033[K\n");
}

static void put_erase(struct loci_progress *p, struct loci_buf *b)
{
	if (p->drawn_lines)
		loci__buf_printf(b, "\033[%uA\r\033[J", p->drawn_lines);
	p->drawn_lines = 0;
}

/* The last rows that fit; those that still run are at the end of the list more often than not. */
static void draw(struct loci_progress *p)
{
	struct loci_buf b = LOCI_BUF_INIT(OUTPUT_MAX);
	unsigned columns, lines;
	window_size(p->fd, &columns, &lines);
	size_t room = lines > 3 ? lines - 3 : 1;
	size_t first = p->n_rows > room ? p->n_rows - room : 0;
	if (p->drawn_lines)
		loci__buf_printf(&b, "\033[%uA\r", p->drawn_lines);
	loci__buf_printf(&b, "%.*s\033[K\n", (int)(columns - 1), p->name);
	for (size_t i = first; i < p->n_rows; i++)
		put_row(&b, &p->rows[i], columns);
	loci__buf_puts(&b, "\033[J");
	p->drawn_lines = (unsigned)(p->n_rows - first) + 1;
	p->drawn_ms = loci__clock_ms();
	write_out(p, &b);
}

/* ---- lines ---- */

static void write_plain(struct loci_progress *p, const struct row *r)
{
	struct loci_buf b = LOCI_BUF_INIT(OUTPUT_MAX);
	char digest[LOCI_DIGEST_STR_MAX], size[LOCI_BYTES_TEXT_MAX];
	if (!r->ended)
		return; /* a line a step, not a line a megabyte */
	loci_digest_format(&r->digest, digest);
	loci__buf_printf(&b, "%s: %s %s %s%s\n", p->name, step_names[r->step], digest,
	                 loci__bytes_text(r->size, size), r->was_present ? ", already there" : "");
	write_out(p, &b);
}

static void write_json(struct loci_progress *p, const char *event, const struct row *r)
{
	struct loci_buf b = LOCI_BUF_INIT(OUTPUT_MAX);
	char digest[LOCI_DIGEST_STR_MAX];
	loci__buf_printf(&b, "{\"event\":\"%s\",\"ref\":", event);
	loci__buf_json_string(&b, p->name);
	if (r) {
		loci_digest_format(&r->digest, digest);
		loci__buf_printf(&b, ",\"digest\":\"%s\",\"done\":%llu,\"size\":%llu", digest,
		                 (unsigned long long)r->done, (unsigned long long)r->size);
		if (r->was_present)
			loci__buf_puts(&b, ",\"present\":true");
	}
	loci__buf_puts(&b, "}\n");
	write_out(p, &b);
}

static void show(struct loci_progress *p, const char *event, const struct row *r)
{
	switch (p->mode) {
	case LOCI_PROGRESS_TTY:
		if (r->ended || loci__clock_ms() - p->drawn_ms >= DRAW_MS)
			draw(p);
		break;
	case LOCI_PROGRESS_PLAIN: write_plain(p, r); break;
	case LOCI_PROGRESS_JSON: write_json(p, event, r); break;
	default: break;
	}
}

/* ---- rows ---- */

static struct row *row_for(struct loci_progress *p, int step, const struct loci_digest *d)
{
	for (size_t i = p->n_rows; i-- > 0;) {
		if (p->rows[i].step == step && loci_digest_equal(&p->rows[i].digest, d))
			return &p->rows[i];
	}
	if (p->n_rows == ROWS_MAX)
		return NULL;
	struct row *r = &p->rows[p->n_rows++];
	*r = (struct row){.step = step, .digest = *d};
	return r;
}

static void resolved(struct loci_progress *p, const char *event, const struct loci_pull_event *ev)
{
	struct row r = {.digest = ev->desc->digest,
	                .size = ev->desc->size,
	                .done = ev->desc->size,
	                .ended = true,
	                .was_present = ev->was_present};
	if (p->mode == LOCI_PROGRESS_JSON)
		write_json(p, event, &r);
}

void loci__progress_pull(struct loci_progress *p, const struct loci_pull_event *ev)
{
	static const char *const events[] = {
	        [LOCI_PULL_RESOLVED] = "resolved",     [LOCI_PULL_MANIFEST] = "manifest",
	        [LOCI_PULL_BLOB_START] = "blob-start", [LOCI_PULL_BLOB_PROGRESS] = "blob-progress",
	        [LOCI_PULL_BLOB_DONE] = "blob-done",
	};
	if (!ev->desc || ev->kind <= 0 || (size_t)ev->kind >= loci__array_len(events))
		return;
	pthread_mutex_lock(&p->lock);
	if (ev->kind == LOCI_PULL_RESOLVED || ev->kind == LOCI_PULL_MANIFEST) {
		resolved(p, events[ev->kind], ev);
	} else {
		struct row *r = row_for(p, STEP_PULL, &ev->desc->digest);
		if (r) {
			r->size = ev->desc->size;
			r->done = ev->done;
			r->ended = ev->kind == LOCI_PULL_BLOB_DONE;
			r->was_present = ev->was_present;
			show(p, events[ev->kind], r);
		}
	}
	pthread_mutex_unlock(&p->lock);
}

void loci__progress_unpack(struct loci_progress *p, const struct loci_digest *diff_id,
                           uint64_t done, uint64_t total)
{
	pthread_mutex_lock(&p->lock);
	struct row *r = row_for(p, STEP_UNPACK, diff_id);
	if (r && !r->ended) {
		r->done = done;
		r->size = total;
		r->ended = done >= total;
		/* These come with every block that is read. */
		if (r->ended || loci__clock_ms() - r->shown_ms >= DRAW_MS) {
			r->shown_ms = loci__clock_ms();
			show(p, r->ended ? "unpack-done" : "unpack-progress", r);
		}
	}
	pthread_mutex_unlock(&p->lock);
}

/* ---- the whole ---- */

static void log_between(void *arg, const struct loci_log_record *rec)
{
	struct loci_progress *p = arg;
	pthread_mutex_lock(&p->lock);
	if (p->mode == LOCI_PROGRESS_TTY) {
		struct loci_buf b = LOCI_BUF_INIT(OUTPUT_MAX);
		put_erase(p, &b);
		write_out(p, &b);
	}
	p->log->fn(p->log->arg, rec);
	pthread_mutex_unlock(&p->lock);
}

int loci__progress_new(int mode, int fd, const struct loci_log *log, struct loci_progress **ret,
                       struct loci_error *err)
{
	struct loci_progress *p = calloc(1, sizeof(*p));
	if (!p || !(p->rows = calloc(ROWS_MAX, sizeof(*p->rows)))) {
		free(p);
		return loci__err_nomem(err);
	}
	const char *term = getenv("TERM");
	if (mode == LOCI_PROGRESS_AUTO)
		mode = isatty(fd) && term && strcmp(term, "dumb") != 0 ? LOCI_PROGRESS_TTY
		                                                       : LOCI_PROGRESS_PLAIN;
	p->mode = mode;
	p->fd = fd;
	p->log = log;
	p->own_log = (struct loci_log){log_between, p, log->max_level};
	pthread_mutex_init(&p->lock, NULL);
	*ret = p;
	return 0;
}

void loci__progress_free(struct loci_progress *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p->rows);
	free(p);
}

const struct loci_log *loci__progress_log(struct loci_progress *p)
{
	return &p->own_log;
}

void loci__progress_begin(struct loci_progress *p, const char *name)
{
	pthread_mutex_lock(&p->lock);
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->n_rows = 0;
	p->drawn_lines = 0;
	p->drawn_ms = 0;
	if (p->mode == LOCI_PROGRESS_JSON)
		write_json(p, "begin", NULL);
	pthread_mutex_unlock(&p->lock);
}

void loci__progress_end(struct loci_progress *p, bool is_success)
{
	pthread_mutex_lock(&p->lock);
	if (p->mode == LOCI_PROGRESS_TTY && p->n_rows)
		draw(p);
	p->drawn_lines = 0;
	if (p->mode == LOCI_PROGRESS_JSON)
		write_json(p, is_success ? "done" : "failed", NULL);
	pthread_mutex_unlock(&p->lock);
}

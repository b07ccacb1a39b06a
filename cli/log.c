/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log.h"

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/fs.h"
#include "core/base/utf8.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 16384 /* a longer line is dropped to its message */

const char *loci__log_level_name(int level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	return level >= LOCI_LOG_ERROR && level <= LOCI_LOG_DEBUG ? names[level] : "debug";
}

/* Here and below nothing goes through printf: a line of the access log would cost more than the
 * request that it tells of. */
static void append_digits(struct loci_buf *b, long n, size_t width)
{
	char digits[8];
	for (size_t i = width; i-- > 0; n /= 10)
		digits[i] = (char)('0' + n % 10);
	loci__buf_append(b, digits, width);
}

static void append_time(struct loci_buf *b)
{
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	append_digits(b, tm.tm_year + 1900, 4);
	loci__buf_putc(b, '-');
	append_digits(b, tm.tm_mon + 1, 2);
	loci__buf_putc(b, '-');
	append_digits(b, tm.tm_mday, 2);
	loci__buf_putc(b, 'T');
	append_digits(b, tm.tm_hour, 2);
	loci__buf_putc(b, ':');
	append_digits(b, tm.tm_min, 2);
	loci__buf_putc(b, ':');
	append_digits(b, tm.tm_sec, 2);
	loci__buf_putc(b, '.');
	append_digits(b, now.tv_nsec / 1000000, 3);
	loci__buf_putc(b, 'Z');
}

/* Control characters: also those that UTF-8 can spell (U+0080 to U+009F), and bytes that are none.
 */
static bool is_harmless(const unsigned char *p, size_t n)
{
	return n && *p >= 0x20 && *p != 0x7f && !(*p == 0xc2 && p[1] < 0xa0);
}

void loci__append_clean(struct loci_buf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	const unsigned char *end = p + strlen(s);
	while (p < end) {
		size_t n = 0;
		while (p[n] >= 0x20 && p[n] < 0x7f)
			n++;
		if (!n)
			n = loci__utf8_length(p, (size_t)(end - p));
		if (!is_harmless(p, n)) {
			loci__buf_printf(b, "\\x%02x", *p++);
			continue;
		}
		loci__buf_append(b, p, n);
		p += n;
	}
}

static bool is_plain_value(const char *s)
{
	return *s && !s[strcspn(s, " \"=")];
}

static void format_text(const struct loci_log_record *rec, struct loci_buf *b)
{
	append_time(b);
	loci__buf_putc(b, ' ');
	loci__buf_puts(b, loci__log_level_name(rec->level));
	loci__buf_putc(b, ' ');
	loci__buf_puts(b, rec->component);
	loci__buf_puts(b, ": ");
	loci__append_clean(b, rec->msg);
	for (size_t i = 0; i < rec->n_fields; i++) {
		loci__buf_putc(b, ' ');
		loci__buf_puts(b, rec->fields[i].key);
		loci__buf_putc(b, '=');
		if (is_plain_value(rec->fields[i].value))
			loci__append_clean(b, rec->fields[i].value);
		else
			loci__buf_json_string(b, rec->fields[i].value);
	}
}

static void append_member(struct loci_buf *b, const char *key, const char *value)
{
	loci__buf_putc(b, ',');
	loci__buf_json_string(b, key);
	loci__buf_putc(b, ':');
	loci__buf_json_string(b, value);
}

/* level, msg and time are the keys that docker and containerd look for in a runtime's log. */
static void format_json(const struct loci_log_record *rec, struct loci_buf *b)
{
	loci__buf_puts(b, "{\"time\":\"");
	append_time(b);
	loci__buf_putc(b, '"');
	append_member(b, "level", loci__log_level_name(rec->level));
	append_member(b, "component", rec->component);
	append_member(b, "msg", rec->msg);
	for (size_t i = 0; i < rec->n_fields; i++)
		append_member(b, rec->fields[i].key, rec->fields[i].value);
	loci__buf_putc(b, '}');
}

static void format_record(int format, const struct loci_log_record *rec, struct loci_buf *b)
{
	(format == LOCI_LOG_JSON ? format_json : format_text)(rec, b);
	loci__buf_putc(b, '\n');
}

static void write_record(void *arg, const struct loci_log_record *rec)
{
	const struct loci_log_sink *s = arg;
	struct loci_buf b loci__cleanup_buf = LOCI_BUF_INIT(LINE_MAX_BYTES);
	format_record(s->format, rec, &b);
	if (b.failed == LOCI_E_TOO_LARGE) {
		struct loci_log_record brief = *rec;
		brief.msg = "(a record too long to be logged)";
		brief.n_fields = 0;
		loci__buf_reset(&b);
		format_record(s->format, &brief, &b);
	}
	if (!b.failed) /* nobody is left to be told when the log itself cannot be written */
		(void)loci__write_all(s->fd, b.p, b.len);
}

void loci__log_sink_init(struct loci_log_sink *s, int format, int max_level)
{
	*s = (struct loci_log_sink){
	        .log = {.fn = write_record, .arg = s, .max_level = max_level},
	        .fd = STDERR_FILENO,
	        .format = format,
	};
}

int loci__log_sink_open(struct loci_log_sink *s, const char *path, struct loci_error *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return loci__err_sys(err, "open log '%s'", path);
	loci__log_sink_close(s);
	s->fd = fd;
	return 0;
}

void loci__log_sink_close(struct loci_log_sink *s)
{
	if (s->fd != STDERR_FILENO)
		close(s->fd);
	s->fd = STDERR_FILENO;
}

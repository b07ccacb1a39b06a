/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_line.h"

#include "core/base/clock.h"
#include "core/base/fs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_MS        100
#define LINE_MAX_BYTES 512
#define ERASE          "\r\033[K"

void loci__status_line_init(struct loci_status_line *l, bool quiet)
{
	*l = (struct loci_status_line){.on = !quiet && isatty(STDERR_FILENO)};
}

static size_t columns(void)
{
	struct winsize w = {0};
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

void loci__status_line_draw(struct loci_status_line *l, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES] = ERASE;
	size_t skip = strlen(ERASE), width = columns() - 1;
	uint64_t now = loci__clock_ms();
	va_list args;
	if (!l->on || (l->drawn && now - l->drawn_ms < DRAW_MS))
		return;
	va_start(args, fmt);
	int n = vsnprintf(text + skip, sizeof(text) - skip, fmt, args);
	va_end(args);
	size_t len = n < 0                             ? 0
	             : (size_t)n < sizeof(text) - skip ? (size_t)n
	                                               : sizeof(text) - skip - 1;
	l->drawn = true;
	l->drawn_ms = now;
	(void)!loci__write_all(STDERR_FILENO, text, skip + (len < width ? len : width));
}

void loci__status_line_erase(struct loci_status_line *l)
{
	if (l->drawn)
		(void)!loci__write_all(STDERR_FILENO, ERASE, strlen(ERASE));
	l->drawn = false;
}

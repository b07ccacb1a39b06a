/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/terminal.h"

#include "core/base/err.h"

#include <sys/ioctl.h>
#include <unistd.h>

int loci__terminal_raw(struct loci_terminal *t, int fd, struct loci_error *err)
{
	t->fd = -1;
	if (!isatty(fd))
		return 0;
	if (tcgetattr(fd, &t->saved) < 0)
		return loci__err_sys(err, "read the terminal's settings");
	struct termios raw = t->saved;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return loci__err_sys(err, "set the terminal raw");
	t->fd = fd;
	return 0;
}

void loci__terminal_restore(struct loci_terminal *t)
{
	if (t->fd >= 0)
		tcsetattr(t->fd, TCSADRAIN, &t->saved);
	t->fd = -1;
}

void loci__terminal_copy_size(int from, int to)
{
	struct winsize size;
	if (ioctl(from, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		ioctl(to, TIOCSWINSZ, &size);
}

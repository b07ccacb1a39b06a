/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/console.h"

#include "core/base/cleanup.h"
#include "core/base/err.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void loci__socket_address(int dir_fd, const char *name, struct sockaddr_un *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
}

int loci__console_send(const char *path, int master_fd, struct loci_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(addr.sun_path))
		return loci__err_set(err, LOCI_E_INVALID, "console socket '%s': path is too long",
		                     path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	loci__cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return loci__err_sys(err, "connect to the console socket '%s'", path);
	char name[] = "/dev/ptmx";
	struct iovec iov = {name, sizeof(name) - 1};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	memset(&control, 0, sizeof(control));
	struct msghdr h = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = control.bytes,
	                   .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &master_fd, sizeof(master_fd));
	if (sendmsg(fd, &h, MSG_NOSIGNAL) < 0)
		return loci__err_sys(err, "send the terminal to '%s'", path);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/byte_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int set_lock(int fd, int cmd, unsigned byte, short type)
{
	struct flock lock = {
	        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
	int rc;
	do
		rc = fcntl(fd, cmd, &lock);
	while (rc < 0 && errno == EINTR);
	return rc;
}

int loci__byte_lock(int fd, unsigned byte)
{
	return set_lock(fd, F_OFD_SETLKW, byte, F_WRLCK);
}

int loci__byte_lock_shared(int fd, unsigned byte)
{
	return set_lock(fd, F_OFD_SETLKW, byte, F_RDLCK);
}

int loci__byte_try_lock(int fd, unsigned byte)
{
	int rc = set_lock(fd, F_OFD_SETLK, byte, F_WRLCK);
	if (rc < 0 && errno == EACCES) /* POSIX allows either */
		errno = EAGAIN;
	return rc;
}

bool loci__byte_is_locked(int fd, unsigned byte)
{
	struct flock lock = {
	        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void loci__byte_unlock(int fd, unsigned byte)
{
	set_lock(fd, F_OFD_SETLK, byte, F_UNLCK);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A directory below /tmp for a test, and a count of this process's open fds. */
#ifndef LOCI_TEST_SCRATCH_DIR_H
#define LOCI_TEST_SCRATCH_DIR_H

#include "core/base/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct scratch {
	char path[64];
	int fd;
};

static inline int scratch_open(struct scratch *s)
{
	snprintf(s->path, sizeof(s->path), "/tmp/loci-unpack-XXXXXX");
	if (!mkdtemp(s->path))
		return -1;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->fd < 0 ? -1 : 0;
}

static inline int scratch_close(struct scratch *s)
{
	close(s->fd);
	return loci__rm_tree(AT_FDCWD, s->path, NULL);
}

static inline unsigned count_fds(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

#endif

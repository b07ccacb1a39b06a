/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files it is given (or those in the directories it is given), so that
 * the corpus is an ordinary test under any compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		perror(path);
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		DIR *dir = opendir(path);
		int count = 0;
		struct dirent *e;
		while (dir && (e = readdir(dir))) {
			char sub[4096];
			if (e->d_name[0] == '.')
				continue;
			snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
			int n = replay(sub);
			if (n < 0)
				return -1;
			count += n;
		}
		if (dir)
			closedir(dir);
		return count;
	}
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	/* Exactly the size, so that a sanitizer sees one byte too far. */
	uint8_t *data = malloc((size_t)st.st_size + !st.st_size);
	size_t n = data ? fread(data, 1, (size_t)st.st_size, f) : 0;
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;
	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);
		if (n < 0)
			return 1;
		count += n;
	}
	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1; /* an empty corpus proves nothing */
}

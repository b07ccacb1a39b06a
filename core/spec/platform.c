/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms (image-spec image-index.md "Platform Variants"), spelled and matched as containerd
 * does, so that one index gives every tool the same image. Three tables hold all there is to know:
 * how people spell architectures, which variants are only another way to say the default, and what
 * a machine runs besides its own.
 */
#include "core/spec/platform.h"

#include "core/base/cleanup.h"
#include "core/base/cursor.h"
#include "core/base/err.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* Other spellings of architectures; a variant comes with those that imply one. */
static const struct {
	const char *spelling, *arch, *variant;
} arch_aliases[] = {
        {"x86_64", "amd64", ""},    {"x86-64", "amd64", ""},
        {"i386", "386", ""},        {"i486", "386", ""},
        {"i586", "386", ""},        {"i686", "386", ""},
        {"aarch64", "arm64", ""},   {"armhf", "arm", "v7"},
        {"armel", "arm", "v6"},     {"armv5tel", "arm", "v5"},
        {"armv6l", "arm", "v6"},    {"armv7l", "arm", "v7"},
        {"armv8l", "arm", "v8"},    {"loongarch64", "loong64", ""},
        {"mipsel", "mipsle", ""},   {"mips64el", "mips64le", ""},
        {"ppc64el", "ppc64le", ""},
};

static const struct {
	const char *arch, *spelling, *variant;
} variant_aliases[] = {
        {"amd64", "v1", ""},     {"arm64", "8", ""},   {"arm64", "v8", ""},
        {"arm64", "v8.0", ""},   {"arm64", "9", "v9"}, {"arm64", "9.0", "v9"},
        {"arm64", "v9.0", "v9"}, {"arm", "", "v7"},    {"arm", "5", "v5"},
        {"arm", "6", "v6"},      {"arm", "7", "v7"},   {"arm", "8", "v8"},
};

static const struct {
	const char *spelling, *os;
} os_aliases[] = {{"macos", "darwin"}};

/* A machine of the left platform also runs the right one; followed until there is no more. */
static const struct {
	const char *arch, *variant, *also_arch, *also_variant;
} also_runs[] = {
        {"amd64", "v4", "amd64", "v3"},     {"amd64", "v3", "amd64", "v2"},
        {"amd64", "v2", "amd64", ""},       {"amd64", "", "386", ""},
        {"arm64", "v9.5", "arm64", "v9.4"}, {"arm64", "v9.4", "arm64", "v9.3"},
        {"arm64", "v9.3", "arm64", "v9.2"}, {"arm64", "v9.2", "arm64", "v9.1"},
        {"arm64", "v9.1", "arm64", "v9"},   {"arm64", "v9", "arm64", "v8.5"},
        {"arm64", "v8.9", "arm64", "v8.8"}, {"arm64", "v8.8", "arm64", "v8.7"},
        {"arm64", "v8.7", "arm64", "v8.6"}, {"arm64", "v8.6", "arm64", "v8.5"},
        {"arm64", "v8.5", "arm64", "v8.4"}, {"arm64", "v8.4", "arm64", "v8.3"},
        {"arm64", "v8.3", "arm64", "v8.2"}, {"arm64", "v8.2", "arm64", "v8.1"},
        {"arm64", "v8.1", "arm64", ""},     {"arm64", "", "arm", "v8"},
        {"arm", "v8", "arm", "v7"},         {"arm", "v7", "arm", "v6"},
        {"arm", "v6", "arm", "v5"},
};

/* The values of GOOS and GOARCH: a lone word is one or the other. */
static const char *const known_os[] = {
        "aix",   "android", "darwin",  "dragonfly", "freebsd", "illumos", "ios",     "js",
        "linux", "netbsd",  "openbsd", "plan9",     "solaris", "wasip1",  "windows", "zos",
};
static const char *const known_arch[] = {
        "386",    "amd64", "arm",     "arm64",   "loong64", "mips",    "mips64", "mips64le",
        "mipsle", "ppc64", "ppc64le", "riscv64", "s390x",   "sparc64", "wasm",
};

static bool is_listed(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, list[i]))
			return true;
	return false;
}

/* ---- the canonical spelling -------------------------------------------------------------------
 */

static bool copy_lower(const char *s, char to[LOCI_PLATFORM_PART_MAX])
{
	size_t n = s ? strlen(s) : 0;
	if (n >= LOCI_PLATFORM_PART_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		to[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] - 'A' + 'a') : s[i];
	to[n] = '\0';
	return true;
}

static void set_part(char part[LOCI_PLATFORM_PART_MAX], const char *value)
{
	snprintf(part, LOCI_PLATFORM_PART_MAX, "%s", value);
}

static void normalise(struct loci_platform_key *k)
{
	for (size_t i = 0; i < loci__array_len(os_aliases); i++)
		if (!strcmp(k->os, os_aliases[i].spelling))
			set_part(k->os, os_aliases[i].os);
	for (size_t i = 0; i < loci__array_len(arch_aliases); i++)
		if (!strcmp(k->arch, arch_aliases[i].spelling)) {
			set_part(k->arch, arch_aliases[i].arch);
			if (*arch_aliases[i].variant && !*k->variant)
				set_part(k->variant, arch_aliases[i].variant);
			break;
		}
	for (size_t i = 0; i < loci__array_len(variant_aliases); i++)
		if (!strcmp(k->arch, variant_aliases[i].arch) &&
		    !strcmp(k->variant, variant_aliases[i].spelling)) {
			set_part(k->variant, variant_aliases[i].variant);
			break;
		}
}

bool loci__platform_key(const struct loci_platform *p, struct loci_platform_key *ret)
{
	struct loci_platform_key k;
	if (!copy_lower(p->os, k.os) || !copy_lower(p->arch, k.arch) ||
	    !copy_lower(p->variant, k.variant))
		return false;
	normalise(&k);
	*ret = k;
	return true;
}

bool loci__platform_key_equal(const struct loci_platform_key *a, const struct loci_platform_key *b)
{
	return !strcmp(a->os, b->os) && !strcmp(a->arch, b->arch) &&
	       !strcmp(a->variant, b->variant);
}

static bool next_candidate(struct loci_platform_key *k)
{
	for (size_t i = 0; i < loci__array_len(also_runs); i++)
		if (!strcmp(k->arch, also_runs[i].arch) &&
		    !strcmp(k->variant, also_runs[i].variant)) {
			set_part(k->arch, also_runs[i].also_arch);
			set_part(k->variant, also_runs[i].also_variant);
			return true;
		}
	return false;
}

size_t loci__platform_candidates(const struct loci_platform *want,
                                 struct loci_platform_key ret[LOCI_PLATFORM_CANDIDATES_MAX])
{
	struct loci_platform_key k;
	size_t n = 0;
	if (!loci__platform_key(want, &k))
		return 0;
	do {
		ret[n++] = k;
	} while (n < LOCI_PLATFORM_CANDIDATES_MAX && next_candidate(&k));
	return n;
}

/* ---- this machine -----------------------------------------------------------------------------
 */

/* The x86-64 level, told by the features that came with each. */
static const char *host_variant(const char *arch)
{
#if defined(__x86_64__)
	if (!strcmp(arch, "amd64")) {
		__builtin_cpu_init();
		bool v2 = __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("ssse3") &&
		          __builtin_cpu_supports("sse4.2");
		bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
		          __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
		bool v4 = v3 && __builtin_cpu_supports("avx512f") &&
		          __builtin_cpu_supports("avx512bw") &&
		          __builtin_cpu_supports("avx512cd") &&
		          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
		return v4 ? "v4" : v3 ? "v3" : v2 ? "v2" : "";
	}
#endif
	(void)arch;
	return "";
}

static void host_key(struct loci_platform_key *ret)
{
	struct utsname u;
	struct loci_platform machine = {.os = "linux", .arch = ""};
	if (uname(&u) == 0)
		machine.arch = u.machine;
	if (!loci__platform_key(&machine, ret))
		*ret = (struct loci_platform_key){.os = "linux"};
	if (!*ret->variant)
		set_part(ret->variant, host_variant(ret->arch));
}

/* ---- text -------------------------------------------------------------------------------------
 */

static const char *put_part(char **at, const char *part)
{
	if (!*part)
		return NULL;
	char *start = *at;
	*at = stpcpy(start, part) + 1;
	return start;
}

/* Three parts with their NULs fit LOCI_PLATFORM_STR_MAX exactly. */
static void fill(const struct loci_platform_key *k, struct loci_platform_buf *ret)
{
	_Static_assert(3 * LOCI_PLATFORM_PART_MAX <= LOCI_PLATFORM_STR_MAX, "three parts fit");
	char *at = ret->text;
	ret->platform = (struct loci_platform){0};
	ret->platform.os = put_part(&at, k->os);
	ret->platform.arch = put_part(&at, k->arch);
	ret->platform.variant = put_part(&at, k->variant);
}

void loci_platform_host(struct loci_platform_buf *ret)
{
	struct loci_platform_key k;
	host_key(&k);
	fill(&k, ret);
}

static bool is_part_char(unsigned char c)
{
	return loci__is_alnum(c) || c == '_' || c == '.' || c == '-';
}

/* Up to three parts with slashes between them. Returns how many; 0: malformed. */
static size_t split(const char *s, char parts[3][LOCI_PLATFORM_PART_MAX])
{
	struct loci_cursor c = loci__cursor(s, strlen(s));
	size_t n = 0;
	do {
		struct loci_slice part;
		if (n == 3 || !loci__take_run(&c, is_part_char, &part) ||
		    !loci__slice_copy(part, parts[n], LOCI_PLATFORM_PART_MAX))
			return 0;
		n++;
	} while (loci__take_char(&c, '/'));
	return loci__cursor_at_end(&c) ? n : 0;
}

/* A lone word: an operating system on this machine's processor, or a processor under linux. */
static bool resolve_word(struct loci_platform_key *k)
{
	struct loci_platform_key word = *k;
	normalise(&word);
	if (is_listed(word.os, known_os, loci__array_len(known_os))) {
		host_key(k);
		set_part(k->os, word.os);
		return true;
	}
	set_part(word.arch, k->os);
	set_part(word.os, "linux");
	normalise(&word);
	*k = word;
	return is_listed(k->arch, known_arch, loci__array_len(known_arch));
}

int loci_platform_parse(const char *s, struct loci_platform_buf *ret, struct loci_error *err)
{
	char parts[3][LOCI_PLATFORM_PART_MAX] = {"", "", ""};
	size_t n = split(s, parts);
	if (n == 0)
		return loci__err_set(err, LOCI_E_INVALID,
		                     "platform '%.100s': expected os/arch[/variant], such as "
		                     "linux/amd64 or linux/arm/v7",
		                     s);
	struct loci_platform given = {.os = parts[0], .arch = parts[1], .variant = parts[2]};
	struct loci_platform_key k;
	if (!loci__platform_key(&given, &k) || (n == 1 && !resolve_word(&k)))
		return loci__err_set(err, LOCI_E_INVALID,
		                     "platform '%.100s': neither an operating system nor an "
		                     "architecture that is known",
		                     s);
	fill(&k, ret);
	return 0;
}

size_t loci_platform_format(const struct loci_platform *p, char buf[LOCI_PLATFORM_STR_MAX])
{
	int n = snprintf(buf, LOCI_PLATFORM_STR_MAX, "%s/%s%s%s", p->os ? p->os : "unknown",
	                 p->arch ? p->arch : "unknown", p->variant ? "/" : "",
	                 p->variant ? p->variant : "");
	return n < LOCI_PLATFORM_STR_MAX ? (size_t)n : LOCI_PLATFORM_STR_MAX - 1;
}

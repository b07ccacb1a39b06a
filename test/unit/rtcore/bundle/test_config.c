/* SPDX-License-Identifier: Apache-2.0 */
/* image-spec conversion.md, docker's defaults; the result is read back as the runtime reads it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/spec/runtime_config.h"
#include "rtcore/bundle/config.h"
#include "rtcore/bundle/seccomp_default.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const image_env[] = {"PATH=/image/bin", "A=image", "malformed", "B=image"};
static const char *const image_cmd[] = {"cmd1", "cmd2"};
static const char *const image_entry[] = {"entry"};
static const char *const ports[] = {"80/tcp", "53/udp"};
static const struct loci_annotation labels[] = {
        {"my.label", "v"}, {"org.opencontainers.image.author", "the label wins"}, {"", "x"}};

static struct loci_image_config image;
static struct loci__user user;

static int setup(void **state)
{
	(void)state;
	image = (struct loci_image_config){
	        .platform = {.os = "linux", .arch = "amd64"},
	        .working_dir = "/work",
	        .stop_signal = "SIGQUIT",
	        .author = "the field loses",
	        .env = image_env,
	        .n_env = 4,
	        .entrypoint = image_entry,
	        .n_entrypoint = 1,
	        .cmd = image_cmd,
	        .n_cmd = 2,
	        .exposed_ports = ports,
	        .n_exposed_ports = 2,
	        .labels = labels,
	        .n_labels = 3,
	};
	user = (struct loci__user){.home = "/root"};
	return 0;
}

static int make(const struct loci_bundle_opts *o, struct loci__runtime_config *ret,
                struct loci_error *err)
{
	loci__cleanup_json json_t *json = NULL;
	struct loci__bundle_facts facts = {.id = "0123456789abcdef",
	                                   .path = "/store/run/bundles/x",
	                                   .hostname = "0123456789ab",
	                                   .image = &image,
	                                   .user = &user};
	int rc = loci__bundle_config(&facts, o, &json, err);
	if (rc < 0)
		return rc;
	loci__cleanup_free char *text = json_dumps(json, 0);
	return loci__runtime_config_parse(text, strlen(text), ret, err);
}

static void make_well(const struct loci_bundle_opts *o, struct loci__runtime_config *ret)
{
	struct loci_error err;
	if (make(o, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

static void expect_strings(const struct loci__strings *got, const char *const *expected)
{
	size_t n = 0;
	for (; expected[n]; n++) {
		assert_true(n < got->n);
		assert_string_equal(got->v[n], expected[n]);
	}
	assert_int_equal(got->n, n);
}
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool holds(const struct loci__strings *list, const char *s)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], s))
			return true;
	return false;
}

static void what_the_image_says(void **state)
{
	(void)state;
	struct loci__runtime_config c;
	make_well(&(struct loci_bundle_opts){0}, &c);
	expect_strings(&c.args, LIST("entry", "cmd1", "cmd2"));
	expect_strings(&c.env, LIST("PATH=/image/bin", "A=image", "B=image",
	                            "HOSTNAME=0123456789ab", "HOME=/root"));
	assert_string_equal(c.cwd, "/work");
	assert_string_equal(c.hostname, "0123456789ab");
	assert_false(c.terminal);
	assert_false(c.root_readonly);
	assert_int_equal(c.uid, 0);
	loci__runtime_config_done(&c);
}

static void what_the_caller_says(void **state)
{
	(void)state;
	static const char *const args[] = {"x"}, *const env[] = {"A=caller", "HOME=/h", "C="};
	struct loci__runtime_config c;
	struct loci_bundle_opts o = {.args = args,
	                             .n_args = 1,
	                             .env = env,
	                             .n_env = 3,
	                             .workdir = "/elsewhere",
	                             .terminal = true,
	                             .read_only = true};
	make_well(&o, &c);
	expect_strings(&c.args, LIST("entry", "x"));
	expect_strings(&c.env, LIST("PATH=/image/bin", "A=caller", "B=image", "HOME=/h",
	                            "C=", "HOSTNAME=0123456789ab", "TERM=xterm"));
	assert_string_equal(c.cwd, "/elsewhere");
	assert_true(c.terminal);
	assert_true(c.root_readonly);
	loci__runtime_config_done(&c);
}

static void entrypoints(void **state)
{
	(void)state;
	static const char *const mine[] = {"mine"}, *const args[] = {"x", "y"};
	struct loci__runtime_config c;
	struct loci_error err;
	struct loci_bundle_opts o = {.entrypoint = mine, .n_entrypoint = 1, .entrypoint_set = true};
	make_well(&o, &c); /* the image's Cmd belongs to the image's Entrypoint */
	expect_strings(&c.args, LIST("mine"));
	loci__runtime_config_done(&c);
	o.args = args;
	o.n_args = 2;
	make_well(&o, &c);
	expect_strings(&c.args, LIST("mine", "x", "y"));
	loci__runtime_config_done(&c);
	o.n_entrypoint = 0;
	make_well(&o, &c);
	expect_strings(&c.args, LIST("x", "y"));
	loci__runtime_config_done(&c);
	o.n_args = 0;
	assert_int_equal(make(&o, &c, &err), LOCI_E_INVALID);
	image.n_entrypoint = 0;
	make_well(&(struct loci_bundle_opts){0}, &c);
	expect_strings(&c.args, LIST("cmd1", "cmd2"));
	loci__runtime_config_done(&c);
}

static void defaults_of_variables(void **state)
{
	(void)state;
	struct loci__runtime_config c;
	image.n_env = 0;
	user.home[0] = '\0';
	make_well(&(struct loci_bundle_opts){0}, &c);
	expect_strings(&c.env,
	               LIST("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	                    "HOSTNAME=0123456789ab", "HOME=/"));
	loci__runtime_config_done(&c);
}

static void refused(void **state)
{
	(void)state;
	static const char *const no_eq[] = {"A"}, *const no_name[] = {"=a"},
	                         *const not_utf8[] = {"A=\xff"};
	const struct loci_bundle_opts rows[] = {
	        {.env = no_eq, .n_env = 1},
	        {.env = no_name, .n_env = 1},
	        {.env = not_utf8, .n_env = 1},
	        {.workdir = "relative"},
	        {.cpus = -1},
	        {.cpus = (double)NAN},
	        {.pids = -1},
	        {.memory = UINT64_MAX},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loci__runtime_config c;
		struct loci_error err;
		if (make(&rows[i], &c, &err) != LOCI_E_INVALID)
			fail_msg("row %zu", i);
	}
}

static void users(void **state)
{
	(void)state;
	struct loci__runtime_config c;
	make_well(&(struct loci_bundle_opts){0}, &c);
	for (int set = 0; set < 5; set++) {
		bool full = strcmp(loci__cap_set_names[set], "inheritable") != 0 &&
		            strcmp(loci__cap_set_names[set], "ambient") != 0;
		assert_int_equal(c.capabilities[set].n, full ? 14 : 0);
	}
	assert_true(holds(&c.capabilities[0], "CAP_CHOWN"));
	assert_false(holds(&c.capabilities[0], "CAP_SYS_ADMIN"));
	loci__runtime_config_done(&c);
	user = (struct loci__user){.uid = 7, .gid = 8, .groups = {9, 10}, .n_groups = 2};
	make_well(&(struct loci_bundle_opts){0}, &c);
	assert_int_equal(c.uid, 7);
	assert_int_equal(c.gid, 8);
	assert_int_equal(c.n_additional_gids, 2);
	assert_int_equal(c.additional_gids[1], 10);
	assert_int_equal(c.capabilities[0].n, 14); /* bounding */
	assert_int_equal(c.capabilities[1].n, 0);  /* effective */
	assert_int_equal(c.capabilities[3].n, 0);  /* permitted */
	loci__runtime_config_done(&c);
}

static void limits(void **state)
{
	(void)state;
	struct loci__runtime_config c;
	make_well(&(struct loci_bundle_opts){0}, &c);
	assert_false(c.resources.memory_limit.set);
	assert_false(c.resources.cpu_quota.set);
	assert_false(c.resources.pids_limit.set);
	loci__runtime_config_done(&c);
	make_well(&(struct loci_bundle_opts){.memory = 1 << 20, .cpus = 1.5, .pids = 33}, &c);
	assert_int_equal(c.resources.memory_limit.v, 1 << 20);
	assert_int_equal(c.resources.cpu_quota.v, 150000);
	assert_int_equal(c.resources.cpu_period.v, 100000);
	assert_int_equal(c.resources.pids_limit.v, 33);
	loci__runtime_config_done(&c);
	make_well(&(struct loci_bundle_opts){.cpus = 0.001}, &c);
	assert_int_equal(c.resources.cpu_quota.v, 1000); /* the kernel takes no less */
	loci__runtime_config_done(&c);
}

static void isolation(void **state)
{
	(void)state;
	struct loci__runtime_config c;
	make_well(&(struct loci_bundle_opts){0}, &c);
	assert_int_equal(c.n_namespaces, 6);
	assert_string_equal(c.cgroups_path, "/loci/0123456789abcdef");
	assert_true(holds(&c.masked_paths, "/proc/kcore"));
	assert_true(holds(&c.masked_paths, "/sys/firmware"));
	assert_true(holds(&c.readonly_paths, "/proc/sys"));
	assert_int_equal(c.sysctl.n, 2);
	assert_string_equal(c.sysctl.v[0].key, "net.ipv4.ip_unprivileged_port_start");
	assert_string_equal(c.sysctl.v[0].value, "0");
	assert_false(c.resources.devices[0].allow);
	assert_string_equal(c.resources.devices[0].access, "rwm");
	assert_true(c.has_seccomp);
	assert_int_equal(c.n_rlimits, 0);
	bool hosts = false;
	for (size_t i = 0; i < c.n_mounts; i++)
		if (!strcmp(c.mounts[i].destination, "/etc/hosts")) {
			hosts = true;
			assert_string_equal(c.mounts[i].source, "/store/run/bundles/x/hosts");
		}
	assert_true(hosts);
	loci__runtime_config_done(&c);
}

static const char *annotation(const struct loci__runtime_config *c, const char *key)
{
	for (size_t i = 0; i < c->annotations.n; i++)
		if (!strcmp(c->annotations.v[i].key, key))
			return c->annotations.v[i].value;
	return NULL;
}

static void annotations(void **state)
{
	(void)state;
	struct loci__runtime_config c;
	make_well(&(struct loci_bundle_opts){0}, &c);
	assert_string_equal(annotation(&c, "org.opencontainers.image.os"), "linux");
	assert_string_equal(annotation(&c, "org.opencontainers.image.stopSignal"), "SIGQUIT");
	assert_string_equal(annotation(&c, "org.opencontainers.image.exposedPorts"),
	                    "80/tcp,53/udp");
	assert_string_equal(annotation(&c, "org.opencontainers.image.author"), "the label wins");
	assert_string_equal(annotation(&c, "my.label"), "v");
	assert_null(annotation(&c, "org.opencontainers.image.variant"));
	loci__runtime_config_done(&c);
}

/* ---- seccomp ----------------------------------------------------------------------------------
 */

/* The action for a call of which a rule without conditions speaks; NULL: none does. */
static const char *action_of(const json_t *seccomp, const char *name, int *errno_ret)
{
	size_t i, k;
	json_t *rule, *have;
	json_array_foreach(json_object_get(seccomp, "syscalls"), i, rule)
	{
		if (json_object_get(rule, "args"))
			continue;
		json_array_foreach(json_object_get(rule, "names"), k, have)
		{
			*errno_ret = (int)json_integer_value(json_object_get(rule, "errnoRet"));
			if (!strcmp(json_string_value(have), name))
				return json_string_value(json_object_get(rule, "action"));
		}
	}
	return NULL;
}

static void seccomp_follows_capabilities(void **state)
{
	(void)state;
	static const char *const admin[] = {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"};
	loci__cleanup_json json_t *plain = NULL, *strong = NULL;
	struct loci_error err;
	int errno_ret;
	assert_int_equal(loci__seccomp_default(NULL, 0, &plain, &err), 0);
	assert_int_equal(loci__seccomp_default(admin, 2, &strong, &err), 0);
	assert_string_equal(json_string_value(json_object_get(plain, "defaultAction")),
	                    "SCMP_ACT_ERRNO");
	static const char *const never[] = {"keyctl",      "add_key",     "io_uring_setup",
	                                    "kexec_load",  "userfaultfd", "swapon",
	                                    "init_module", "reboot"};
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_null(action_of(strong, never[i], &errno_ret));
	assert_null(action_of(plain, "mount", &errno_ret));
	assert_null(action_of(plain, "unshare", &errno_ret));
	assert_null(action_of(plain, "clone", &errno_ret)); /* only with its condition */
	assert_null(action_of(plain, "chroot", &errno_ret));
	assert_string_equal(action_of(plain, "clone3", &errno_ret), "SCMP_ACT_ERRNO");
	assert_int_equal(errno_ret, ENOSYS);
	assert_string_equal(action_of(plain, "openat", &errno_ret), "SCMP_ACT_ALLOW");
	assert_string_equal(action_of(strong, "mount", &errno_ret), "SCMP_ACT_ALLOW");
	assert_string_equal(action_of(strong, "clone3", &errno_ret), "SCMP_ACT_ALLOW");
	assert_string_equal(action_of(strong, "kcmp", &errno_ret), "SCMP_ACT_ALLOW");
}

/* No name twice in rules without conditions: the second would be dead, or contradict. */
static void seccomp_names_are_unique(void **state)
{
	(void)state;
	loci__cleanup_json json_t *plain = NULL;
	loci__cleanup_json json_t *seen = json_object();
	struct loci_error err;
	size_t i, k;
	json_t *rule, *name;
	assert_int_equal(loci__seccomp_default(NULL, 0, &plain, &err), 0);
	json_array_foreach(json_object_get(plain, "syscalls"), i, rule)
	{
		if (json_object_get(rule, "args"))
			continue;
		json_array_foreach(json_object_get(rule, "names"), k, name)
		{
			if (json_object_get(seen, json_string_value(name)))
				fail_msg("%s twice", json_string_value(name));
			json_object_set_new(seen, json_string_value(name), json_true());
		}
	}
	assert_true(json_object_size(seen) > 300);
}

#define CONFIG_TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CONFIG_TEST(what_the_image_says),
	        CONFIG_TEST(what_the_caller_says),
	        CONFIG_TEST(entrypoints),
	        CONFIG_TEST(defaults_of_variables),
	        CONFIG_TEST(refused),
	        CONFIG_TEST(users),
	        CONFIG_TEST(limits),
	        CONFIG_TEST(isolation),
	        CONFIG_TEST(annotations),
	        CONFIG_TEST(seccomp_follows_capabilities),
	        CONFIG_TEST(seccomp_names_are_unique),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

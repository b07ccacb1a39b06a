/* SPDX-License-Identifier: Apache-2.0 */
#include "rtcore/runtime/cgroup_limits.h"

#include "core/base/err.h"

#include <inttypes.h>
#include <string.h>

struct maker {
	int version;
	struct loci__arena *arena;
	struct loci_error *err;
	struct loci__limits out;
	size_t cap;
	bool out_of_memory;
};

/* One setting. Controllers go by their name in version 2; NULL for a file: that version has none,
 * which is an error only where the controller turns out to be of that version. */
static void put(struct maker *m, const char *origin, const char *controller, const char *v1_file,
                const char *v2_file, const char *value)
{
	if (!value || m->out.n == m->cap) {
		m->out_of_memory = true;
		return;
	}
	m->out.v[m->out.n++] = (struct loci__limit){
	        .controller = m->version == 1 ? loci__limits_v1_name(controller) : controller,
	        .file = m->version == 1 ? v1_file : v2_file,
	        .value = value,
	        .origin = origin};
}

static const char *number(struct maker *m, int64_t v)
{
	return loci__arena_printf(m->arena, "%" PRId64, v);
}
static const char *unsigned_number(struct maker *m, uint64_t v)
{
	return loci__arena_printf(m->arena, "%" PRIu64, v);
}
/* -1 is "max" in version 2 and -1 in version 1. */
static const char *limit(struct maker *m, int64_t v)
{
	return v < 0 && m->version == 2 ? "max" : number(m, v);
}

const char *loci__limits_v1_name(const char *v2_controller)
{
	return !strcmp(v2_controller, "io") ? "blkio" : v2_controller;
}

static int put_memory(struct maker *m, const struct loci__cfg_resources *r)
{
	if (r->memory_limit.set)
		put(m, "memory.limit", "memory", "memory.limit_in_bytes", "memory.max",
		    limit(m, r->memory_limit.v));
	if (r->memory_reservation.set)
		put(m, "memory.reservation", "memory", "memory.soft_limit_in_bytes", "memory.low",
		    limit(m, r->memory_reservation.v));
	if (r->memory_swap.set) {
		/* memory plus swap in the config and in version 1, swap alone in version 2 */
		int64_t v = r->memory_swap.v;
		if (v >= 0 && (!r->memory_limit.set || r->memory_limit.v < 0))
			return loci__err_set(m->err, LOCI_E_INVALID,
			                     "$.linux.resources.memory.swap: needs a memory.limit");
		if (v >= 0 && v < r->memory_limit.v)
			return loci__err_set(
			        m->err, LOCI_E_INVALID,
			        "$.linux.resources.memory.swap: is below memory.limit");
		if (v >= 0 && m->version == 2)
			v -= r->memory_limit.v;
		put(m, "memory.swap", "memory", "memory.memsw.limit_in_bytes", "memory.swap.max",
		    limit(m, v));
	}
	if (r->memory_kernel_tcp.set)
		put(m, "memory.kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", NULL,
		    number(m, r->memory_kernel_tcp.v));
	if (r->memory_swappiness.set)
		put(m, "memory.swappiness", "memory", "memory.swappiness", NULL,
		    unsigned_number(m, r->memory_swappiness.v));
	if (r->disable_oom_killer)
		put(m, "memory.disableOOMKiller", "memory", "memory.oom_control", NULL, "1");
	return 0;
}

/* 2 … 262144 to 1 … 10000, as runc and crun have it. */
static uint64_t weight_of_shares(uint64_t shares)
{
	shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
	return 1 + (shares - 2) * 9999 / 262142;
}

static void put_cpu_max(struct maker *m, const struct loci__cfg_resources *r)
{
	bool has_quota = r->cpu_quota.set && r->cpu_quota.v != 0;
	if (m->version == 2) {
		if (!has_quota && !r->cpu_period.set)
			return;
		const char *quota =
		        has_quota && r->cpu_quota.v > 0 ? number(m, r->cpu_quota.v) : "max";
		uint64_t period = r->cpu_period.set && r->cpu_period.v ? r->cpu_period.v : 100000;
		put(m, "cpu.quota", "cpu", NULL, "cpu.max",
		    quota ? loci__arena_printf(m->arena, "%s %" PRIu64, quota, period) : NULL);
		return;
	}
	/* The period first: the kernel checks the quota against it. */
	if (r->cpu_period.set && r->cpu_period.v)
		put(m, "cpu.period", "cpu", "cpu.cfs_period_us", NULL,
		    unsigned_number(m, r->cpu_period.v));
	if (has_quota)
		put(m, "cpu.quota", "cpu", "cpu.cfs_quota_us", NULL, number(m, r->cpu_quota.v));
}

static void put_cpu(struct maker *m, const struct loci__cfg_resources *r)
{
	if (r->cpu_shares.set && r->cpu_shares.v)
		put(m, "cpu.shares", "cpu", "cpu.shares", "cpu.weight",
		    unsigned_number(m, m->version == 1 ? r->cpu_shares.v
		                                       : weight_of_shares(r->cpu_shares.v)));
	put_cpu_max(m, r);
	if (r->cpu_burst.set)
		put(m, "cpu.burst", "cpu", "cpu.cfs_burst_us", "cpu.max.burst",
		    unsigned_number(m, r->cpu_burst.v));
	if (r->cpu_rt_period.set && r->cpu_rt_period.v)
		put(m, "cpu.realtimePeriod", "cpu", "cpu.rt_period_us", NULL,
		    unsigned_number(m, r->cpu_rt_period.v));
	if (r->cpu_rt_runtime.set && r->cpu_rt_runtime.v)
		put(m, "cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", NULL,
		    number(m, r->cpu_rt_runtime.v));
	if (r->cpu_idle.set)
		put(m, "cpu.idle", "cpu", "cpu.idle", "cpu.idle", number(m, r->cpu_idle.v));
	if (r->cpus && *r->cpus)
		put(m, "cpu.cpus", "cpuset", "cpuset.cpus", "cpuset.cpus", r->cpus);
	if (r->mems && *r->mems)
		put(m, "cpu.mems", "cpuset", "cpuset.mems", "cpuset.mems", r->mems);
}

static void put_throttles(struct maker *m, const struct loci__cfg_io_devices *list,
                          const char *origin, const char *v1_file, const char *v2_key)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct loci__cfg_io_device *d = &list->v[i];
		put(m, origin, "io", v1_file, "io.max",
		    m->version == 1
		            ? loci__arena_printf(m->arena, "%" PRIu64 ":%" PRIu64 " %" PRIu64,
		                                 d->major, d->minor, d->rate)
		            : loci__arena_printf(m->arena, "%" PRIu64 ":%" PRIu64 " %s=%" PRIu64,
		                                 d->major, d->minor, v2_key, d->rate));
	}
}

static void put_io(struct maker *m, const struct loci__cfg_resources *r)
{
	if (r->io_weight.set && r->io_weight.v)
		put(m, "blockIO.weight", "io", "blkio.weight", "io.weight",
		    unsigned_number(m, r->io_weight.v));
	if (r->io_leaf_weight.set && r->io_leaf_weight.v)
		put(m, "blockIO.leafWeight", "io", "blkio.leaf_weight", NULL,
		    unsigned_number(m, r->io_leaf_weight.v));
	for (size_t i = 0; i < r->io_weights.n; i++) {
		const struct loci__cfg_io_device *d = &r->io_weights.v[i];
		if (d->weight.set)
			put(m, "blockIO.weightDevice", "io", "blkio.weight_device", "io.weight",
			    loci__arena_printf(m->arena, "%" PRIu64 ":%" PRIu64 " %" PRIu64,
			                       d->major, d->minor, d->weight.v));
		if (d->leaf_weight.set)
			put(m, "blockIO.weightDevice", "io", "blkio.leaf_weight_device", NULL,
			    loci__arena_printf(m->arena, "%" PRIu64 ":%" PRIu64 " %" PRIu64,
			                       d->major, d->minor, d->leaf_weight.v));
	}
	put_throttles(m, &r->io_read_bps, "blockIO.throttleReadBpsDevice",
	              "blkio.throttle.read_bps_device", "rbps");
	put_throttles(m, &r->io_write_bps, "blockIO.throttleWriteBpsDevice",
	              "blkio.throttle.write_bps_device", "wbps");
	put_throttles(m, &r->io_read_iops, "blockIO.throttleReadIOPSDevice",
	              "blkio.throttle.read_iops_device", "riops");
	put_throttles(m, &r->io_write_iops, "blockIO.throttleWriteIOPSDevice",
	              "blkio.throttle.write_iops_device", "wiops");
}

static void put_rdma(struct maker *m, const struct loci__cfg_rdma *d)
{
	char handles[48] = "", objects[48] = "";
	if (d->handles.set)
		snprintf(handles, sizeof(handles), " hca_handle=%" PRIu64, d->handles.v);
	if (d->objects.set)
		snprintf(objects, sizeof(objects), " hca_object=%" PRIu64, d->objects.v);
	put(m, "rdma", "rdma", "rdma.max", "rdma.max",
	    loci__arena_printf(m->arena, "%s%s%s", d->device, handles, objects));
}

static void put_rest(struct maker *m, const struct loci__cfg_resources *r)
{
	if (r->pids_limit.set)
		put(m, "pids.limit", "pids", "pids.max", "pids.max",
		    r->pids_limit.v < 0 ? "max" : number(m, r->pids_limit.v));
	for (size_t i = 0; i < r->n_hugepages; i++) {
		const char *size = r->hugepages[i].size;
		put(m, "hugepageLimits", "hugetlb",
		    loci__arena_printf(m->arena, "hugetlb.%s.limit_in_bytes", size),
		    loci__arena_printf(m->arena, "hugetlb.%s.max", size),
		    unsigned_number(m, r->hugepages[i].limit));
	}
	if (r->net_class.set)
		put(m, "network.classID", "net_cls", "net_cls.classid", NULL,
		    unsigned_number(m, r->net_class.v));
	for (size_t i = 0; i < r->n_net_priorities; i++)
		put(m, "network.priorities", "net_prio", "net_prio.ifpriomap", NULL,
		    loci__arena_printf(m->arena, "%s %" PRIu64, r->net_priorities[i].name,
		                       r->net_priorities[i].priority));
	for (size_t i = 0; i < r->n_rdma; i++)
		put_rdma(m, &r->rdma[i]);
}

/* "memory.high": the controller is what stands before the first dot. */
static int put_unified(struct maker *m, const struct loci__cfg_resources *r)
{
	for (size_t i = 0; i < r->unified.n; i++) {
		const struct loci__pair *u = &r->unified.v[i];
		size_t n = strcspn(u->key, ".");
		if (!u->key[n] || n == 0 || strchr(u->key, '/'))
			return loci__err_set(m->err, LOCI_E_INVALID,
			                     "$.linux.resources.unified: '%s' is no cgroup file",
			                     u->key);
		char *controller = loci__arena_strndup(m->arena, u->key, n);
		if (!controller)
			return loci__err_nomem(m->err);
		put(m, "unified", controller, NULL, u->key, u->value);
		if (!strcmp(controller, "cgroup") && m->out.n > 0)
			m->out.v[m->out.n - 1].controller = NULL;
	}
	return 0;
}

int loci__limits_make(const struct loci__cfg_resources *r, int version, struct loci__arena *arena,
                      struct loci__limits *ret, struct loci_error *err)
{
	struct maker m = {.version = version, .arena = arena, .err = err};
	m.cap = 32 + 2 * r->io_weights.n + r->io_read_bps.n + r->io_write_bps.n +
	        r->io_read_iops.n + r->io_write_iops.n + r->n_hugepages + r->n_net_priorities +
	        r->n_rdma + r->unified.n;
	m.out.v = loci__arena_array(arena, m.cap, sizeof(*m.out.v));
	if (!m.out.v)
		return loci__err_nomem(err);
	int rc = put_memory(&m, r);
	if (rc < 0)
		return rc;
	put_cpu(&m, r);
	put_io(&m, r);
	put_rest(&m, r);
	rc = put_unified(&m, r);
	if (rc >= 0 && m.out_of_memory)
		return loci__err_nomem(err);
	*ret = m.out;
	return rc;
}

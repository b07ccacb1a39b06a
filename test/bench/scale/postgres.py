#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an index in PostgreSQL would answer: the store's tables in a cluster of its own, asked by pgbench on this machine.

    postgres.py [--images 40000] [--seconds 10]

The cluster is made in a temporary directory, listens on a socket there only, and is gone afterwards. Run as root it runs
as the user postgres. Reads: a manifest by its tag, in one statement, and as the store's seam asks for it today (a
snapshot, three look-ups, its end). Writes: a manifest over six blobs, in one call of a function.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

PER_REPO, BLOBS, BASES = 50, 6, 2000

# holder and tag-of of the store are second indexes here; a digest is 32 bytes.
SCHEMA = """
CREATE TABLE tag (repo text, tag text, digest bytea NOT NULL, set_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repo, tag));
CREATE INDEX ON tag (repo, digest);
CREATE TABLE manifest (digest bytea PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), subject bytea,
    media_type text NOT NULL, bytes bytea NOT NULL);
ALTER TABLE manifest ALTER bytes SET STORAGE EXTERNAL;
CREATE TABLE member (repo text, digest bytea, at timestamptz NOT NULL DEFAULT now(), media_type text NOT NULL,
    PRIMARY KEY (repo, digest));
CREATE INDEX ON member (digest);
CREATE TABLE parent (child bytea, digest bytea, PRIMARY KEY (child, digest));
CREATE TABLE blob (digest bytea PRIMARY KEY, size bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    lease timestamptz NOT NULL DEFAULT now() + interval '1 day');
CREATE TABLE link (repo text, digest bytea, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (repo, digest));
CREATE INDEX ON link (digest);

CREATE FUNCTION d(kind text, n bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$ SELECT sha256((kind || n)::bytea) $$;
CREATE FUNCTION repo_of(i bigint, repos bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT i % repos $$;
CREATE FUNCTION repo_name(r bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'team-' || lpad((r * 7919 % 1000)::text, 3, '0') || '/app-' || lpad(r::text, 7, '0') $$;
CREATE FUNCTION blob_of(i bigint, n int, repos bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN n < 2 THEN d('own' || n || '-', i) WHEN n = 2 THEN d('repo-', repo_of(i, repos) * 4 + i / repos % 4)
       ELSE d('base' || n || '-', repo_of(i, repos) % %(bases)d) END $$;
CREATE FUNCTION bytes_of(salt text, i bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$ SELECT string_agg(encode(d(salt || n || '-', i), 'hex') || '"application/vnd.oci.image.layer.v1.tar+gzip"', ',')::bytea
       FROM generate_series(1, 13) n $$;

-- A push's last step, as one round trip: NULL is done, a digest is one that the repository lacks.
CREATE FUNCTION put_manifest(r text, t text, m bytea, b bytea, children bytea[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE missing bytea;
BEGIN
    SELECT c INTO missing FROM unnest(children) c
        WHERE NOT EXISTS (SELECT FROM link WHERE link.repo = r AND link.digest = c) LIMIT 1;
    IF missing IS NOT NULL THEN RETURN missing; END IF;
    INSERT INTO manifest (digest, media_type, bytes) VALUES (m, 'application/vnd.oci.image.manifest.v1+json', b)
        ON CONFLICT DO NOTHING;
    INSERT INTO member (repo, digest, media_type) VALUES (r, m, 'application/vnd.oci.image.manifest.v1+json')
        ON CONFLICT (repo, digest) DO UPDATE SET at = now();
    INSERT INTO parent SELECT c, m FROM unnest(children) c ON CONFLICT DO NOTHING;
    INSERT INTO tag (repo, tag, digest) VALUES (r, t, m)
        ON CONFLICT (repo, tag) DO UPDATE SET digest = excluded.digest, set_at = now();
    RETURN NULL;
END $$;
"""

FILL = """
INSERT INTO manifest (digest, media_type, bytes)
    SELECT d('m', i), 'application/vnd.oci.image.manifest.v1+json', bytes_of('', i) FROM generate_series(0, %(images)d - 1) i;
INSERT INTO member (repo, digest, media_type)
    SELECT repo_name(repo_of(i, %(repos)d)), d('m', i), 'application/vnd.oci.image.manifest.v1+json'
    FROM generate_series(0, %(images)d - 1) i;
INSERT INTO tag (repo, tag, digest)
    SELECT repo_name(repo_of(i, %(repos)d)), '1.' || lpad(i::text, 9, '0'), d('m', i) FROM generate_series(0, %(images)d - 1) i;
INSERT INTO parent SELECT blob_of(i, n, %(repos)d), d('m', i)
    FROM generate_series(0, %(images)d - 1) i, generate_series(0, 5) n;
INSERT INTO blob (digest, size) SELECT DISTINCT child, 1000000 FROM parent;
INSERT INTO link (repo, digest) SELECT DISTINCT repo_name(repo_of(i, %(repos)d)), blob_of(i, n, %(repos)d)
    FROM generate_series(0, %(images)d - 1) i, generate_series(0, 5) n;
VACUUM ANALYZE;
CHECKPOINT;
"""

NAME = """
\\set i random(0, %(images)d - 1)
\\set r :i %% %(repos)d
\\set team :r * 7919 %% 1000
"""
REPO, TAG = "'team-' || lpad(:team::text, 3, '0') || '/app-' || lpad(:r::text, 7, '0')", "'1.' || lpad(:i::text, 9, '0')"
NULL = "SELECT 1;\n"
ONE = NAME + """
SELECT m.digest, mb.media_type, m.bytes FROM tag t JOIN member mb ON mb.repo = t.repo AND mb.digest = t.digest
    JOIN manifest m ON m.digest = t.digest WHERE t.repo = {repo} AND t.tag = {tag};
""".replace("{repo}", REPO).replace("{tag}", TAG)
EACH = NAME + """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT digest AS found FROM tag WHERE repo = {repo} AND tag = {tag} \\gset
SELECT media_type FROM member WHERE repo = {repo} AND digest = :found::bytea;
SELECT bytes FROM manifest WHERE digest = :found::bytea;
COMMIT;
""".replace("{repo}", REPO).replace("{tag}", TAG)
PUT = NAME + """
\\set s random(0, 1000000000)
SELECT put_manifest({repo}, '2.' || :s, d('new', :s), bytes_of('new', :s),
    ARRAY(SELECT blob_of(:i, n, %(repos)d) FROM generate_series(0, 5) n));
""".replace("{repo}", REPO)


class Cluster:
    def __init__(self, directory):
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.directory = directory
        self.as_user = []
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres", "postgres")
            self.as_user = ["runuser", "-u", "postgres", "--"]
        self.run("initdb", "-D", directory + "/data", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.run("pg_ctl", "-w", "-D", directory + "/data", "-l", directory + "/log", "-o",
                 "-c listen_addresses= -c unix_socket_directories=%s -c shared_buffers=1GB -c max_wal_size=8GB" % directory, "start")

    def run(self, program, *args, text=None):
        done = subprocess.run([*self.as_user, os.path.join(self.bin, program), *args], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, cwd=self.directory)
        if done.returncode:
            raise SystemExit("%s: %s%s" % (program, done.stdout, done.stderr))
        return done.stdout

    def sql(self, text):
        return self.run("psql", "-qtA", "-v", "ON_ERROR_STOP=1", "-h", self.directory, "-d", "postgres", text=text)

    def cpu(self):
        """Seconds of the server and of its processes that have ended, as those of clients have."""
        with open(self.directory + "/data/postmaster.pid") as f:
            pid = int(f.readline())
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def bench(self, script, clients, seconds):
        """Transactions a second, milliseconds each, and transactions a CPU second of the server."""
        path = self.directory + "/script"
        with open(path, "w") as f:
            f.write(script)
        os.chmod(path, 0o644)
        before = self.cpu()
        said = self.run("pgbench", "-n", "-M", "extended" if "gset" in script else "prepared", "-h", self.directory, "-c",
                        str(clients), "-j", str(min(clients, 2)), "-T", str(seconds), "-f", path, "postgres")
        time.sleep(0.5)  # the last backends end behind their clients
        done = int(re.search(r"actually processed: (\d+)", said).group(1))
        return (float(re.search(r"tps = ([\d.]+)", said).group(1)),
                float(re.search(r"latency average = ([\d.]+)", said).group(1)), done / (self.cpu() - before))

    def stop(self):
        self.run("pg_ctl", "-w", "-m", "fast", "-D", self.directory + "/data", "stop")


def show_sizes(cluster, images):
    print("%-12s %10s %12s %12s" % ("table", "rows", "rows, MiB", "indexes, MiB"))
    for line in cluster.sql("SELECT relname, n_live_tup, pg_table_size(relid), pg_indexes_size(relid) "
                            "FROM pg_stat_user_tables ORDER BY 1").split():
        name, rows, table, indexes = line.split("|")
        print("%-12s %10s %12.1f %12.1f" % (name, rows, int(table) / 2**20, int(indexes) / 2**20))
    total = int(cluster.sql("SELECT pg_database_size('postgres')"))
    print("%.0f MiB, %.0f bytes an image\n" % (total / 2**20, total / images), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=40000)
    parser.add_argument("--seconds", type=int, default=10)
    args = parser.parse_args()
    if not glob.glob("/usr/lib/postgresql/*/bin/initdb"):
        print("skipped: PostgreSQL is not installed (script/bootstrap bench)")
        return 0
    numbers = {"images": args.images, "repos": max(1, args.images // PER_REPO), "bases": BASES}
    work = tempfile.mkdtemp(prefix="loci-postgres-")
    os.chmod(work, 0o755)
    cluster = None
    try:
        cluster = Cluster(work)
        cluster.sql(SCHEMA.replace("%(bases)d", str(BASES)))
        cluster.sql(FILL % numbers)
        show_sizes(cluster, args.images)
        for what, script in (("a round trip (SELECT 1)", NULL), ("manifest by tag, one statement", ONE),
                             ("manifest by tag, five", EACH), ("durable manifest put, one call", PUT)):
            for clients in (1, 8):
                per_second, ms, per_cpu = cluster.bench(script % numbers if "%(" in script else script, clients, args.seconds)
                print("%-32s %2d clients %9.0f /s, %8.3f ms each, %8.0f per CPU s of the server"
                      % (what, clients, per_second, ms, per_cpu), flush=True)
    finally:
        if cluster:
            cluster.stop()
        shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())

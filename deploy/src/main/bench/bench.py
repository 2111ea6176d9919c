#!/usr/bin/env python3
"""bench.py NAME [--runs N] [--program DIR] [--keep DIR]: what the farm costs, printed as medians.

    start    server: seconds until it is ready, memory when idle
    status   `thresher status`: wall time and CPU time
    suite    fl-suite (9 built nodes) on a farm with one executor of two slots, against plain `spack install -p 2` of the same
             spec.json into an empty store and `spack buildcache push` of all nodes: on a farm that has just been started and has
             nothing, and on one that runs (it has built the same for another instance, so it has the client's Spack, no node);
             sources come from one mirror in a directory for both, then once more from the client with --upload-sources
    long     one node that builds for a minute, its dependencies there already, farm against plain `spack install`
    second   the same DAG from a second client: what is built, what is uploaded, how long the answer takes
    scheduler  the scheduler alone, then a whole server, in JVMs with 512 MiB: DAGs of 2,000 nodes, and REAPI actions, for
             executors that build nothing
    mirror   a mirror with 100,000 specs (--specs) behind HTTP, in a JVM with 512 MiB: index, readers, views, prune, promotion, rotation;
             with --keep DIR it is kept there for the next time, for to fill it takes most of the time
    clients  three clients and two versions of Spack (SPACK_OTHER_ROOT or ~/spack-1.1) push overlapping parts of 500 specs (--specs) at the
             same time, two over S3 and one over OCI: what the store takes. Spack needs boto3
    connections  16 connections that write and read a blob of 1 GiB each: speed, and the most memory that the server took
    index    one more spec in a mirror of 2,000 (--specs), and the index of all of them, against `spack buildcache update-index` of a
             mirror with the same specs in a directory, unsigned and signed
    migrate  500 specs (--specs) in layout v2 into the farm, against `spack buildcache migrate`, signed and unsigned; the farm signs always
    load     the Remote Execution API of a server of its own, and of every --against [NAME=]HOST:PORT[/INSTANCE], row by row in one run;
             --warm N rounds of each row do not count (default 1), --rows REGEX picks rows, --platform NAME=VALUE is what actions ask
             for, --plain gives the server's own executor no sandbox. Then what no-op actions cost a server that has just started,
             and the same one when it is warm
    compare  the same rows for a server of this program and one of --other DIR, another version assembled, and the CPU of each;
             --warm, --rows, --platform and --plain as above
    all      all of them but compare

suite, long, second, index, migrate and clients need Spack (SPACK_ROOT, PATH or ~/spack; recipes in SPACK_PACKAGES or ~/spack-packages). CPU is that of every
process that took part, the server's start included. Run it on an idle machine: nothing is asserted, and noise is not removed.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

import loads
import mirrors
from tools import HERE, Cost, Farm, World, compare, show


def bench_start(args, scratch):
    ready, rss = [], []
    for n in range(args.runs):
        farm = Farm(args.program, os.path.join(scratch, "start-%d" % n), executor=False)
        ready.append(farm.ready_seconds)
        time.sleep(5)
        rss.append(farm.rss_mib())
        farm.stop()
    show("server ready after", ready)
    show("memory of an idle server", rss, "MiB")


def bench_status(args, scratch):
    farm = Farm(args.program, os.path.join(scratch, "status"), executor=False)
    farm.client("status")
    costs = [farm.client("status") for _ in range(args.runs)]
    farm.stop()
    show("thresher status, wall", [c.wall for c in costs])
    show("thresher status, CPU", [c.cpu for c in costs])


def bench_suite(args, scratch):
    world = World(os.path.join(scratch, "world"), args.program)
    document = world.document("fl-suite")
    world.keep_compiler_wrapper()
    plain, cases = [], {"fresh": [], "running": [], "running, sources uploaded": []}
    for n in range(args.runs):
        world.empty()
        install = world.run("install", "-y", "-p", "2", document)
        pushed = os.path.join(world.directory, "pushed")
        push = world.run("buildcache", "push", "--unsigned", "file://" + pushed, "fl-suite")
        plain.append(Cost(install.wall + push.wall, install.cpu + push.cpu))
        world.empty()
        settings = {"instances": "[first, second, third]", "sources.mirrors": "[%s]" % world.sources}
        farm = Farm(args.program, os.path.join(scratch, "suite-%d" % n), settings=settings)
        spent = 0
        for instance, (case, costs) in zip(("first", "second", "third"), cases.items()):
            farm.environment["THRESHER_INSTANCE"] = instance
            upload = ["--upload-sources"] if "uploaded" in case else []
            client = world.farm(farm, "install", *upload, "--build-only", "-y", document)
            cpu = farm.cpu()
            costs.append(Cost(client.wall, client.cpu + cpu - spent + farm.build_cpu(client)))
            spent = cpu
        if farm.built() != 3 * 9:
            sys.exit("built %d nodes, not 9 for each instance" % farm.built())
        farm.stop()
    show("plain spack install -p 2 and buildcache push, wall", [c.wall for c in plain])
    for case, costs in cases.items():
        show("spack farm install --build-only, %s, wall" % case, [c.wall for c in costs])
        compare("wall, %s / plain" % case, [c.wall for c in costs], [c.wall for c in plain])
    show("plain, CPU", [c.cpu for c in plain])
    for case, costs in cases.items():
        show("client, server, executor, builds, %s, CPU" % case, [c.cpu for c in costs])
        compare("CPU, %s / plain" % case, [c.cpu for c in costs], [c.cpu for c in plain])


def bench_long(args, scratch):
    world = World(os.path.join(scratch, "world-long"), args.program)
    document, below = world.document("fl-slow nap=60"), world.document("fl-core")
    ours, theirs = [], []
    for n in range(args.runs):
        world.empty()
        world.run("install", "-y", below)
        install = world.run("install", "-y", document)
        push = world.run("buildcache", "push", "--unsigned", "--only=package", "file://" + os.path.join(world.directory, "pushed"), "fl-slow")
        theirs.append(install.wall + push.wall)
        world.empty()
        farm = Farm(args.program, os.path.join(scratch, "long-%d" % n))
        world.farm(farm, "install", "--upload-sources", "--build-only", "-y", below)
        ours.append(world.farm(farm, "install", "--upload-sources", "--build-only", "-y", document).wall)
        farm.stop()
    show("plain spack install and push of a build of a minute, wall", theirs)
    show("spack farm install --build-only, wall", ours)
    compare("wall, farm / plain", ours, theirs)


def bench_second(args, scratch):
    world = World(os.path.join(scratch, "world-second"), args.program)
    document = world.document("fl-suite")
    plan = os.path.join(scratch, "second.plan.json")
    farm = Farm(args.program, os.path.join(scratch, "second"))
    world.farm(farm, "install", "--upload-sources", "--build-only", "-y", document)
    built = farm.built()
    world.farm(farm, "install", "--upload-sources", "--plan-out", plan, document)
    answers, walls = [], []
    for _ in range(args.runs + 1):
        start = time.monotonic()
        client = subprocess.Popen(
            [os.path.join(args.program, "bin", "thresher"), "build", "--json", plan], env={**os.environ, **farm.environment}, stdout=subprocess.PIPE
        )
        asked = None
        for line in client.stdout:
            if b"upload" in line:
                asked = time.monotonic()
                if b"nothing to upload" not in line:
                    print("uploaded: " + line.decode().strip())
        answers.append((time.monotonic() - asked) * 1000)
        walls.append(time.monotonic() - start)
        if client.wait():
            sys.exit("thresher build failed")
    print("builds for the first client: %d, for all further ones: %d" % (built, farm.built() - built))
    show("answer after everything was uploaded (client's JVM cold)", answers[1:], "ms")
    show("thresher build, whole process, wall", walls[1:])
    farm.stop()


def bench_scheduler(args, scratch):
    top = os.path.abspath(os.path.join(HERE, "..", "..", "..", ".."))
    if not os.path.exists(os.path.join(top, "scheduler", "pom.xml")):
        sys.exit("this one runs in a source tree only")
    command = ["mvn", "-B", "-ntp", "-q", "-f", top, "-pl", "scheduler,deploy", "-am", "test", "-Dtest=SchedulerBenchmark,FarmBenchmark"]
    command += ["-Dexcluded.tags=none", "-Dsurefire.failIfNoSpecifiedTests=false", "-Dthresher.bench.runs=%d" % args.runs]
    # Compiler threads that come and go would take their share of the CPU time with them.
    command += ["-Dtest.jvm=-Xmx512m -XX:+UseG1GC -XX:-UseDynamicNumberOfCompilerThreads"]
    if subprocess.run(command).returncode:
        sys.exit("the benchmark failed")


def bench_mirror(args, scratch):
    top = os.path.abspath(os.path.join(HERE, "..", "..", "..", ".."))
    if not os.path.exists(os.path.join(top, "cas", "server", "pom.xml")):
        sys.exit("this one runs in a source tree only")
    command = ["mvn", "-B", "-ntp", "-q", "-f", top, "-pl", "cas/server", "-am", "test", "-Dtest=MirrorBenchmark"]
    command += ["-Dexcluded.tags=none", "-Dsurefire.failIfNoSpecifiedTests=false"]
    properties = "-Dthresher.bench.specs=%d -Dthresher.bench.dir=%s" % (args.specs or 100_000, os.path.join(scratch, "mirror"))
    command += ["-Dtest.jvm=-Xmx512m -XX:+UseG1GC " + properties]
    if subprocess.run(command).returncode:
        sys.exit("the benchmark failed")


def bench_connections(args, scratch):
    farm = Farm(args.program, os.path.join(scratch, "connections"), executor=False)
    load = ("load", farm.environment["THRESHER_SERVER"], "--token-file", farm.environment["THRESHER_TOKEN_FILE"], "--rounds", "1")
    try:
        farm.client(*load, "--rows", "ByteStream")
        print("memory of the server after single streams of 64 MiB: %.0f MiB" % farm.peak_mib(reset=True))
        print(farm.client(*load, "--connections").output.rstrip())
        print("the most that it had meanwhile: %.0f MiB, of which %s are its heap's limit" % (farm.peak_mib(reset=False), os.environ.get("THRESHER_HEAP", "512m")))
    finally:
        farm.stop()


BENCHES = {"start": bench_start, "status": bench_status, "suite": bench_suite, "long": bench_long, "second": bench_second, "scheduler": bench_scheduler, "mirror": bench_mirror, "index": mirrors.bench_index, "migrate": mirrors.bench_migrate, "clients": mirrors.bench_clients, "connections": bench_connections, "load": loads.bench_load, "compare": loads.bench_compare}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*BENCHES, "all"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--program", default=os.path.join(HERE, "..", "..", "..", "target", "thresher"))
    parser.add_argument("--against", action="append", default=[], metavar="[NAME=]HOST:PORT[/INSTANCE]", help="load: another server, running")
    parser.add_argument("--warm", type=int, default=1, metavar="N", help="load, compare: rounds of each row that do not count")
    parser.add_argument("--rows", default="", metavar="REGEX", help="load, compare: only these")
    parser.add_argument("--platform", action="append", default=[], metavar="NAME=VALUE", help="load, compare: what actions ask of an executor; the farm's own offers it")
    parser.add_argument("--plain", action="store_true", help="load, compare: actions without a sandbox")
    parser.add_argument("--other", metavar="DIR", help="compare: the other program")
    parser.add_argument("--specs", type=int, help="mirror, index, migrate, clients: how many")
    parser.add_argument("--keep", metavar="DIR", help="work in DIR and keep it")
    args = parser.parse_args()
    args.program = os.path.abspath(args.program)
    scratch = args.keep or tempfile.mkdtemp(prefix="thresher-bench-")
    os.makedirs(scratch, exist_ok=True)
    os.chmod(scratch, 0o755)  # where this is root, builds run as other users
    with open("/proc/loadavg") as f:
        print("%d processors, load %s" % (os.cpu_count(), f.read().split()[0]))
    try:
        for name in [name for name in BENCHES if name != "compare"] if args.name == "all" else [args.name]:
            BENCHES[name](args, scratch)
    finally:
        if not args.keep:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()

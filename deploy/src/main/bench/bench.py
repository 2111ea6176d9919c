#!/usr/bin/env python3
"""bench.py NAME [--runs N] [--program DIR] [--keep DIR]: what the farm costs, printed as medians.

    start    server: seconds until it is ready, memory when idle
    status   `thresher status`: wall time and CPU time
    suite    fl-suite (9 built nodes) on a farm with one executor of two slots, against plain `spack install -p 2` of the same
             spec.json into an empty store and `spack buildcache push` of all nodes: on a farm that has just been started and has
             nothing, and on one that runs (it has built the same for another instance, so it has the client's Spack, no node)
    long     one node that builds for a minute, its dependencies there already, farm against plain `spack install`
    second   the same DAG from a second client: what is built, what is uploaded, how long the answer takes
    scheduler  the scheduler alone, then a whole server, in JVMs with 512 MiB: DAGs of 2,000 nodes, and REAPI actions, for
             executors that build nothing
    mirror   a mirror with 100,000 specs (--specs) behind HTTP, in a JVM with 512 MiB: index, readers, views, prune, promotion, rotation;
             with --keep DIR it is kept there for the next time, for to fill it takes most of the time
    connections  16 connections that write and read a blob of 1 GiB each: speed, and the most memory that the server took
    load     the Remote Execution API of a server of its own, and of every --against [NAME=]HOST:PORT[/INSTANCE], row by row in one run
    all      all of them

suite, long and second need Spack (SPACK_ROOT, PATH or ~/spack; recipes in SPACK_PACKAGES or ~/spack-packages). CPU is that of every
process that took part, the server's start included. Run it on an idle machine: nothing is asserted, and noise is not removed.
"""
import argparse
import glob
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Cost:
    """Wall and CPU seconds of something that ran."""

    def __init__(self, wall, cpu):
        self.wall, self.cpu = wall, cpu


def run(command, env=None, quiet=True):
    """Runs a program to its end; what it costs counts its children. Its output is shown when it fails."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, env=env, stdout=out if quiet else None, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            out.seek(0)
            sys.exit("%s ended with %d:\n%s" % (" ".join(command), process.returncode, out.read().decode(errors="replace")))
        out.seek(0)
        cost = Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime)
        cost.output = out.read().decode(errors="replace")
        return cost


def cpu_fields(pid):
    """CPU seconds of a process in user and system mode, then of its children that it has reaped."""
    with open("/proc/%d/stat" % pid) as f:
        return [int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in f.read().rsplit(")", 1)[1].split()[11:15]]


class Farm:
    """A server with one executor of two slots on data of its own."""

    def __init__(self, program, directory, executor=True, settings=()):
        self.program, self.directory = program, directory
        os.makedirs(directory, exist_ok=True)
        self.log = os.path.join(directory, "server.log")
        settings = {
            "data": os.path.join(directory, "data"),
            "access.token_file": os.path.join(directory, "token"),
            "executor.work": os.path.join(directory, "executor"),
            "executor.slots": "2",
            "grpc.listen": "127.0.0.1:0",
            "http.listen": "127.0.0.1:0",
            **dict(settings),
        }
        command = [os.path.join(program, "bin", "thresher"), "serve"] + ([] if executor else ["--no-executor"])
        for key, value in settings.items():
            command += ["--set", "%s=%s" % (key, value)]
        start = time.monotonic()
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        ready = None
        while not ready:
            time.sleep(0.005)
            with open(self.log) as log:
                ready = re.search(r"^ready: grpc=(\S+)", log.read(), re.M)
            if self.process.poll() is not None:
                sys.exit("the server did not start:\n" + open(self.log).read())
        self.ready_seconds = time.monotonic() - start
        self.environment = {
            "THRESHER_SERVER": ready.group(1),
            "THRESHER_TOKEN_FILE": settings["access.token_file"],
            "SPACK_FARM_CLI": os.path.join(program, "bin", "thresher"),
            "XDG_CACHE_HOME": os.path.join(directory, "cache"),
        }

    def client(self, *arguments):
        return run([os.path.join(self.program, "bin", "thresher"), *arguments], {**os.environ, **self.environment})

    def rss_mib(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) / 1024

    def peak_mib(self, reset):
        """The most memory that the server had in RAM since its start or the last reset."""
        with open("/proc/%d/status" % self.process.pid) as f:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) / 1024
        if reset:
            with open("/proc/%d/clear_refs" % self.process.pid, "w") as f:
                f.write("5")
        return peak

    def built(self):
        with open(self.log) as log:
            return len(re.findall(r": built, archive ", log.read()))

    def actions(self):
        with open(self.log) as log:
            return len(re.findall(r": leased action$", log.read(), re.M))

    def cpu_apart(self):
        """CPU seconds of server and executor, and of what they started: the launcher of sandboxes with all that it has reaped."""
        own = cpu_fields(self.process.pid)
        launchers = []
        for children in glob.glob("/proc/%d/task/*/children" % self.process.pid):
            with open(children) as f:
                launchers += [cpu_fields(int(pid)) for pid in f.read().split()]
        return sum(own[:2]), sum(own[2:]) + sum(map(sum, launchers))

    def cpu(self):
        """CPU seconds of server and executor so far, without builds: those are reaped by their sandboxes."""
        return sum(cpu_fields(self.process.pid))

    def build_cpu(self, install):
        """CPU seconds of the builds of a request, as the executor measured them."""
        request = json.loads(self.client("status", "--json", re.search(r"Request ([0-9a-f-]{36})", install.output).group(1)).output)
        used = [task["usage"] for task in request["tasks"]]
        return sum(usage["user_cpu_seconds"] + usage["system_cpu_seconds"] for usage in used)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class World:
    """A private Spack with a few small packages, in a copy for each run."""

    def __init__(self, directory, program):
        self.directory, self.program = directory, program
        self.spack = find_spack()
        packages = os.environ.get("SPACK_PACKAGES", os.path.expanduser("~/spack-packages"))
        builtin = os.path.join(packages, "repos", "spack_repo", "builtin")
        script = os.path.join(HERE, "..", "spack-world", "spack_world.py")
        run([sys.executable, script, directory, self.spack] + ([builtin] if os.path.isdir(builtin) else []))
        self.environment = dict(os.environ)
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # Spack's own start would be measured without its bytecode
        with open(os.path.join(directory, "env.sh")) as f:
            for name, value in re.findall(r"^export (SPACK_\w+)='(.*)'$", f.read(), re.M):
                self.environment[name] = value

    def run(self, *arguments, env=()):
        return run([os.path.join(self.spack, "bin", "spack"), *arguments], {**self.environment, **dict(env)})

    def document(self, spec):
        text = self.run("spec", "--json", spec).output
        path = os.path.join(self.directory, re.sub(r"\W", "-", spec) + ".spec.json")
        with open(path, "w") as out:
            out.write(text[text.index("{") :])
        return path

    def empty(self):
        for name in ("store", "stage", "cache", "pushed"):
            shutil.rmtree(os.path.join(self.directory, name), ignore_errors=True)

    def farm(self, farm, *arguments):
        extension = "config:extensions:[%s]" % os.path.join(self.program, "spack-farm")
        return self.run("-c", extension, "farm", *arguments, env=farm.environment)


def find_spack():
    on_path = shutil.which("spack")
    for root in (os.environ.get("SPACK_ROOT"), on_path and os.path.dirname(os.path.dirname(os.path.realpath(on_path))), os.path.expanduser("~/spack")):
        if root and os.access(os.path.join(root, "bin", "spack"), os.X_OK):
            return root
    sys.exit("no Spack was found (SPACK_ROOT, PATH, ~/spack)")


def show(what, values, unit="s"):
    print("%-58s median %7.2f %s   (min %.2f, max %.2f, n=%d)" % (what, statistics.median(values), unit, min(values), max(values), len(values)), flush=True)


def compare(what, ours, theirs):
    print("%-58s %.2f x" % (what, statistics.median(a / b for a, b in zip(ours, theirs))), flush=True)


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
    ours, theirs, running = [], [], []
    upload = ("install", "--upload-sources", "--build-only", "-y", document)
    for n in range(args.runs):
        world.empty()
        install = world.run("install", "-y", "-p", "2", document)
        pushed = os.path.join(world.directory, "pushed")
        push = world.run("buildcache", "push", "--unsigned", "file://" + pushed, "fl-suite")
        theirs.append(Cost(install.wall + push.wall, install.cpu + push.cpu))
        world.empty()
        farm = Farm(args.program, os.path.join(scratch, "suite-%d" % n), settings={"instances": "[first, second]"})
        client = world.farm(farm, *upload)
        before = farm.cpu()
        farm.environment["THRESHER_INSTANCE"] = "second"
        second = world.farm(farm, *upload)
        running.append(Cost(second.wall, second.cpu + farm.cpu() - before + farm.build_cpu(second)))
        farm.environment["THRESHER_INSTANCE"] = "first"
        ours.append(Cost(client.wall, client.cpu + before + farm.build_cpu(client)))
        if farm.built() != 2 * 9:
            sys.exit("built %d nodes, not 9 for each instance" % farm.built())
        farm.stop()
    show("plain spack install -p 2 and buildcache push, wall", [c.wall for c in theirs])
    for name, costs in (("fresh", ours), ("running", running)):
        show("spack farm install --build-only, %s farm, wall" % name, [c.wall for c in costs])
        compare("wall, %s farm / plain" % name, [c.wall for c in costs], [c.wall for c in theirs])
    show("plain, CPU", [c.cpu for c in theirs])
    for name, costs in (("fresh", ours), ("running", running)):
        show("%s farm (client, server, executor, builds), CPU" % name, [c.cpu for c in costs])
        compare("CPU, %s farm / plain" % name, [c.cpu for c in costs], [c.cpu for c in theirs])


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
    properties = "-Dthresher.bench.specs=%d -Dthresher.bench.dir=%s" % (args.specs, os.path.join(scratch, "mirror"))
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


def bench_load(args, scratch):
    farm = Farm(args.program, os.path.join(scratch, "load"), settings={"access.client_results": "true"})
    environment = farm.environment
    command = [os.path.join(args.program, "bin", "thresher"), "load", "thresher=" + environment["THRESHER_SERVER"]]
    command += ["--token-file", environment["THRESHER_TOKEN_FILE"], "--rounds", str(args.runs), *args.against]
    try:
        if subprocess.run(command).returncode:
            sys.exit("the load generator failed")
        actions, (own, sandboxes) = farm.actions(), farm.cpu_apart()
        # What came before was the warm-up of these.
        run([*command[: command.index("--rounds")], "--rounds", str(args.runs), "--rows", "no-op actions, 16"])
        actions, (own_after, sandboxes_after) = farm.actions() - actions, farm.cpu_apart()
        print("CPU of server and executor for each of %d no-op actions %24.2f ms" % (actions, (own_after - own) / actions * 1000))
        print("CPU of its sandbox, from the fork of its launcher to the command%17.2f ms" % ((sandboxes_after - sandboxes) / actions * 1000))
    finally:
        farm.stop()


BENCHES = {"start": bench_start, "status": bench_status, "suite": bench_suite, "long": bench_long, "second": bench_second, "scheduler": bench_scheduler, "mirror": bench_mirror, "connections": bench_connections, "load": bench_load}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*BENCHES, "all"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--program", default=os.path.join(HERE, "..", "..", "..", "target", "thresher"))
    parser.add_argument("--against", action="append", default=[], metavar="[NAME=]HOST:PORT[/INSTANCE]", help="load: another server, running")
    parser.add_argument("--specs", type=int, default=100_000, help="mirror: how many")
    parser.add_argument("--keep", metavar="DIR", help="work in DIR and keep it")
    args = parser.parse_args()
    args.program = os.path.abspath(args.program)
    scratch = args.keep or tempfile.mkdtemp(prefix="thresher-bench-")
    os.makedirs(scratch, exist_ok=True)
    os.chmod(scratch, 0o755)  # where this is root, builds run as other users
    with open("/proc/loadavg") as f:
        print("%d processors, load %s" % (os.cpu_count(), f.read().split()[0]))
    try:
        for name in BENCHES if args.name == "all" else [args.name]:
            BENCHES[name](args, scratch)
    finally:
        if not args.keep:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()

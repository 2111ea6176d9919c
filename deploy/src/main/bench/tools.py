"""What the benchmarks share: programs that are run and measured, a farm, a private Spack."""
import atexit
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


# Threads of the server by the beginnings of their names.
THREADS = {
    "calls, actions and uploads (virtual threads)": "ForkJoinPool|VirtualThread",
    "scheduler's core with its syncs": "scheduler-core",
    "network": "grpc",
    "storage, history, mirror": "blob-|scheduler-h|mirror-|rocksdb",
    "outputs of actions, listening to the launcher": "sandbox-",
    "Java's collector": "G1 |GC |VM Thread|VM Periodic",
    "Java's compiler": "C[12] Compiler",
}
OTHERS, LAUNCHER, SANDBOXES = "all other threads", "launcher of sandboxes", "bubblewrap and the command"


def cpu_fields(process):
    """CPU seconds of a process (or thread) in user and system mode, then of its children that it has reaped."""
    with open("/proc/%s/stat" % process) as f:
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
        atexit.register(self.stop)  # also where a benchmark fails
        ready = None
        while not ready:
            time.sleep(0.005)
            with open(self.log) as log:
                ready = re.search(r"^ready: grpc=(\S+) http=(\S+)", log.read(), re.M)
            if self.process.poll() is not None:
                sys.exit("the server did not start:\n" + open(self.log).read())
        self.ready_seconds = time.monotonic() - start
        self.http = ready.group(2)
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
        """CPU seconds by what used them: threads of server and executor, the launcher of sandboxes, what that has started and reaped."""
        used = dict.fromkeys([*THREADS, OTHERS, LAUNCHER, SANDBOXES], 0.0)
        used[OTHERS] = sum(cpu_fields(self.process.pid)[:2])
        for task in glob.glob("/proc/%d/task/*" % self.process.pid):
            try:
                with open(os.path.join(task, "comm")) as f:
                    name = f.read()
                seconds = sum(cpu_fields("%d/task/%s" % (self.process.pid, os.path.basename(task)))[:2])
                with open(os.path.join(task, "children")) as f:
                    children = f.read().split()
            except FileNotFoundError:
                continue  # it ended meanwhile, and counts among the others
            kind = next((kind for kind, pattern in THREADS.items() if re.match(pattern, name)), OTHERS)
            if kind != OTHERS:
                used[kind] += seconds
                used[OTHERS] -= seconds
            for launcher in map(cpu_fields, children):
                used[LAUNCHER] += sum(launcher[:2])
                used[SANDBOXES] += sum(launcher[2:])
        return used

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

    @property
    def sources(self):
        """Address of the source mirror that it has."""
        return "file://" + os.path.join(self.directory, "sources")

    def keep_compiler_wrapper(self):
        """In that mirror: it is no package of this world's own."""
        self.run("mirror", "create", "-d", os.path.join(self.directory, "sources"), "compiler-wrapper")

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

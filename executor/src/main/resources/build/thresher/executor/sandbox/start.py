"""How a command is started: its program, user, limits, network and control groups."""

import errno
import os
import resource
import time

PR_SET_DUMPABLE = 4
PATIENCE = 10
ENVIRONMENT = {b"PATH": b"/usr/bin:/bin:/usr/sbin:/sbin"}

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
NO_PROGRAM = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.EINVAL, errno.E2BIG, errno.ENOEXEC, errno.ELIBBAD)

mounts = Mounts()

ways_out = {}


def write(path, data):
    descriptor = mounts.open_on_host(path)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def way_out(door):
    """It is there as long as this process."""
    if door not in ways_out:
        ways_out[door] = mounts.open_on_host(door)
    return ways_out[door]


def find(program):
    """What the program is here; itself where it is a path or not there."""
    places = [os.path.join(place, program) for place in ENVIRONMENT[b"PATH"].split(b":")]
    return program if b"/" in program else next((place for place in places if os.access(place, os.X_OK)), program)


def find_in(path, program):
    """As a shell finds a program, in the directory that this process is in."""
    if b"/" in program:
        return program
    for place in path.split(b":"):
        found = os.path.join(place, program)
        if os.path.isfile(found) and os.access(found, os.X_OK):
            return found
    raise FileNotFoundError(errno.ENOENT, "not found")


class CannotRun(Exception):
    """The program of a command without bubblewrap."""

    def __init__(self, program, why):
        super().__init__("%s: %s" % (os.fsdecode(program), why.strerror))
        self.code = 127 if why.errno in NOT_THERE else 126


class Start:
    """A request to start a command."""

    def __init__(self, fields):
        numbers = [int(field) for field in fields[1:7]]
        self.one_output, self.uid, self.processes, self.file_bytes, self.open_files, self.most_open_files = numbers
        self.filter = fields[7]
        self.network = int(fields[8])
        doors = 10 + 2 * int(fields[9])
        self.doors = list(zip(fields[10:doors:2], fields[11:doors:2]))
        self.directory = fields[doors]
        variables = doors + 2 + int(fields[doors + 1])
        self.environment = dict(variable.split(b"=", 1) for variable in fields[doors + 2 : variables])
        self.command = fields[variables:]
        self.plain = bool(self.directory)

    def spawn(self, program, given, networks):
        """Starts the program, which then waits for its filter. Returns its process."""
        through = [door for door in self.doors if door[1]]
        elsewhere = False
        try:
            # Before the doors: what is kept for the next command is not charged to this one.
            elsewhere = networks.enter(self.network)
            if self.plain:
                os.chdir(self.directory)
            if elsewhere:
                # Only here: whatever goes wrong, a command that asks for no network is not in that of the host.
                self.command.insert(self.command.index(b"--unshare-all") + 1, b"--share-net")
            for into, _ in through:
                write(into, b"0")
            if self.uid >= 0:
                os.setresgid(self.uid, self.uid, 0)
                os.setresuid(self.uid, self.uid, 0)
            pid = self.become_plain(given) if self.plain else become(program, self.command, ENVIRONMENT, given)
            try:
                self.limit(pid)
            except BaseException:
                kill(pid)
                raise
        finally:
            if self.uid >= 0:
                os.setresuid(0, 0, 0)
                os.setresgid(0, 0, 0)
                prctl(PR_SET_DUMPABLE, 1)  # the executor opens pipes of this process, perhaps without further privileges
            if elsewhere:
                networks.leave()
            if self.plain:
                os.chdir("/")
            for _, out in through:
                os.write(way_out(out), b"0")
        try:
            for into, out in self.doors:
                if not out:
                    write(into, b"%d" % pid)
        except BaseException:
            kill(pid)
            raise
        return pid

    def become_plain(self, given):
        try:
            program = find_in(self.environment.get(b"PATH", ENVIRONMENT[b"PATH"]), self.command[0])
            try:
                return become(program, self.command, self.environment, given, setsid=True)
            except OSError as e:
                if e.errno != errno.ENOEXEC:
                    raise
                script = [b"/bin/sh", program, *self.command[1:]]
                return become(script[0], script, self.environment, given, setsid=True)
        except OSError as e:
            if e.errno in NOT_THERE + NO_PROGRAM:
                raise CannotRun(self.command[0], e)
            raise

    def limit(self, pid):
        """By the same user: nobody else may, but with a further privilege. It is that user's a moment after it was started."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                limit(pid, resource.RLIMIT_CORE, 0, 0)
                break
            except PermissionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.0001)
        limit(pid, resource.RLIMIT_NOFILE, self.open_files, self.most_open_files)
        limit(pid, resource.RLIMIT_FSIZE, self.file_bytes, self.file_bytes)
        limit(pid, resource.RLIMIT_NPROC, self.processes, self.processes)
        try:
            # When the host itself has no memory left, builds are to go before the executor.
            write("/proc/%d/oom_score_adj" % pid, b"500")
        except OSError:
            pass

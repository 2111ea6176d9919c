"""Starts sandboxes for an executor: a process that does between two others what the executor, of many threads, cannot.

No code of this one runs in a new process, which would cost the copies of all pages that Python writes. Bubblewrap is started
as it is, by a call that copies nothing, and reads its filter of system calls before it does anything: from a pipe that is
written when the process has its limits and control groups. Without a filter that is whole it runs no command, so that one
whose launcher died meanwhile starts nothing. A user other than this process's own is its user while it starts the process.
What bubblewrap starts dies with it, and it with this process, which ends when its standard input does, so with the executor.

Requests on standard input: four bytes of length, most significant first, then fields separated by NUL.

    start <id> <one output: 0 or 1> <uid or -1> <processes> <bytes of a file> <open files> <most open files>
          <seccomp filter or ""> <number of an empty network or -1> <number of doors> <door>...
          <directory of a command without bubblewrap or ""> <number of its variables> <NAME=VALUE>... <word of the command>...
    taken <id>     the outputs of a command have been opened, as files of this process

Most commands of a moment say nothing: their outputs are watched here, and nobody else has to do with them.

A door is a file of a control group that takes the ids of processes. One named "tasks" takes single threads too, and for one
that moves itself the kernel need not first see every processor at rest: this process goes in, and out again when it has
started another, which stays.

An empty network has a loopback device and nothing else. To make one and take it away costs the kernel more than all other
namespaces of a command, so that it serves one after the other, until the kernel has counted anything in it: then a new one
takes its number. Who gives the number sees to it that no process of the command before is left. Where this process may not
make any, the command gets one of its own from bubblewrap, as it does with -1.

A command without bubblewrap runs as soon as it is started; its limits come a moment later, when it is still being loaded. It
leads a group of processes, which is killed when it ends. What left that group becomes a child of this process. Where the command
has a user other than this process's own, all that are this user's are killed: who asks for commands gives each a user for itself.
Else those are that hold outputs of a command that is over, and all when no command runs. Control groups know better. A program
that is not there or cannot run is told of as a shell does it: on the command's errors, and by its exit code.

Answers on standard output, one line each:

    started <id> <pid>
    failed <id> <why>
    output <id> <descriptor of its output> <descriptor of its errors or -1>     there is something to read
    quiet <id>                                                                  nobody wrote, and nobody can any more
    ended <id> <exit code, 128 + number of a signal> <0: bubblewrap could not start the command, 1: otherwise>

The end is mostly told together with the last word on the outputs, but for outputs that somebody reads.
"""

import collections
import ctypes
import errno
import fcntl
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import time

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
FILTER, STATUS = 9, 8
ABOVE_ALL = 20
PATIENCE = 10
LAST_WORDS = 0.02  # most outputs end with their command, or a moment later: both are told of at once
ENVIRONMENT = {b"PATH": b"/usr/bin:/bin:/usr/sbin:/sbin"}
DEFAULT_IN_COMMANDS = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
NO_PROGRAM = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.EINVAL, errno.E2BIG, errno.ENOEXEC, errno.ELIBBAD)

# Where there is no filter, one that allows everything: RET ALLOW, in the kernel's struct sock_filter.
NO_FILTER = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)

mounts = Mounts()  # of the file that the executor puts before this one

ways_out = {}


def prctl(option, argument):
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl %d" % option)


def setns(namespace):
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def write(path, data):
    descriptor = mounts.open_on_host(path)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def limit(pid, kind, soft, hard):
    limits = [resource.RLIM_INFINITY if n >= 1 << 62 else n for n in (soft, hard)]
    resource.prlimit(pid, kind, tuple(limits))


def find(program):
    """What the program is here; itself where it is a path or not there."""
    places = [os.path.join(place, program) for place in ENVIRONMENT[b"PATH"].split(b":")]
    return program if b"/" in program else next((place for place in places if os.access(place, os.X_OK)), program)


def fork_and_become(program, command, environment, given, setsid=False):
    """The same before Python 3.8, at the price of copies of pages."""
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if setsid:
                os.setsid()
            for number in DEFAULT_IN_COMMANDS:
                signal.signal(number, signal.SIG_DFL)
            for source, at in given:
                os.dup2(source, at)
            os.execve(program, command, environment)
        except OSError as e:
            os.write(say, b"%d" % e.errno)
        finally:
            os._exit(127)
    os.close(say)
    failure = os.read(hear, 16)
    os.close(hear)
    if failure:
        os.waitpid(pid, 0)
        raise OSError(int(failure), os.strerror(int(failure)))
    return pid


def way_out(door):
    """To the group above, which is there as long as this process."""
    group = os.path.dirname(os.path.dirname(door))
    if group not in ways_out:
        ways_out[group] = mounts.open_on_host(os.path.join(group, b"tasks"))
    return ways_out[group]


class EmptyNetwork:
    """A loopback device, and what the kernel has counted there."""

    COUNTED = ("dev", "snmp", "snmp6")

    def __init__(self):
        """This process is in it afterwards."""
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("=16sh14x", b"lo", IFF_UP))
        self.namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.sockets = os.open("/proc/self/net/sockstat", os.O_RDONLY)
        self.counters = []
        for name in self.COUNTED:
            try:
                self.counters.append(os.open("/proc/self/net/" + name, os.O_RDONLY))
            except FileNotFoundError:
                pass  # a kernel without version 6
        self.at_first = self.counted()

    def counted(self):
        """Packets and refusals; sockets that there are, also those that only a connection's other end still waits for."""
        sockets = re.findall(rb"(?:used|tw) \d+", os.pread(self.sockets, 4096, 0))
        return sockets + [os.pread(counter, 1 << 16, 0) for counter in self.counters]

    def untouched(self):
        return self.counted() == self.at_first

    def close(self):
        for descriptor in [self.namespace, self.sockets, *self.counters]:
            os.close(descriptor)


class EmptyNetworks:
    """By the numbers that requests have for them."""

    def __init__(self):
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.made = {}
        self.possible = os.geteuid() == 0

    def enter(self, number):
        """Whether this process is in that one now; otherwise it is where it was."""
        if number < 0 or not self.possible:
            return False
        network = self.made.get(number)
        if network and network.untouched():
            setns(network.namespace)
            return True
        if network:
            self.made.pop(number).close()
        try:
            self.made[number] = EmptyNetwork()
        except OSError:
            self.possible = False
            self.leave()
            return False
        return True

    def leave(self):
        try:
            setns(self.home)
        except OSError as e:
            raise SystemExit("launcher: cannot go back to the network of the host: %s" % e)


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
        doors = 10 + int(fields[9])
        self.doors = fields[10:doors]
        self.directory = fields[doors]
        variables = doors + 2 + int(fields[doors + 1])
        self.environment = dict(variable.split(b"=", 1) for variable in fields[doors + 2 : variables])
        self.command = fields[variables:]
        self.plain = bool(self.directory)

    def spawn(self, program, given, networks):
        """Starts the program, which then waits for its filter. Returns its process."""
        through = [door for door in self.doors if door.endswith(b"/tasks")]
        elsewhere = False
        try:
            # Before the doors: what is kept for the next command is not charged to this one.
            elsewhere = networks.enter(self.network)
            if self.plain:
                os.chdir(self.directory)
            if elsewhere:
                # Only here: whatever goes wrong, a command that asks for no network is not in that of the host.
                self.command.insert(self.command.index(b"--unshare-all") + 1, b"--share-net")
            for door in through:
                write(door, b"0")
            if self.uid >= 0:
                os.setresgid(self.uid, self.uid, 0)
                os.setresuid(self.uid, self.uid, 0)
            pid = self.become_plain(given) if self.plain else self.become(program, self.command, ENVIRONMENT, given)
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
            for door in through:
                os.write(way_out(door), b"0")
        try:
            for door in self.doors:
                if door not in through:
                    write(door, b"%d" % pid)
        except BaseException:
            kill(pid)
            raise
        return pid

    def become(self, program, command, environment, given, **how):
        if not hasattr(os, "posix_spawn"):
            return fork_and_become(program, command, environment, given, **how)
        return os.posix_spawn(
            program,
            command,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, source, at) for source, at in given],
            setsigdef=DEFAULT_IN_COMMANDS,
            **how,
        )

    def become_plain(self, given):
        try:
            program = find_in(self.environment.get(b"PATH", ENVIRONMENT[b"PATH"]), self.command[0])
            try:
                return self.become(program, self.command, self.environment, given, setsid=True)
            except OSError as e:
                if e.errno != errno.ENOEXEC:
                    raise
                script = [b"/bin/sh", program, *self.command[1:]]
                return self.become(script[0], script, self.environment, given, setsid=True)
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


def children():
    """Of this process, also those that were somebody else's."""
    try:
        with open("/proc/self/task/%d/children" % os.getpid(), "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except FileNotFoundError:
        return []  # a kernel without that list


def end_children():
    """And theirs, which become this process's when they are gone."""
    left = children()
    while left:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(-1, 0)
        left = children()


def pipes_of(pid):
    """The pipes that a process has, as far as they can be seen."""
    found = set()
    try:
        for descriptor in os.listdir("/proc/%d/fd" % pid):
            found.add(os.readlink("/proc/%d/fd/%s" % (pid, descriptor)))
    except OSError:
        pass
    return found


def user_of(pid):
    """Negative when it is gone."""
    try:
        with open("/proc/%d/status" % pid) as file:
            return next((int(line.split()[1]) for line in file if line.startswith("Uid:")), -1)
    except OSError:
        return -1


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has not made it yet, or all are gone


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class Launcher:
    def __init__(self):
        self.running = {}
        self.plain = {}  # commands without bubblewrap: their users, and their outputs as /proc names them
        self.over = collections.deque(maxlen=256)  # outputs of such that have ended
        self.outputs = {}
        self.statuses = {}
        self.watched = {}
        self.ended = {}
        self.answers = []
        self.poll = select.poll()
        self.programs = {}
        self.filters = {b"": NO_FILTER}
        self.networks = EmptyNetworks()
        self.nothing = os.open("/dev/null", os.O_RDONLY)
        while os.open("/dev/null", os.O_RDONLY) < ABOVE_ALL:
            pass  # None of those to come may lie where one of a command is to go.

    def start(self, fields):
        name = fields[0].decode()
        opened = []
        kept = []
        try:
            request = Start(fields)
            if request.uid > 0:
                mounts.devices.lend(name, request.command)
            pid = self.begin(request, opened, kept)
        except CannotRun as e:
            os.write(opened[-1], b"thresher: %s\n" % str(e).encode("utf-8", "replace"))
            self.ended[name] = e.code, 1, time.monotonic() + LAST_WORDS
            pid = 0
        except (OSError, ValueError) as e:
            mounts.devices.take_back(name)
            for descriptor in kept:
                os.close(descriptor)
            self.answer("failed", name, str(e).replace("\n", " "))
            return
        finally:
            for descriptor in opened:
                os.close(descriptor)
        if request.plain and pid:
            self.plain[pid] = request.uid, ["pipe:[%d]" % os.fstat(output).st_ino for output in kept]
        if pid:
            self.running[pid] = name
        if not request.plain:
            self.statuses[name] = kept.pop()
        self.outputs[name] = kept
        for descriptor in kept:
            self.watched[descriptor] = name
            self.poll.register(descriptor, select.POLLIN)
        self.answer("started", name, pid)

    def begin(self, request, opened, kept):
        """Notes what it opens: in the one what is to be closed, in the other the outputs of the command, then what bubblewrap says."""
        outputs = []
        for _ in range(1 if request.one_output else 2):
            read, write = os.pipe()
            kept.append(read)
            opened.append(write)
            outputs.append(write)
        given = [(self.nothing, 0), (outputs[0], 1), (outputs[-1], 2)]
        if request.plain:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            return request.spawn(None, given, self.networks)
        status, say = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        kept.append(status)
        opened.append(say)
        gate, open_gate = os.pipe()
        opened += [gate, open_gate]
        given += [(say, STATUS), (gate, FILTER)]
        pid = request.spawn(self.program(request.command[0]), given, self.networks)
        try:
            os.write(open_gate, self.filter(request.filter))
        except BrokenPipeError:
            pass  # It has ended already.
        except BaseException:
            kill(pid)
            raise
        return pid

    def program(self, name):
        if name not in self.programs:
            self.programs[name] = find(name)
        return self.programs[name]

    def filter(self, path):
        if path not in self.filters:
            with open(path, "rb") as file:
                self.filters[path] = file.read()
        return self.filters[path]

    def heard(self, descriptor, something):
        """One of the outputs that are watched: there is something, or its end without anything."""
        if descriptor not in self.watched:
            return  # The other one was heard a moment ago.
        name = self.watched[descriptor]
        outputs = self.outputs[name]
        if something:
            for watched in outputs:
                self.forget(watched)
            self.answer("output", name, *outputs, *([-1] if len(outputs) == 1 else []))
            self.tell_end(name)
        else:
            self.forget(descriptor)
            if not any(other in self.watched for other in outputs):
                self.close_outputs(name)
                self.answer("quiet", name)
                self.tell_end(name)

    def forget(self, descriptor):
        if self.watched.pop(descriptor, None) is not None:
            self.poll.unregister(descriptor)

    def close_outputs(self, name):
        for descriptor in self.outputs.pop(name):
            os.close(descriptor)

    def taken(self, fields):
        self.close_outputs(fields[0].decode())

    def reap(self):
        while True:
            try:
                # Its number is nobody else's until it is reaped.
                waiting = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if waiting is None:
                return
            pid = waiting.si_pid
            user = -1
            if pid in self.plain:
                kill_group(pid)
                user, outputs = self.plain.pop(pid)
                self.over += outputs
            status = os.waitpid(pid, 0)[1]
            name = self.running.pop(pid, None)
            if user >= 0:
                self.end_user(user)
            self.sweep()
            if name is None:
                continue
            mounts.devices.take_back(name)
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            self.ended[name] = code, self.ran(name, code), time.monotonic() + LAST_WORDS
            if not any(output in self.watched for output in self.outputs.get(name, ())):
                self.tell_end(name)

    def end_user(self, user):
        """Returns when a command's user has no process: one could get in the way of who deals with the command's files."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            left = [pid for pid in children() if pid not in self.running and user_of(pid) == user]
            if not left:
                return
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            if not any([os.waitpid(pid, os.WNOHANG)[0] for pid in left]):
                time.sleep(0.0001)

    def sweep(self):
        """Kills what left its command's group, where that command is known to be over."""
        if not self.over:
            return  # in bubblewrap nothing is left
        over = set(self.over)
        for pid in children():
            if pid not in self.running and (not self.running or over & pipes_of(pid)):
                os.kill(pid, signal.SIGKILL)

    def ran(self, name, code):
        """Bubblewrap tells the exit code only of a command that it could start."""
        status = self.statuses.pop(name, None)
        if status is None:
            return 1
        try:
            return int(code == 0 or b'"exit-code"' in os.read(status, 1 << 16))
        except BlockingIOError:
            return 0
        finally:
            os.close(status)

    def tell_end(self, name):
        if name in self.ended:
            self.answer("ended", name, *self.ended.pop(name)[:2])

    def answer(self, *words):
        self.answers.append(" ".join(map(str, words)) + "\n")

    def send_answers(self):
        lines = "".join(self.answers).encode()
        self.answers.clear()
        while lines:
            lines = lines[os.write(1, lines) :]

    def serve(self):
        os.setsid()  # an interrupt from a terminal is for the executor to deal with
        if os.getuid() == 0:
            os.setgroups([])
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)  # of no use to the user of a command
        ended, wake = os.pipe()
        os.set_blocking(ended, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake)
        self.poll.register(0, select.POLLIN)
        self.poll.register(ended, select.POLLIN)
        received = b""
        while True:
            ready = dict(self.poll.poll(1000 * LAST_WORDS if self.ended else None))
            for descriptor, events in ready.items():
                if descriptor not in (0, ended):
                    self.heard(descriptor, events & select.POLLIN)
            if ended in ready:
                os.read(ended, 4096)
                self.reap()
            if 0 in ready:
                data = os.read(0, 1 << 16)
                if not data:
                    for pid in self.running:
                        os.kill(pid, signal.SIGKILL)  # it may not have asked yet to die with this process
                    if self.plain or self.over:
                        end_children()
                    return
                received = self.take(received + data)
            for name, end in list(self.ended.items()):
                if time.monotonic() > end[-1]:
                    self.tell_end(name)
            self.send_answers()

    def take(self, received):
        while len(received) >= 4:
            end = 4 + struct.unpack(">I", received[:4])[0]
            if len(received) < end:
                break
            kind, *fields = received[4:end].split(b"\0")
            {b"start": self.start, b"taken": self.taken}[kind](fields)
            received = received[end:]
        return received


narrow_to = [sys.argv[2 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]]
mounts.narrow(*narrow_to)
Launcher().serve()

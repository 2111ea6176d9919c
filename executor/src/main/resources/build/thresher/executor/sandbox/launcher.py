"""Starts sandboxes for an executor: a process that forks where the executor, a large one of many threads, cannot.

What a command gets from outside of bubblewrap is set between fork and exec: its control groups, limits, descriptors and
user, no_new_privs, and its death with this process. This process ends when its standard input does, so with the executor.

Requests on standard input: four bytes of length, most significant first, then fields separated by NUL.

    start <id> <one output: 0 or 1> <uid or -1> <processes> <bytes of a file> <open files> <most open files>
          <seccomp filter or ""> <status file or ""> <number of doors> <door>... <word of the command>...
    taken <id>     the outputs of a command have been opened, as files of this process

Answers on standard output, one line each:

    started <id> <pid> <descriptor of its output> <descriptor of its errors or -1>
    failed <id> <why>
    ended <id> <exit code, 128 + number of a signal>
"""

import ctypes
import fcntl
import gc
import os
import resource
import select
import signal
import struct

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
FILTER, STATUS = 9, 8
ABOVE_ALL = 20
FAILED = 125
ENVIRONMENT = {b"PATH": b"/usr/bin:/bin:/usr/sbin:/sbin"}

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option, argument):
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl %d" % option)


def write(path, data):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def limit(kind, soft, hard):
    limits = [resource.RLIM_INFINITY if n >= 1 << 62 else n for n in (soft, hard)]
    resource.setrlimit(kind, tuple(limits))


class Start:
    """A request to start a command."""

    def __init__(self, fields):
        numbers = [int(field) for field in fields[1:7]]
        self.one_output, self.uid, self.processes, self.file_bytes, self.open_files, self.most_open_files = numbers
        self.filter, self.status = fields[7:9]
        doors = 10 + int(fields[9])
        self.doors, self.command = fields[10:doors], fields[doors:]

    def become(self, out, err, parent):
        """In the forked process: becomes the command. Never returns."""
        try:
            try:
                # When the host itself has no memory left, builds are to go before the executor.
                write(b"/proc/self/oom_score_adj", b"500")
            except OSError:
                pass
            for door in self.doors:
                write(door, b"0")
            limit(resource.RLIMIT_CORE, 0, 0)
            limit(resource.RLIMIT_NOFILE, self.open_files, self.most_open_files)
            limit(resource.RLIMIT_FSIZE, self.file_bytes, self.file_bytes)
            limit(resource.RLIMIT_NPROC, self.processes, self.processes)
            given = [(os.open(b"/dev/null", os.O_RDONLY), 0), (out, 1), (err, 2)]
            if self.filter:
                given.append((os.open(self.filter, os.O_RDONLY), FILTER))
            if self.status:
                given.append((os.open(self.status, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), STATUS))
            # None may lie where another is to go.
            high = [(fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, ABOVE_ALL), at) for source, at in given]
            for source, at in high:
                os.dup2(source, at)
            if self.uid >= 0:
                os.setgroups([])
                os.setresgid(self.uid, self.uid, self.uid)
                os.setresuid(self.uid, self.uid, self.uid)
            prctl(PR_SET_NO_NEW_PRIVS, 1)
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which forgets it
            if os.getppid() == parent:
                os.execvpe(self.command[0], self.command, ENVIRONMENT)
        except BaseException as e:
            os.write(err, ("cannot start the sandbox: %s\n" % e).encode())
        finally:
            os._exit(FAILED)


class Launcher:
    def __init__(self):
        self.running = {}
        self.outputs = {}

    def start(self, fields):
        name = fields[0].decode()
        opened = []
        try:
            request = Start(fields)
            read_out, write_out = os.pipe()
            opened += [read_out, write_out]
            read_err, write_err = (-1, write_out) if request.one_output else os.pipe()
            if not request.one_output:
                opened += [read_err, write_err]
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                request.become(write_out, write_err, parent)
        except (OSError, ValueError) as e:
            for descriptor in opened:
                os.close(descriptor)
            self.answer("failed", name, str(e).replace("\n", " "))
            return
        for descriptor in {write_out, write_err}:
            os.close(descriptor)
        self.running[pid] = name
        self.outputs[name] = [d for d in (read_out, read_err) if d >= 0]
        self.answer("started", name, pid, read_out, read_err)

    def taken(self, fields):
        for descriptor in self.outputs.pop(fields[0].decode()):
            os.close(descriptor)

    def reap(self):
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            self.answer("ended", self.running.pop(pid), code)

    def answer(self, *words):
        line = (" ".join(map(str, words)) + "\n").encode()
        while line:
            line = line[os.write(1, line) :]

    def serve(self):
        os.setsid()  # an interrupt from a terminal is for the executor to deal with
        for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored_by_python, signal.SIG_DFL)
        ended, wake = os.pipe()
        os.set_blocking(ended, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(ended, select.POLLIN)
        received = b""
        gc.collect()
        gc.disable()  # a collection in a forked process would copy what both share
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            if ended in ready:
                os.read(ended, 4096)
                self.reap()
            if 0 in ready:
                data = os.read(0, 1 << 16)
                if not data:
                    return
                received = self.take(received + data)

    def take(self, received):
        while len(received) >= 4:
            end = 4 + struct.unpack(">I", received[:4])[0]
            if len(received) < end:
                break
            kind, *fields = received[4:end].split(b"\0")
            {b"start": self.start, b"taken": self.taken}[kind](fields)
            received = received[end:]
        return received


Launcher().serve()

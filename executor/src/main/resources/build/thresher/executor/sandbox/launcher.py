"""Starts sandboxes for an executor: a process that does between two others what the executor, of many threads, cannot.

No code of this one runs in a new process, which would cost the copies of all pages that Python writes. Bubblewrap is started
as it is, by a call that copies nothing, and reads its filter of system calls before it does anything: from a pipe that is
written when the process has its limits and control groups. Without a filter that is whole it runs no command, so that one
whose launcher died meanwhile starts nothing. A user other than this process's own is its user while it starts the process.
What bubblewrap starts dies with it, and it with this process, which ends when its standard input does, so with the executor.

Requests on standard input: four bytes of length, most significant first, then fields separated by NUL.

    start <id> <one output: 0 or 1> <uid or -1> <processes> <bytes of a file> <open files> <most open files>
          <seccomp filter or ""> <number of an empty network or -1> <number of doors> <door> <way out or "">...
          <directory of a command without bubblewrap or ""> <number of its variables> <NAME=VALUE>... <word of the command>...
    taken <id>     the outputs of a command have been opened, as files of this process

Most commands of a moment say nothing: their outputs are watched here, and nobody else has to do with them.

A door is a file of a control group that takes the ids of processes. Where there is a way out, that of another group, this process
goes in, and out again when it has started another, which stays. Nothing of that one was ever elsewhere then, and for a single
thread that moves itself (a file "tasks", of version 1) the kernel need not first see every processor at rest.

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

The executor puts mounts.py, processes.py, networks.py and start.py before this file, and runs all five as one program.
"""

import collections
import os
import select
import signal
import struct
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
FILTER, STATUS = 9, 8
ABOVE_ALL = 20
LAST_WORDS = 0.02  # most outputs end with their command, or a moment later: both are told of at once

# Where there is no filter, one that allows everything: RET ALLOW, in the kernel's struct sock_filter.
NO_FILTER = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)


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
            # Most commands leave nothing, and in bubblewrap none can.
            if self.over and any(child not in self.running for child in children()):
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

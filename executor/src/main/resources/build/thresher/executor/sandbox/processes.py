"""Processes: what is set in them, what they are asked, how they end."""

import ctypes
import os
import resource
import signal

DEFAULT_IN_COMMANDS = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them


def prctl(option, argument):
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl %d" % option)


def limit(pid, kind, soft, hard):
    limits = [resource.RLIM_INFINITY if n >= 1 << 62 else n for n in (soft, hard)]
    resource.prlimit(pid, kind, tuple(limits))


def become(program, command, environment, given, **how):
    """Starts a program. given: descriptors, and where it has them. Returns its process."""
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

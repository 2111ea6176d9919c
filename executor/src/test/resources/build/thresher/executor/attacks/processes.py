"""Other processes, and what the kernel keeps for more than one process."""

import ctypes
import fcntl
import os
import signal
import termios

from attack import attack, first, listing, numbered, syscall


@attack
def signal_a_process_of_the_host(world):
    os.kill(world["pid"], signal.SIGUSR1)
    return "signalled %d" % world["pid"]


@attack
def signal_by_a_descriptor(world):
    descriptor = syscall(434, world["pid"], 0)
    return "signalled: %d" % syscall(424, descriptor, signal.SIGUSR1, None, 0)


@attack
def trace_a_process(world):
    return first([1, os.getppid(), world["pid"]], lambda pid: "%d: %d" % (pid, syscall(numbered(101, 117), 0x4206, pid, 0, 0)))


@attack
def read_the_memory_of_another(world):
    buffer = ctypes.create_string_buffer(64)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 64)
    return first([1, os.getppid(), world["pid"]], lambda p: syscall(numbered(310, 270), p, local, 1, local, 1, 0))


def _rights(pid):
    with open("/proc/%s/status" % pid, encoding="utf-8") as f:
        lines = dict(line.rstrip("\n").split(":", 1) for line in f)
    return {k: v.split() for k, v in lines.items() if k.startswith("Cap") or k in ("Uid", "Gid", "Seccomp", "NoNewPrivs")}


@attack
def take_over_the_first_process(world):
    # It is the sandbox's own, of the same user, and its memory can be written. So it must have no more rights.
    first_process, own = _rights(1), _rights("self")
    assert first_process != own, "it has no rights that this process does not have"
    return "%s instead of %s" % (first_process, own)


@attack
def enter_directories_that_the_first_process_has_open(world):
    def enter(name):
        path = "/proc/1/fd/" + name
        if os.path.isdir(path):
            return "%s is a directory: %s" % (path, os.listdir(path)[:5])
        raise OSError(0, "it is " + os.readlink(path))

    return first(os.listdir("/proc/1/fd"), enter)


@attack
def take_a_descriptor_of_another(world):
    return syscall(438, syscall(434, 1, 0), 0, 0)


@attack
def kill_the_first_process(world):
    os.kill(1, signal.SIGKILL)
    os.kill(1, 0)
    raise OSError(0, "the first process of a namespace takes no signals from inside")


@attack
def type_into_the_terminal(world):
    def push(name):
        descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.ioctl(descriptor, termios.TIOCSTI, b"x")
            return name
        finally:
            os.close(descriptor)

    return first(["/dev/tty", "/dev/console", "/proc/1/fd/0", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"], push)


@attack
def type_into_an_own_terminal(world):
    # Needs no way out: kernels had holes there, and no build types for itself.
    main, side = os.openpty()
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)
    fcntl.ioctl(side, termios.TIOCSTI, b"x")
    return "typed"


@attack
def see_terminals_of_others(world):
    others = [n for n in os.listdir("/dev/pts") if n != "ptmx"]
    assert others, "there are none"
    return str(others)


@attack
def shared_memory_of_the_host(world):
    return "segment %d" % syscall(numbered(29, 194), world["shm_key"], 0, 0)


@attack
def posix_shared_memory_of_the_host(world):
    return listing("/dev/shm")


@attack
def dump_core(world):
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    return "cores may be dumped, %s" % (resource.getrlimit(resource.RLIMIT_CORE),)

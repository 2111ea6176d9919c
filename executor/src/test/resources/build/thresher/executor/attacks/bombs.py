"""Uses up what a host has little of. Each bomb is bounded in itself, so that a limit that fails shows as a failed test and
not as a dead machine.

    python3 bombs.py NAME
"""

import os
import resource
import signal
import sys
import threading
import time

PATIENCE = 60  # seconds that a bomb waits at most to be stopped
MEGABYTE = b"x" * (1 << 20)


def wait():
    time.sleep(PATIENCE)


def processes():
    """400 that sleep."""
    for _ in range(400):
        if os.fork() == 0:
            wait()
            os._exit(0)
    wait()


def processes_that_never_give_up():
    """As many as there may be, again and again."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if os.fork() == 0 and time.monotonic() < end:
                continue
        except OSError:
            pass


def threads():
    """400 that sleep."""
    started = [threading.Thread(target=wait, daemon=True) for _ in range(400)]
    for thread in started:
        thread.start()


def memory():
    """1 GiB of one process."""
    kept = []
    for _ in range(64):
        kept.append(bytearray(MEGABYTE * 16))
        time.sleep(0.05)
    wait()


def memory_of_many_processes():
    """1 GiB of 16 processes."""
    for _ in range(16):
        if os.fork() == 0:
            kept = bytearray(MEGABYTE * 64)
            wait()
            os._exit(len(kept) == 0)
    wait()


def shared_memory():
    """1.1 GiB of files in memory, that belong to no process."""
    for i in range(36):
        with open("/dev/shm/%d" % i, "wb") as f:
            f.write(MEGABYTE * 32)


def disk():
    """400 MiB, in files of 8 MiB."""
    for i in range(50):
        with open("/tmp/file-%d" % i, "wb") as f:
            f.write(MEGABYTE * 8)
    wait()


def disk_by_one_file():
    """400 MiB, in one file; a failed write ends it."""
    with open("/tmp/file", "wb") as f:
        for _ in range(50):
            f.write(MEGABYTE * 8)
            f.flush()
    wait()


def disk_without_names():
    """400 MiB, in open files that no directory names."""
    kept = []
    for i in range(50):
        f = open("/tmp/nameless", "wb")
        os.unlink("/tmp/nameless")
        f.write(MEGABYTE * 8)
        f.flush()
        kept.append(f)
    wait()


def disk_by_a_hole():
    """A file of 1 TiB without content."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("/tmp/hole", "wb") as f:
        f.truncate(1 << 40)
    wait()


def files():
    """5,000 empty ones."""
    for i in range(5000):
        if i % 1000 == 0:
            os.mkdir("/tmp/%d" % i)
            os.chdir("/tmp/%d" % i)
        open(str(i), "w").close()
    wait()


def depth():
    """4,000 directories, each in the one before, with names so long that no path can say them."""
    os.chdir("/tmp")
    for _ in range(4000):
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
    wait()


def long_and_strange_names():
    """Deeper than a path can say, with names of 255 bytes that are no text; ends by itself."""
    os.chdir("/tmp")
    for i in range(60):
        os.mkdir(bytes([0x80 + i]) + b"\n\x1b[2J\\" + b"\xff" * 248)
        os.chdir(bytes([0x80 + i]) + b"\n\x1b[2J\\" + b"\xff" * 248)
        open(b"-rf", "w").close()


def closed_directories():
    """That not even their owner may enter; ends by itself."""
    os.chdir("/tmp")
    for _ in range(30):
        os.mkdir("closed")
        os.mkdir("closed/beside")
        os.chmod("closed/beside", 0)
        os.chdir("closed")
    for _ in range(30):
        os.chmod(".", 0o700)
        os.chdir("..")
        os.chmod("closed", 0)


def descriptors():
    """200,000 open files."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    for _ in range(200000):
        os.open("/dev/null", os.O_RDONLY)
    wait()


def pipes():
    """1,000 pipes, each as large as it may be, filled."""
    import fcntl

    for _ in range(1000):
        out, into = os.pipe()
        try:
            fcntl.fcntl(into, 1031, 1 << 20)
        except OSError:
            pass
        os.set_blocking(into, False)
        try:
            os.write(into, MEGABYTE)
        except OSError:
            pass


def terminals():
    """6,000 of them."""
    for _ in range(6000):
        os.openpty()


def output():
    """300 MiB in lines."""
    line = b"a line of output like any other\n" * 32768
    for _ in range(300):
        os.write(1, line)


def output_in_one_line():
    """300 MiB without an end of line."""
    for _ in range(300):
        os.write(1, MEGABYTE)


def hang():
    """Deaf to every signal that can be ignored."""
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    wait()


def stop():
    """Stops itself, and so does not even wait."""
    os.kill(os.getpid(), signal.SIGSTOP)


def burn():
    """Two processors, for ever."""
    os.fork()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        pass


def daemon():
    """Leaves a process of its own session behind, and ends."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for descriptor in range(3):
                os.close(descriptor)
            wait()
        os._exit(0)
    time.sleep(0.3)


def daemon_that_holds_the_output():
    """Leaves a process behind that could still write to the log, and ends."""
    if os.fork() == 0:
        os.setsid()
        wait()


def kill_all():
    """Sends all that it can see the signal that ends them."""
    for _ in range(10):
        if os.fork() == 0:
            wait()
    os.kill(-1, signal.SIGKILL)


def run(name):
    globals()[name.replace("-", "_")]()


if __name__ == "__main__":
    run(sys.argv[1])

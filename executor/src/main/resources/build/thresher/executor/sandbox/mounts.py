"""What the launcher sees of the host's file systems, where it is root: those that commands can need, and a /dev for each of them.

Bubblewrap reads the table of mounts after each one that it makes, and every new mount namespace begins with a copy of it. So
the launcher leaves the host's namespace for one that has only what leads to the paths that it is given, and what is mounted
below them. What the host mounts or unmounts there later follows, where the host's mounts are shared or follow others.
Where they do not and commands see further paths of the host, this process stays in the host's namespace.

Its /dev is its own as well: with a directory for each command that runs, which is shown to that one in place of nine mounts
that bubblewrap would make. Terminals are of an instance that is made for the command and taken away after it.
All that ends with this process.
"""

import ctypes
import os
import stat
import sys

CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NOEXEC, MS_REC, MS_SLAVE = 2, 8, 16384, 1 << 19
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
OF_THIS_PROCESS = ("/proc", "/dev")  # but nothing that is mounted below
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS = {
    "core": "/proc/kcore",
    "fd": "/proc/self/fd",
    "ptmx": "pts/ptmx",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}

libc = ctypes.CDLL(None, use_errno=True)


def call(what, result):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (what, os.strerror(error)))


def mount(kind, at, flags, options=None):
    call("mount " + at, libc.mount(kind, at.encode(), kind, ctypes.c_ulong(flags), options))


def detach(at):
    call("umount " + at, libc.umount2(os.fsencode(at), MNT_DETACH | UMOUNT_NOFOLLOW))


def leads_to(upper, lower):
    return upper == lower or lower.startswith(upper.rstrip("/") + "/")


def mounted():
    """Where something is mounted, and whether it follows what is mounted elsewhere."""
    table = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            fields = line.split(b" ")
            at = os.fsdecode(fields[4].decode("unicode_escape").encode("latin-1"))
            marks = fields[6 : fields.index(b"-", 6)]
            table.append((at, any(mark.startswith((b"shared:", b"master:")) for mark in marks)))
    return table


def follows(path, table):
    """Whether what is mounted at the path, or below it, later and elsewhere, comes here too."""
    above = [mount for mount in table if leads_to(mount[0], path)]
    longest = max(len(at) for at, _ in above)
    own = [mount for mount in above if len(mount[0]) == longest][-1]
    return own[1] and all(followed for at, followed in table if leads_to(path, at))


def identity(path):
    try:
        found = os.stat(path)
        return found.st_dev, found.st_ino
    except OSError:
        return None


class Mounts:
    """What this process sees."""

    def __init__(self):
        self.host = os.open("/", os.O_PATH | os.O_DIRECTORY)
        self.devices = Devices()

    def open_on_host(self, path):
        """For writing; also what this process itself sees no more."""
        return os.open(path[1:], os.O_WRONLY, dir_fd=self.host)

    def narrow(self, always, further):
        """
        Leaves what commands cannot need.

        always: paths that they may need, the first a directory whose entries may be links to elsewhere
        further: paths where the host may mount something at any time
        """
        if os.geteuid() != 0 or not always:
            return
        paths = [*always, *(entry.path for entry in os.scandir(always[0])), *further]
        needed = {*paths, *map(os.path.realpath, paths)}
        table = mounted()
        if not all(follows(os.path.realpath(path), table) for path in further):
            return
        before = {path: identity(path) for path in needed}
        home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        try:
            call("unshare", libc.unshare(CLONE_NEWNS))
            try:
                mount(None, "/", MS_REC | MS_SLAVE)
                for at, _ in reversed(table):
                    if at not in OF_THIS_PROCESS and not any(leads_to(at, path) or leads_to(path, at) for path in needed):
                        try:
                            detach(at)
                        except OSError:
                            pass  # gone with what it was mounted on, or not this process's to take away
                if before != {path: identity(path) for path in needed}:
                    raise OSError("something that commands need has gone")
                if not any(leads_to("/dev", path) for path in needed):
                    self.devices.make()
            except OSError:
                call("setns", libc.setns(home, CLONE_NEWNS))
                os.fchdir(self.host)
                os.chroot(".")
                raise
        except OSError as e:
            print("launcher: sandboxes see all mounts of the host while they are made: %s" % e, file=sys.stderr)
        finally:
            os.close(home)


class Devices:
    """A /dev for each command that runs: the directory serves the next one, terminals do not."""

    def __init__(self):
        self.made = 0
        self.possible = False
        self.spare = []
        self.lent = {}

    def make(self):
        """This process's own, in which the others are. It has all devices too, for a bubblewrap that mounts them itself."""
        mount(b"tmpfs", "/dev", MS_NOSUID, b"mode=755,size=1m")
        self.fill("/dev")
        self.possible = True

    @staticmethod
    def fill(directory):
        for name, (major, minor) in DEVICES.items():
            path = os.path.join(directory, name)
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
            os.chmod(path, 0o666)
        for name, target in LINKS.items():
            os.symlink(target, os.path.join(directory, name))
        for name in ("pts", "shm"):
            os.mkdir(os.path.join(directory, name))
        os.chmod(directory, 0o755)  # whatever this process's mask is, which commands get as it is

    def lend(self, name, command):
        """Changes the command line of a bubblewrap, until it is taken back."""
        if not self.possible:
            return
        if not self.spare:
            directory = "/dev/%d" % self.made
            os.mkdir(directory)
            self.made += 1
            self.fill(directory)
            self.spare.append(directory)
        directory = self.spare[-1]
        mount(b"devpts", directory + "/pts", MS_NOSUID | MS_NOEXEC, b"newinstance,ptmxmode=0666,mode=620")
        self.lent[name] = self.spare.pop()
        at = command.index(b"--dev")
        command[at : at + 2] = [b"--dev-bind", directory.encode(), b"/dev"]
        at = command.index(b"--remount-ro")  # of /dev, where nothing is the command's to change
        del command[at : at + 2]

    def take_back(self, name):
        directory = self.lent.pop(name, None)
        if directory:
            try:
                detach(directory + "/pts")
                self.spare.append(directory)
            except OSError as e:
                print("launcher: %s" % e, file=sys.stderr)

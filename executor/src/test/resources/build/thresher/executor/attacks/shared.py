"""Changes of what builds share: every input that this build sees and others see too. Whether they are changes of a copy,
only the host can tell."""

import ctypes
import fcntl
import mmap
import os

from attack import private, syscall, numbered


def _each(world, change):
    """Tries a change on every shared input; fails when all attempts failed."""
    worked, said = [], "there are none"
    for path in world["inputs"]:
        try:
            change(path)
            worked.append(path)
        except OSError as e:
            said = e.strerror
    if not worked:
        raise OSError(0, said)
    return "%d of %d, for example %s" % (len(worked), len(world["inputs"]), worked[0])


def _first_byte(path):
    with open(path, "rb") as f:
        f.read(1)


def _overwrite(path, flags=os.O_WRONLY):
    descriptor = os.open(path, flags)
    try:
        os.write(descriptor, b"attacked")
    finally:
        os.close(descriptor)


@private
def overwrite_an_input(world):
    return _each(world, _overwrite)


@private
def append_to_an_input(world):
    return _each(world, lambda p: _overwrite(p, os.O_WRONLY | os.O_APPEND))


@private
def truncate_an_input(world):
    return _each(world, lambda p: os.truncate(p, 1))


@private
def change_the_mode_of_an_input(world):
    return _each(world, lambda p: os.chmod(p, 0o4777))


@private
def change_the_owner_of_an_input(world):
    return _each(world, lambda p: os.chown(p, os.getuid(), os.getgid()))


@private
def change_the_time_of_an_input(world):
    return _each(world, lambda p: os.utime(p, (1, 1)))


@private
def give_an_input_an_attribute(world):
    return _each(world, lambda p: os.setxattr(p, "user.attacked", b"1"))


@private
def rename_an_input(world):
    def rename(path):
        os.rename(path, path + ".renamed")
        os.rename(path + ".renamed", path)

    return _each(world, rename)


@private
def make_a_file_beside_an_input(world):
    def make(path):
        with open(os.path.join(os.path.dirname(path), "attacked"), "wb") as f:
            f.write(b"attacked")

    return _each(world, make)


@private
def write_an_input_by_a_hard_link(world):
    def link(path):
        for place in (path + ".link", "/tmp/hard-link"):
            try:
                os.link(path, place)
            except OSError:
                if place == "/tmp/hard-link":
                    raise
                continue
            try:
                _overwrite(place)
            finally:
                os.unlink(place)
            return

    return _each(world, link)


@private
def write_an_input_by_its_open_descriptor(world):
    def reopen(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            _overwrite("/proc/self/fd/%d" % descriptor)
        finally:
            os.close(descriptor)

    return _each(world, reopen)


@private
def link_an_open_descriptor_of_an_input(world):
    def link(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.link("/proc/self/fd/%d" % descriptor, "/tmp/linked", follow_symlinks=True)
        finally:
            os.close(descriptor)
        try:
            _overwrite("/tmp/linked")
        finally:
            os.unlink("/tmp/linked")

    return _each(world, link)


@private
def write_an_input_through_memory(world):
    def map_and_write(path):
        with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
            m[0] = m[0] ^ 1
            m.flush()

    return _each(world, map_and_write)


@private
def write_a_private_mapping_back(world):
    """A read-only shared mapping made writable, and written by /proc/self/mem, as in Dirty COW."""

    def write(path):
        _first_byte(path)
        with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as m:
            with open("/proc/self/maps", encoding="utf-8") as maps:
                start = [int(line.split("-")[0], 16) for line in maps if path in line]
            if not start:
                raise OSError(0, "not mapped under its name")
            address = start[0]
            descriptor = os.open("/proc/self/mem", os.O_RDWR)
            try:
                os.pwrite(descriptor, b"attacked", address)
            finally:
                os.close(descriptor)
            assert m[:8] == b"attacked"

    return _each(world, write)


@private
def splice_into_an_inputs_pages(world):
    """As in Dirty Pipe: a pipe whose page is the file's, written to."""

    def splice(path):
        before = open(path, "rb").read(64)
        if len(before) < 10:
            raise OSError(0, "too short")
        out, into = os.pipe()
        try:
            os.write(into, b"x" * 65536)
            os.read(out, 65536)
            with open(path, "rb") as f:
                offset = ctypes.c_long(0)
                syscall(numbered(275, 76), f.fileno(), ctypes.byref(offset), into, None, 1, 0)
            os.write(into, b"attacked")
        finally:
            os.close(out)
            os.close(into)
        if open(path, "rb").read(64) == before:
            raise OSError(0, "its pages are as they were")

    return _each(world, splice)


@private
def make_holes_in_an_input(world):
    def punch(path):
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, 0, 1 << 16)
        finally:
            os.close(descriptor)

    return _each(world, punch)


@private
def make_an_input_immutable(world):
    def set_flags(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, 0x40086602, b"\x10\0\0\0\0\0\0\0")
        finally:
            os.close(descriptor)

    return _each(world, set_flags)


@private
def remove_an_input(world):
    """Last in its family's order of names would be better; so it puts a copy back where it could."""

    def remove(path):
        content = open(path, "rb").read()
        os.unlink(path)
        with open(path, "wb") as f:
            f.write(content)

    return _each(world, remove)

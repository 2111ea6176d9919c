"""What the files of attacks share: the list of them, and system calls by their number."""

import ctypes
import os
import platform

ATTACKS = {}

X86_64 = platform.machine() == "x86_64"


class Attack:
    def __init__(self, function, private):
        self.function = function
        self.name = function.__name__.replace("_", "-")
        self.private = private


def attack(function):
    """An attack: returns what it reached, or raises an OSError or fails an assertion."""
    ATTACKS[function.__name__.replace("_", "-")] = Attack(function, private=False)
    return function


def private(function):
    """An attack that may work, if what it changes is the attacker's own copy."""
    ATTACKS[function.__name__.replace("_", "-")] = Attack(function, private=True)
    return function


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def syscall(number, *arguments):
    """Calls the kernel; raises what it answers."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = _libc.syscall(ctypes.c_long(number), *converted)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def numbered(x86_64, aarch64):
    return x86_64 if X86_64 else aarch64


def first(attempts, what):
    """The first of many attempts that works; all that fail are one failure."""
    said = []
    for attempted in attempts:
        try:
            return what(attempted)
        except OSError as e:
            said.append("%s: %s" % (attempted, e.strerror))
    raise OSError(0, "; ".join(said[:3]))


def read(path, count=200):
    with open(path, "rb") as f:
        return "%s holds %r" % (path, f.read(count))


def write(path, data=b"0"):
    with open(path, "wb", buffering=0) as f:
        f.write(data)
    return "wrote " + path


def listing(path):
    found = os.listdir(path)
    assert found, path + " is empty"
    return "%s holds %s" % (path, found[:5])

"""Networks for commands that are to have none: a loopback device and nothing else, one command after the other."""

import ctypes
import fcntl
import os
import re
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def setns(namespace):
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


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

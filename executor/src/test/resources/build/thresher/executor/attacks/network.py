"""Ways out by sockets. The services that host.py runs count every visit."""

import os
import socket

from attack import attack, first


def _connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(2)
        s.connect(address)
        if kind == socket.SOCK_DGRAM:
            s.send(b"attack")
            s.recv(10)
    return "reached %s" % (address,)


@attack
def tcp_to_a_service_of_the_host(world):
    return _connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", world["tcp"]))


@attack
def udp_to_a_service_of_the_host(world):
    return _connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", world["udp"]))


@attack
def tcp_to_the_internet(world):
    return first(["1.1.1.1", "8.8.8.8"], lambda a: _connect(socket.AF_INET, socket.SOCK_STREAM, (a, 53)))


@attack
def tcp_over_ipv6(world):
    return first(["::1", "2606:4700:4700::1111"], lambda a: _connect(socket.AF_INET6, socket.SOCK_STREAM, (a, world["tcp"])))


@attack
def cloud_metadata(world):
    return _connect(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80))


@attack
def names_by_dns(world):
    return str(socket.getaddrinfo("example.com", 443))


@attack
def unix_socket_of_the_host(world):
    return _connect(socket.AF_UNIX, socket.SOCK_STREAM, world["unix"])


@attack
def abstract_unix_socket_of_the_host(world):
    return _connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + world["abstract"])


@attack
def sockets_of_daemons(world):
    names = ["/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
             "/run/systemd/private", "/run/dbus/system_bus_socket", "/run/munge/munge.socket.2", "/run/nscd/socket", "/dev/log",
             "/run/user/1000/bus", "/tmp/.X11-unix/X0"]
    return first(names, lambda name: _connect(socket.AF_UNIX, socket.SOCK_STREAM, name))


@attack
def vsock_to_the_hypervisor(world):
    # Not kept apart by network namespaces.
    with socket.socket(40, socket.SOCK_STREAM):
        return "made a socket"


@attack
def sockets_of_rare_kinds(world):
    kinds = {"alg": (38, 5), "packet": (17, 3), "bluetooth": (31, 3), "can": (29, 3), "tipc": (30, 1), "rds": (21, 5),
             "xdp": (44, 3), "raw": (2, 3), "key": (15, 3), "smc": (43, 1), "qipcrtr": (42, 2), "kcm": (41, 2)}

    def make(name):
        with socket.socket(*kinds[name]):
            return "made a socket of " + name

    return first(kinds, make)


@attack
def configure_the_network(world):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.bind((0, 0))
        # RTM_NEWLINK, request and acknowledge: the loopback device up and with another address length.
        s.send(bytes([32, 0, 0, 0, 16, 0, 5, 4]) + bytes(8) + bytes([0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]))
        answer = s.recv(4096)
    error = int.from_bytes(answer[16:20], "little", signed=True)
    if error:
        raise OSError(-error, os.strerror(-error))
    return "the loopback device is changed"


@attack
def see_devices_of_the_host(world):
    names = [name for _, name in socket.if_nameindex()]
    if [n for n in names if n != "lo"]:
        return str(names)
    raise OSError(0, "there is only lo")

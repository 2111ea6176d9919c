"""More rights than a plain user has, and other views of the system."""

import ctypes
import os
import resource
import shutil
import struct
import subprocess

from attack import attack, first, numbered, syscall, write


@attack
def become_root(world):
    def change(how):
        how(0)
        return "uid %d" % os.getuid()

    return first([os.setuid, os.seteuid, os.setgid, lambda _: os.setgroups([0])], change)


@attack
def become_another_user(world):
    def change(uid):
        os.setresuid(uid, uid, uid)
        return "uid %d" % os.getuid()

    return first([1, 64100, 64101, 65534], change)


def _effective(command):
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=8)
    out = ended.stdout.decode("utf-8", "replace").strip()
    if ended.returncode != 0 or out != "0":
        raise OSError(0, "%s ended with %d" % (command[0], ended.returncode))
    return "%s gave uid 0" % command[0]


@attack
def use_the_hosts_setuid_programs(world):
    return first(
        [["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["pkexec", "id", "-u"], ["newgrp", "root"], ["unshare", "-r", "id", "-u"]],
        _effective)


@attack
def make_an_own_setuid_program(world):
    shutil.copy("/usr/bin/id", "/tmp/own-id")
    os.chmod("/tmp/own-id", 0o6755)
    try:
        return _effective(["/tmp/own-id", "-u"])
    finally:
        os.unlink("/tmp/own-id")


@attack
def give_a_program_capabilities(world):
    shutil.copy("/usr/bin/id", "/tmp/capable")
    try:
        os.setxattr("/tmp/capable", "security.capability", struct.pack("<IIIII", 0x02000001, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0))
        return "set"
    finally:
        os.unlink("/tmp/capable")


@attack
def give_itself_capabilities(world):
    header = ctypes.create_string_buffer(struct.pack("<II", 0x20080522, 0))
    data = ctypes.create_string_buffer(struct.pack("<IIIIII", 1 << 21, 1 << 21, 1 << 21, 0, 0, 0))
    return syscall(numbered(126, 91), header, data)


@attack
def keep_capabilities_in_the_bounding_set(world):
    with open("/proc/self/status", encoding="utf-8") as f:
        sets = dict(line.split(":\t") for line in f if line.startswith("Cap"))
    held = {name: value.strip() for name, value in sets.items() if int(value, 16) != 0}
    if held:
        return str(held)
    raise OSError(0, "all sets are empty")


@attack
def make_a_user_namespace(world):
    return syscall(numbered(272, 97), 0x10000000)


@attack
def make_a_user_namespace_by_clone3(world):
    arguments = ctypes.create_string_buffer(struct.pack("<8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0))
    pid = syscall(435, arguments, 64)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "made"


@attack
def make_other_namespaces(world):
    flags = {"mount": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "net": 0x40000000, "cgroup": 0x2000000,
             "time": 0x80}
    return first(flags, lambda kind: "%s %d" % (kind, syscall(numbered(272, 97), flags[kind])))


@attack
def join_other_namespaces(world):
    def join(kind):
        with open("/proc/1/ns/" + kind, "rb") as f:
            return "%s %d" % (kind, syscall(numbered(308, 268), f.fileno(), 0))

    return first(["mnt", "user", "net", "pid", "ipc"], join)


def _mount(source, target, kind, flags):
    return "mounted on %s: %d" % (target, syscall(numbered(165, 40), source, target.encode(), kind, flags, None))


@attack
def mount_something(world):
    return first([b"tmpfs", b"proc", b"sysfs", b"cgroup2", b"overlay", b"devtmpfs"], lambda k: _mount(b"none", "/tmp", k, 0))


@attack
def bind_something(world):
    return first(["/usr", "/etc", "/proc"], lambda t: _mount(b"/tmp", t, None, 4096))


@attack
def make_read_only_binds_writable(world):
    return first(["/usr", "/", "/etc/passwd", "/thresher/spack"], lambda t: _mount(None, t, None, 32 | 4096))


@attack
def unmount_something(world):
    return first(["/usr", "/proc", "/dev", "/tmp"], lambda t: "%d" % syscall(numbered(166, 39), t.encode(), 2))


@attack
def change_the_root(world):
    return first([(161, 51), (155, 41)], lambda n: syscall(numbered(*n), b"/tmp", b"/tmp"))


@attack
def leave_its_control_group(world):
    groups = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"]
    return first(groups, lambda g: write(g + "/cgroup.procs", b"0"))


@attack
def raise_its_limits(world):
    kinds = [resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE]

    def lift(kind):
        before = resource.getrlimit(kind)
        assert before[1] != resource.RLIM_INFINITY, "limit %d is not set" % kind
        try:
            resource.setrlimit(kind, (before[1] + 1, before[1] + 1))
        except ValueError as e:
            raise OSError(0, str(e))
        return "limit %d was %s" % (kind, before)

    return first(kinds, lift)


@attack
def be_spared_when_memory_is_short(world):
    return write("/proc/self/oom_score_adj", b"-1000")


@attack
def run_before_all_others(world):
    def nice(_):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        return "nice -20"

    def realtime(_):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
        return "real time"

    def disk(_):
        return "first at the disk: %d" % syscall(numbered(251, 30), 1, 0, 1 << 13)

    return first([nice, realtime, disk], lambda how: how(0))

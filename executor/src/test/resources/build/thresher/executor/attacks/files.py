"""Files of the host, its processes' and its devices'."""

import glob
import os
import stat

from attack import attack, first, listing, numbered, read, syscall, write


@attack
def read_shadow(world):
    return read("/etc/shadow")


@attack
def read_accounts_of_the_host(world):
    with open("/etc/passwd", encoding="utf-8") as f:
        names = [line.split(":")[0] for line in f]
    if "root" in names or "daemon" in names:
        return str(names)
    raise OSError(0, "the only accounts are " + " ".join(names))


@attack
def read_a_secret_that_all_users_of_the_host_may_read(world):
    return read(world["secret"])


@attack
def read_the_farms_token(world):
    return read(world["token"])


@attack
def list_the_executors_directory(world):
    return listing(world["work"])


@attack
def list_the_directory_of_another_build(world):
    return listing(world["other"])


@attack
def list_homes(world):
    return first(["/root", "/home"], listing)


@attack
def list_run_and_var(world):
    return first(["/run", "/var/run", "/var/lib", "/var/log", "/var/spool", "/boot", "/srv", "/mnt", "/media"], listing)


@attack
def read_host_keys(world):
    return first(["/etc/ssh", "/etc/ssl/private", "/etc/krb5.keytab", "/etc/munge", "/etc/sudoers"], listing)


@attack
def go_up_beyond_the_root(world):
    os.chdir("/")
    return read("../" * 60 + world["secret"].lstrip("/"))


@attack
def follow_an_own_link_out(world):
    os.symlink(world["secret"], "/tmp/link-out")
    try:
        return read("/tmp/link-out")
    finally:
        os.unlink("/tmp/link-out")


@attack
def enter_the_root_of_another_process(world):
    roots = glob.glob("/proc/[0-9]*/root") + glob.glob("/proc/[0-9]*/cwd")
    return first(roots, lambda r: read(r + world["secret"]))


@attack
def find_environments_of_others(world):
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            if world["canary"] in open(path, "rb").read().decode("utf-8", "replace"):
                return path
        except OSError:
            pass
    raise OSError(0, "no environment that can be read holds the canary")


@attack
def find_processes_of_the_host(world):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            text = open(path, "rb").read().decode("utf-8", "replace")
        except OSError:
            continue
        if world["canary"] in text or "java\0" in text:
            return path + ": " + text.replace("\0", " ")
    raise OSError(0, "%d processes are seen, all of this sandbox" % len(glob.glob("/proc/[0-9]*")))


@attack
def use_descriptors_that_were_left_open(world):
    standard = {os.fstat(n).st_ino for n in (0, 1, 2)}
    for name in os.listdir("/proc/self/fd"):
        try:
            status = os.fstat(int(name))
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if int(name) > 2 and status.st_ino not in standard and not target.startswith(("pipe:", "/proc/")):
            return "descriptor %s is %s" % (name, target)
    raise OSError(0, "only the standard ones are open")


@attack
def change_the_hosts_directory_by_an_inherited_working_directory(world):
    here = os.getcwd()
    assert here.startswith(("/tmp", "/thresher")), here
    raise OSError(0, "the working directory is " + here)


@attack
def write_proc_sys(world):
    return first(
        ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
         "/proc/sys/kernel/randomize_va_space", "/proc/sys/fs/suid_dumpable", "/proc/sys/vm/overcommit_memory"], write)


@attack
def write_other_kernel_files(world):
    return first(
        ["/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/mtrr", "/proc/bus/pci/00/00.0", "/proc/acpi/wakeup",
         "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run", "/sys/power/state", "/sys/module/kernel/parameters/panic"],
        write)


@attack
def read_the_kernels_memory(world):
    return first(["/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port"], lambda p: read(p, 16))


@attack
def read_the_kernels_log(world):
    return first(["/dev/kmsg", "/proc/kmsg"], lambda p: read(p, 16))


@attack
def open_disks_and_other_devices(world):
    names = ["sda", "vda", "nvme0n1", "nvme0", "kvm", "fuse", "loop-control", "loop0", "vsock", "vhost-vsock", "net/tun",
             "mapper/control", "uinput", "dri/card0", "nvidia0", "userfaultfd", "cuse", "snapshot", "watchdog", "tty0", "console"]
    return first(["/dev/" + n for n in names], lambda p: "opened %d" % os.open(p, os.O_RDONLY | os.O_NONBLOCK))


@attack
def make_device_nodes(world):
    def make(kind):
        path = "/tmp/node-%d" % kind
        os.mknod(path, kind | 0o666, os.makedev(1, 1) if kind == stat.S_IFCHR else os.makedev(254, 0))
        return path

    return first([stat.S_IFBLK, stat.S_IFCHR], make)


@attack
def open_a_file_by_its_handle(world):
    # The handle of inode 2, the root of most file systems.
    import ctypes

    handle = ctypes.create_string_buffer(b"\x08\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0", 64)
    directory = os.open("/usr", os.O_RDONLY)
    return syscall(numbered(304, 265), directory, handle, os.O_RDONLY)


@attack
def write_into_the_programs_of_the_host(world):
    assert not world["chroot"], "there are none to be seen"
    return first(["/usr/new", "/usr/bin/new", "/usr/local/bin/new", "/etc/new", "/etc/ld.so.preload", "/lib/new"], write)


@attack
def write_into_the_sandboxs_own_root(world):
    # It is memory that no limit on disks counts. An action whose inputs are its root may write there: they are its copy.
    return first(["/dev/new"] if world["chroot"] else ["/new", "/dev/new", "/thresher/new", "/etc/new"], write)

"""System calls that builds do not need and kernels had holes in, and ways around a filter of them."""

import ctypes
import mmap
import os

from attack import X86_64, attack, first, numbered, syscall


def _empty(size=128):
    return ctypes.create_string_buffer(size)


@attack
def bpf(world):
    return syscall(numbered(321, 280), 0, _empty(), 72)


@attack
def perf_event_open(world):
    attributes = ctypes.create_string_buffer(b"\x01\0\0\0\x80\0\0\0", 128)
    return syscall(numbered(298, 241), attributes, 0, -1, -1, 0)


@attack
def userfaultfd(world):
    return syscall(numbered(323, 282), 1)


@attack
def io_uring(world):
    return syscall(425, 4, _empty(256))


@attack
def add_a_key_to_a_keyring(world):
    return syscall(numbered(248, 217), b"user", b"thresher-attack", b"secret", 6, -4)


@attack
def read_keyrings(world):
    return first([-1, -2, -3, -4, -5], lambda ring: syscall(numbered(250, 219), 11, ring, _empty(), 100))


@attack
def request_a_key(world):
    return syscall(numbered(249, 218), b"user", world["canary"].encode(), None, -4)


@attack
def load_a_module(world):
    return first([(175, 105), (313, 273)], lambda n: syscall(numbered(*n), _empty(), 128, b""))


@attack
def load_another_kernel(world):
    return syscall(numbered(246, 104), 0, 0, 0, 0)


@attack
def reboot(world):
    # With wrong magic numbers: were it let through, it would be refused for those (EINVAL), and nothing happens.
    try:
        return syscall(numbered(169, 142), 0, 0, 0, 0)
    except OSError as e:
        assert e.errno != 22, "reboot reached the kernel"
        raise


@attack
def read_the_kernels_log_by_a_call(world):
    return "%d bytes" % syscall(numbered(103, 116), 3, _empty(4096), 4096)


@attack
def swap_and_accounting(world):
    return first([(167, 224), (163, 89)], lambda n: syscall(numbered(*n), b"/tmp", 0))


@attack
def kernel_quotas(world):
    return syscall(numbered(179, 60), 0x800007 << 8, b"/dev/vda", 0, _empty())


@attack
def processor_ports(world):
    assert X86_64, "this processor has none"
    return first([172, 173], lambda n: syscall(n, 3, 1, 1))


@attack
def compare_kernel_objects(world):
    return "%d" % syscall(numbered(312, 272), os.getpid(), os.getppid(), 2, 0, 0)


@attack
def calls_of_the_x32_table(world):
    # ptrace(PTRACE_TRACEME) with the bit of the x32 table set, which filters of plain numbers do not see.
    assert X86_64, "this processor has no such table"
    return syscall(0x40000000 | 521, 0, 0, 0, 0)


@attack
def calls_of_the_32_bit_table(world):
    # mov eax, 26 (ptrace there); xor ebx, ebx (PTRACE_TRACEME); int 0x80; ret
    assert X86_64, "this processor has no such table"
    code = b"\x53\xb8\x1a\x00\x00\x00\x31\xdb\x31\xc9\x31\xd2\x31\xf6\xcd\x80\x5b\xc3"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    result = call()
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return "ptrace answered %d" % result


@attack
def new_mount_calls(world):
    return first(
        [(430, (b"tmpfs", 0)), (428, (-100, b"/usr", 1)), (433, (-100, b"/usr", 0)), (442, (-100, b"/usr", 0, _empty(), 32))],
        lambda c: syscall(c[0], *c[1]))


@attack
def watch_all_files(world):
    return "descriptor %d" % syscall(numbered(300, 262), 0x200, 0)


@attack
def change_the_clock(world):
    time = ctypes.create_string_buffer(16)
    return first([(227, 112), (164, 170)], lambda n: syscall(numbered(*n), 0 if n[0] == 227 else time, time))


@attack
def change_the_host_name(world):
    return first([(170, 161), (171, 162)], lambda n: syscall(numbered(*n), b"attacked", 8))

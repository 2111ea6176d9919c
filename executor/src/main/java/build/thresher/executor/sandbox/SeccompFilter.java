package build.thresher.executor.sandbox;

import com.google.common.primitives.UnsignedBytes;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A filter of system calls, assembled as the kernel's classic BPF: builds need none of the calls
 * that it denies, and kernels had holes in most of them. Denied calls fail with EPERM, sockets of
 * other than the usual families with EAFNOSUPPORT; all calls of another architecture's table fail
 * with ENOSYS, so 32-bit programs do not run. Stateless.
 */
public final class SeccompFilter {
  private static final int LOAD_WORD = 0x20;
  private static final int JUMP_EQUAL = 0x15;
  private static final int JUMP_GREATER_EQUAL = 0x35;
  private static final int RETURN = 0x06;
  private static final int ALLOW = 0x7fff0000;
  private static final int ERRNO = 0x00050000;
  private static final int EPERM = 1;
  private static final int ENOSYS = 38;
  private static final int EAFNOSUPPORT = 97;
  private static final int OFFSET_NUMBER = 0;
  private static final int OFFSET_ARCHITECTURE = 4;

  /** The lower halves of the first two arguments, on the little-endian machines that there are. */
  private static final int OFFSET_FIRST = 16;

  private static final int OFFSET_SECOND = 24;
  private static final int X32_BIT = 0x40000000;

  /**
   * Unix, IPv4, IPv6 and netlink, by which programs ask for their own devices. All else is refused:
   * sockets to the hypervisor are not kept apart by namespaces, and rare kinds had the most holes.
   */
  private static final List<Integer> SOCKET_FAMILIES = List.of(1, 2, 10, 16);

  /** TIOCSTI and TIOCLINUX, which put words into a terminal's mouth. */
  private static final List<Integer> DENIED_REQUESTS = List.of(0x5412, 0x541c);

  /**
   * What the table of an architecture says.
   *
   * @param audit as the kernel names it
   * @param denied calls, besides those that have one number everywhere
   */
  private record Table(int audit, int socket, int ioctl, List<Integer> denied) {}

  /** Numbers above 424 are the same on all architectures. */
  private static final List<Integer> DENIED_EVERYWHERE =
      List.of(
          425, // io_uring_setup
          426, // io_uring_enter
          427, // io_uring_register
          428, // open_tree
          429, // move_mount
          430, // fsopen
          431, // fsconfig
          432, // fsmount
          433, // fspick
          438, // pidfd_getfd
          442, // mount_setattr
          443 // quotactl_fd
          );

  private static final List<Integer> DENIED_X86_64 =
      List.of(
          101, // ptrace
          103, // syslog
          155, // pivot_root
          161, // chroot
          163, // acct
          164, // settimeofday
          165, // mount
          166, // umount2
          167, // swapon
          168, // swapoff
          169, // reboot
          172, // iopl
          173, // ioperm
          175, // init_module
          176, // delete_module
          179, // quotactl
          212, // lookup_dcookie
          227, // clock_settime
          246, // kexec_load
          248, // add_key
          249, // request_key
          250, // keyctl
          298, // perf_event_open
          300, // fanotify_init
          303, // name_to_handle_at
          304, // open_by_handle_at
          308, // setns
          310, // process_vm_readv
          311, // process_vm_writev
          312, // kcmp
          313, // finit_module
          320, // kexec_file_load
          321, // bpf
          323 // userfaultfd
          );

  private static final List<Integer> DENIED_AARCH64 =
      List.of(
          18, // lookup_dcookie
          39, // umount2
          40, // mount
          41, // pivot_root
          51, // chroot
          60, // quotactl
          89, // acct
          104, // kexec_load
          105, // init_module
          106, // delete_module
          112, // clock_settime
          116, // syslog
          117, // ptrace
          142, // reboot
          170, // settimeofday
          217, // add_key
          218, // request_key
          219, // keyctl
          224, // swapon
          225, // swapoff
          241, // perf_event_open
          262, // fanotify_init
          264, // name_to_handle_at
          265, // open_by_handle_at
          268, // setns
          270, // process_vm_readv
          271, // process_vm_writev
          272, // kcmp
          273, // finit_module
          280, // bpf
          282, // userfaultfd
          294 // kexec_file_load
          );

  private SeccompFilter() {}

  /**
   * Writes the filter for an architecture as {@code os.arch} names it; empty where there is none.
   */
  public static Optional<Path> write(Path file, String architecture) throws IOException {
    switch (architecture) {
      case "amd64", "x86_64" ->
          Files.write(file, assemble(new Table(0xc000003e, 41, 16, DENIED_X86_64)));
      case "aarch64", "arm64" ->
          Files.write(file, assemble(new Table(0xc00000b7, 198, 29, DENIED_AARCH64)));
      default -> {
        return Optional.empty();
      }
    }
    return Optional.of(file);
  }

  private static byte[] assemble(Table table) {
    List<Integer> denied = new ArrayList<>(table.denied());
    denied.addAll(DENIED_EVERYWHERE);
    Program program = new Program();
    program.load(OFFSET_ARCHITECTURE);
    program.skipIfEqual(table.audit());
    program.answer(ERRNO | ENOSYS);
    program.load(OFFSET_NUMBER);
    program.gotoIf(JUMP_GREATER_EQUAL, X32_BIT, "unknown");
    denied.forEach(number -> program.gotoIf(JUMP_EQUAL, number, "denied"));
    program.gotoIf(JUMP_EQUAL, table.socket(), "socket");
    program.gotoIf(JUMP_EQUAL, table.ioctl(), "ioctl");
    program.answer(ALLOW);
    program.label("socket");
    program.load(OFFSET_FIRST);
    SOCKET_FAMILIES.forEach(family -> program.gotoIf(JUMP_EQUAL, family, "allowed"));
    program.answer(ERRNO | EAFNOSUPPORT);
    program.label("ioctl");
    program.load(OFFSET_SECOND);
    DENIED_REQUESTS.forEach(request -> program.gotoIf(JUMP_EQUAL, request, "denied"));
    program.label("allowed");
    program.answer(ALLOW);
    program.label("unknown");
    program.answer(ERRNO | ENOSYS);
    program.label("denied");
    program.answer(ERRNO | EPERM);
    return program.bytes();
  }

  /** Instructions; jumps go forward, to labels, and over 255 instructions at most. */
  private static final class Program {
    private record Instruction(int code, String target, int ifTrue, int value) {}

    private final List<Instruction> instructions = new ArrayList<>();
    private final Map<String, Integer> labels = new HashMap<>();

    void load(int offset) {
      instructions.add(new Instruction(LOAD_WORD, "", 0, offset));
    }

    void answer(int value) {
      instructions.add(new Instruction(RETURN, "", 0, value));
    }

    void skipIfEqual(int value) {
      instructions.add(new Instruction(JUMP_EQUAL, "", 1, value));
    }

    void gotoIf(int comparison, int value, String target) {
      instructions.add(new Instruction(comparison, target, 0, value));
    }

    void label(String name) {
      labels.put(name, instructions.size());
    }

    byte[] bytes() {
      ByteBuffer bytes =
          ByteBuffer.allocate(8 * instructions.size()).order(ByteOrder.nativeOrder());
      for (int i = 0; i < instructions.size(); i++) {
        Instruction instruction = instructions.get(i);
        int jump =
            instruction.target().isEmpty()
                ? instruction.ifTrue()
                : Objects.requireNonNull(labels.get(instruction.target())) - i - 1;
        bytes.putShort((short) instruction.code());
        bytes.put(UnsignedBytes.checkedCast(jump)).put((byte) 0);
        bytes.putInt(instruction.value());
      }
      return bytes.array();
    }
  }
}

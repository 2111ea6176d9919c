package build.thresher.executor.sandbox;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A filter of system calls, assembled as the kernel's classic BPF: builds need none of the calls
 * that it denies, and kernels had holes in most of them. Denied calls fail with EPERM; all calls of
 * another architecture's table fail with ENOSYS, so 32-bit programs do not run. Stateless.
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
  private static final int OFFSET_NUMBER = 0;
  private static final int OFFSET_ARCHITECTURE = 4;
  private static final int X32_BIT = 0x40000000;

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
          442 // mount_setattr
          );

  private static final List<Integer> DENIED_X86_64 =
      List.of(
          101, // ptrace
          155, // pivot_root
          161, // chroot
          163, // acct
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
          246, // kexec_load
          248, // add_key
          249, // request_key
          250, // keyctl
          298, // perf_event_open
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
          117, // ptrace
          142, // reboot
          217, // add_key
          218, // request_key
          219, // keyctl
          224, // swapon
          225, // swapoff
          241, // perf_event_open
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
      case "amd64", "x86_64" -> Files.write(file, assemble(0xc000003e, DENIED_X86_64));
      case "aarch64", "arm64" -> Files.write(file, assemble(0xc00000b7, DENIED_AARCH64));
      default -> {
        return Optional.empty();
      }
    }
    return Optional.of(file);
  }

  private static byte[] assemble(int auditArchitecture, List<Integer> denied) {
    int count = 8 + denied.size() + DENIED_EVERYWHERE.size();
    ByteBuffer program = ByteBuffer.allocate(8 * count).order(ByteOrder.nativeOrder());
    put(program, LOAD_WORD, 0, 0, OFFSET_ARCHITECTURE);
    put(program, JUMP_EQUAL, 1, 0, auditArchitecture);
    put(program, RETURN, 0, 0, ERRNO | ENOSYS);
    put(program, LOAD_WORD, 0, 0, OFFSET_NUMBER);
    int checks = denied.size() + DENIED_EVERYWHERE.size();
    // To the last instruction but one, which refuses x32 calls as unknown.
    put(program, JUMP_GREATER_EQUAL, checks + 1, 0, X32_BIT);
    int left = checks;
    for (int number : denied) {
      put(program, JUMP_EQUAL, left + 1, 0, number);
      left--;
    }
    for (int number : DENIED_EVERYWHERE) {
      put(program, JUMP_EQUAL, left + 1, 0, number);
      left--;
    }
    put(program, RETURN, 0, 0, ALLOW);
    put(program, RETURN, 0, 0, ERRNO | ENOSYS);
    put(program, RETURN, 0, 0, ERRNO | EPERM);
    return program.array();
  }

  private static void put(ByteBuffer program, int code, int ifTrue, int ifFalse, int value) {
    program.putShort((short) code).put((byte) ifTrue).put((byte) ifFalse).putInt(value);
  }
}

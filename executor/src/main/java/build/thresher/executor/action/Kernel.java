package build.thresher.executor.action;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The few system calls that Java has no method for: mounting costs microseconds this way, and
 * milliseconds by a program. They need root. Thread-safe.
 */
@SuppressWarnings("restricted") // the program starts with native access for its storage engine too
public final class Kernel {
  private static final long NO_SUID = 2;
  private static final long NO_DEVICES = 4;
  private static final long SHARED = 1L << 20;
  private static final int DETACH = 2;
  private static final int NO_FOLLOW = 8;
  private static final int CHARACTER_DEVICE = 0020000;

  private final MemoryLayout callState = Linker.Option.captureStateLayout();
  private final VarHandle errno =
      callState.varHandle(MemoryLayout.PathElement.groupElement("errno"));
  private final MethodHandle mount;
  private final MethodHandle umount;
  private final MethodHandle mknod;
  private final MethodHandle strerror;

  public Kernel() {
    mount =
        function(
            "mount",
            ValueLayout.ADDRESS,
            ValueLayout.ADDRESS,
            ValueLayout.ADDRESS,
            ValueLayout.JAVA_LONG,
            ValueLayout.ADDRESS);
    umount = function("umount2", ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
    mknod = function("mknod", ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG);
    Linker linker = Linker.nativeLinker();
    strerror =
        linker.downcallHandle(
            linker.defaultLookup().findOrThrow("strerror"),
            FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
  }

  private static MethodHandle function(String name, MemoryLayout... arguments) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow(name),
        FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments),
        Linker.Option.captureCallState("errno"));
  }

  private interface Call {
    // What an invoked handle may throw, says its type.
    int run(Arena arena, MemorySegment state) throws Throwable;
  }

  private void call(String what, Call call) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(callState);
      int result;
      try {
        result = call.run(arena, state);
      } catch (Throwable e) {
        throw new IllegalStateException("cannot call into the C library", e);
      }
      if (result != 0) {
        throw new IOException(what + ": " + text((int) errno.get(state, 0L)));
      }
    }
  }

  private String text(int number) {
    try {
      MemorySegment text = (MemorySegment) strerror.invokeExact(number);
      return text.reinterpret(1000).getString(0);
    } catch (Throwable e) {
      return "error " + number;
    }
  }

  /**
   * Mounts an overlay: what is written goes to {@code upper}, the lower directories are never
   * changed. Nothing of it is synced: it does not outlive its action.
   *
   * @param lower the first covers the second, and so on
   * @param work empty, on the file system of {@code upper}
   */
  void overlay(List<Path> lower, Path upper, Path work, Path at) throws IOException {
    StringBuilder options = new StringBuilder("lowerdir=");
    for (int i = 0; i < lower.size(); i++) {
      options.append(i == 0 ? "" : ":").append(escape(lower.get(i), true));
    }
    options.append(",upperdir=").append(escape(upper, false));
    options.append(",workdir=").append(escape(work, false));
    options.append(",redirect_dir=off,metacopy=off,index=off,volatile");
    mount("overlay", at, NO_SUID | NO_DEVICES, options.toString());
  }

  private void mount(String kind, Path at, long flags, String options) throws IOException {
    call(
        "cannot mount (" + kind + ") at " + at,
        (arena, state) ->
            (int)
                mount.invokeExact(
                    state,
                    arena.allocateFrom(kind),
                    arena.allocateFrom(at.toString()),
                    arena.allocateFrom(kind),
                    flags,
                    arena.allocateFrom(options)));
  }

  /** Commas end an option, and colons a lower directory. */
  private static String escape(Path path, boolean colons) {
    String escaped = path.toString().replace("\\", "\\\\").replace(",", "\\,");
    return colons ? escaped.replace(":", "\\:") : escaped;
  }

  /**
   * Mounts a place for mounts, in memory: what is mounted in it is seen too by namespaces that are
   * made later, in which the host's own mounts may not be followed.
   */
  public void placeForMounts(Path at) throws IOException {
    mount("tmpfs", at, NO_SUID | NO_DEVICES, "mode=755,size=1m");
    mount("none", at, SHARED, "");
  }

  /** Takes a mount away, at once for everybody who looks, and for good when its last user ends. */
  void detach(Path at) throws IOException {
    call(
        "cannot unmount " + at,
        (arena, state) ->
            (int) umount.invokeExact(state, arena.allocateFrom(at.toString()), DETACH | NO_FOLLOW));
  }

  /** Takes away all that is mounted below a directory, such as an executor that was killed left. */
  public void detachBelow(Path directory) throws IOException {
    List<Path> mounted =
        Files.readAllLines(Path.of("/proc/self/mountinfo")).stream()
            .map(line -> Path.of(unescape(line.split(" ", 6)[4])))
            .filter(path -> path.startsWith(directory))
            .toList();
    for (Path path : mounted.reversed()) {
      detach(path);
    }
  }

  private static String unescape(String field) {
    return field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\");
  }

  /** Makes the mark by which an overlay's layer hides a name of the layers below. */
  void whiteout(Path at) throws IOException {
    call(
        "cannot make a whiteout at " + at,
        (arena, state) ->
            (int)
                mknod.invokeExact(state, arena.allocateFrom(at.toString()), CHARACTER_DEVICE, 0L));
  }
}

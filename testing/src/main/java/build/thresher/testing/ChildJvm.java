package build.thresher.testing;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Programs of a test's class path in processes of their own, for tests that kill them or make their
 * disk fail. Such a process does little but start, so it is started the quick way: with a compiler
 * that pays at once, and with the library of RocksDB unpacked already, which each would else do.
 */
public final class ChildJvm {
  private static final String LIBRARY = "librocksdbjni-linux64.so";

  private final Path libraries;

  private ChildJvm(Path libraries) {
    this.libraries = libraries;
  }

  /**
   * @param scratch where the library is unpacked; it must outlive the processes
   */
  public static ChildJvm with(Path scratch) throws IOException {
    Path libraries = Files.createDirectories(scratch.resolve("libraries"));
    try (InputStream library = ChildJvm.class.getResourceAsStream("/" + LIBRARY)) {
      if (library != null) {
        Files.copy(library, libraries.resolve(LIBRARY));
      }
    }
    return new ChildJvm(libraries);
  }

  /** What runs {@code main} of a class on the JVM of the test. */
  public ProcessBuilder of(Class<?> program, List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED"));
    command.add("-Djava.library.path=" + libraries);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName()));
    command.addAll(arguments);
    return new ProcessBuilder(command);
  }
}

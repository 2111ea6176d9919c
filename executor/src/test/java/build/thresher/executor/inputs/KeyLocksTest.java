package build.thresher.executor.inputs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The locks are those that Spack takes: same file, same byte, seen from another process. */
final class KeyLocksTest {
  private static final String HASH = "txgvl4ydfljtbripnn2u62yweiyxxwxm";

  private final Path temporary;

  KeyLocksTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  /** As Spack computes it: the first 63 bits of the base32-decoded hash. */
  private static final String OFFSET =
      """
      import base64, sys
      def offset(h):
          return int.from_bytes(base64.b32decode(h, casefold=True), "big") >> (len(h) * 5 - 63)
      """;

  private String python(String script) throws IOException, InterruptedException {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/python3")), "no python3 on this host");
    Process process =
        new ProcessBuilder("/usr/bin/python3", "-c", OFFSET + script)
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return output.strip();
  }

  @Test
  void theOffsetIsTheFirst63BitsOfTheHash() throws Exception {
    for (String hash : new String[] {HASH, "a".repeat(32), "7".repeat(32), "b" + "a".repeat(31)}) {
      assertEquals(
          python("print(offset('%s'))".formatted(hash)),
          Long.toString(KeyLocks.dagHashOffset(hash)));
    }
    assertEquals(0, KeyLocks.dagHashOffset("a".repeat(32)));
    assertEquals(Long.MAX_VALUE, KeyLocks.dagHashOffset("7".repeat(32)));
  }

  private String tryFromOutside(String kind) throws Exception {
    return python(
        """
        import fcntl
        f = open("%s/.spack-db/prefix_lock", "r+")
        try:
            fcntl.lockf(f, fcntl.%s | fcntl.LOCK_NB, 1, offset("%s"))
            print("free")
        except OSError:
            print("taken")
        """
            .formatted(temporary, kind, HASH));
  }

  @Test
  void anotherProcessSeesThem() throws Exception {
    try (KeyLocks locks = KeyLocks.ofPrefixes(temporary)) {
      Closeable shared = locks.shared(HASH + "-archive");
      assertEquals("free", tryFromOutside("LOCK_SH"));
      assertEquals("taken", tryFromOutside("LOCK_EX"));
      shared.close();
      Closeable exclusive = locks.tryExclusive(HASH).orElseThrow();
      assertEquals("taken", tryFromOutside("LOCK_SH"));
      exclusive.close();
      assertEquals("free", tryFromOutside("LOCK_EX"));
    }
  }

  @Test
  void threadsOfOneProcessExcludeEachOtherToo() throws Exception {
    try (KeyLocks one = KeyLocks.ofPrefixes(temporary);
        KeyLocks other = KeyLocks.ofPrefixes(temporary)) {
      Closeable first = one.shared(HASH);
      Closeable second = other.shared(HASH);
      assertTrue(other.tryExclusive(HASH).isEmpty());
      first.close();
      first.close();
      assertTrue(one.tryExclusive(HASH).isEmpty(), "the second is still there");
      second.close();
      one.tryExclusive(HASH).orElseThrow().close();
    }
  }

  @Test
  void closingOneDoesNotDropTheLocksOfAnother() throws Exception {
    try (KeyLocks one = KeyLocks.ofPrefixes(temporary)) {
      Closeable lock = one.shared(HASH);
      KeyLocks.ofPrefixes(temporary).close();
      assertEquals("taken", tryFromOutside("LOCK_EX"));
      lock.close();
    }
  }
}

package build.thresher.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DigestCacheTest {
  /** Files of the test are settled when the cache looks at them. */
  private static final InstantSource LATER =
      InstantSource.offset(InstantSource.system(), Duration.ofMinutes(1));

  @TempDir private Path directory = Path.of("");
  private Path cache = Path.of("");
  private Path file = Path.of("");

  @BeforeEach
  void oneFile() throws IOException {
    cache = directory.resolve("cache/digests");
    file = Files.writeString(directory.resolve("file"), "one");
  }

  @Test
  void aFileThatIsTheSameIsNotReadAgain() throws Exception {
    remember();
    DigestCache second = DigestCache.load(cache, LATER);
    assertEquals(of("one"), second.hash(file));
    Files.setLastModifiedTime(cache, FileTime.fromMillis(0));

    second.save();

    assertEquals(FileTime.fromMillis(0), Files.getLastModifiedTime(cache), "nothing was new");
  }

  @Test
  void aFileOfOtherContentIsHashedAgain() throws Exception {
    remember();
    FileTime before = Files.getLastModifiedTime(file);
    Files.writeString(file, "two");
    Files.setLastModifiedTime(file, before); // as an unpacked archive would

    assertEquals(of("two"), DigestCache.load(cache, LATER).hash(file));
  }

  @Test
  void aFileThatTookTheNameOfAnotherIsHashedAgain() throws Exception {
    remember();
    Path other = Files.writeString(directory.resolve("other"), "two");
    Files.setLastModifiedTime(other, Files.getLastModifiedTime(file));
    Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);

    assertEquals(of("two"), DigestCache.load(cache, LATER).hash(file));
  }

  @Test
  void aFileThatMayStillBeWrittenIsNotRemembered() throws Exception {
    DigestCache now = DigestCache.load(cache, Instant::now);
    now.hash(file);
    now.save();

    assertFalse(Files.exists(cache));
  }

  @Test
  void everyDamageMakesItAnEmptyCache() throws Exception {
    remember();
    byte[] whole = Files.readAllBytes(cache);
    Files.writeString(file, "two");
    for (int at = 0; at < whole.length; at++) {
      byte[] damaged = whole.clone();
      damaged[at] ^= 0x10;
      Files.write(cache, damaged);
      assertEquals(of("two"), DigestCache.load(cache, LATER).hash(file), "byte " + at);
      Files.write(cache, Arrays.copyOf(whole, at));
      assertEquals(of("two"), DigestCache.load(cache, LATER).hash(file), "cut at " + at);
    }
  }

  @Test
  void onlyItsOwnerReadsIt() throws Exception {
    remember();

    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(cache)));
    try (var left = Files.list(cache.getParent())) {
      assertTrue(left.allMatch(cache::equals), "no temporary file stays");
    }
  }

  private void remember() throws IOException {
    DigestCache first = DigestCache.load(cache, LATER);
    assertEquals(of("one"), first.hash(file));
    first.save();
  }

  private static Digest of(String text) {
    return Digest.of(text.getBytes(StandardCharsets.UTF_8));
  }
}

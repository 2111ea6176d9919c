package build.thresher.deploy.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokensTest {
  @TempDir Path dir;

  @Test
  void theFirstStartMakesATokenThatOnlyItsOwnerReads() throws Exception {
    Path file = dir.resolve("deep/er/token");
    Tokens tokens = Tokens.readOrCreate(file, new SecureRandom());
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    assertTrue(tokens.authorizes("Bearer " + Tokens.read(file)));
    assertTrue(Tokens.readOrCreate(file, new SecureRandom()).matches(Tokens.read(file)));
  }

  @Test
  void anythingElseIsRefused() throws Exception {
    Tokens tokens = Tokens.readOrCreate(dir.resolve("token"), new SecureRandom());
    for (String header : new String[] {"", "Bearer", "Bearer ", "Bearer x", "Basic abc"}) {
      assertFalse(tokens.authorizes(header), header);
    }
  }

  @Test
  void aTokenThatOthersCanReadIsRefused() throws Exception {
    Path file = dir.resolve("token");
    Tokens.readOrCreate(file, new SecureRandom());
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    assertThrows(IOException.class, () -> Tokens.read(file));
  }
}

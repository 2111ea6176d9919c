package build.thresher.deploy.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.http.AccessCheck.Role;
import build.thresher.cas.http.Requester;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MirrorAccessTest {
  private static final String READER = "reader-0123456789";

  @TempDir Path dir;
  private Path readers;

  @BeforeEach
  void write() throws IOException {
    readers = dir.resolve("readers");
    Files.writeString(readers, "# who reads\n" + READER + " # site A\n\nanother_0123456789\n");
    Files.setPosixFilePermissions(readers, PosixFilePermissions.fromString("rw-r-----"));
  }

  private static Requester from(String address, String token) {
    return new Requester(token.isEmpty() ? Optional.empty() : Optional.of(token), address);
  }

  @Test
  void aPrivateInstanceIsReadByThoseWhoAreNamed() throws Exception {
    Tokens farm = Tokens.readOrCreate(dir.resolve("token"), new SecureRandom());
    String owner = Tokens.read(dir.resolve("token"));
    ReadRules rules = ReadRules.none().withTokens(readers).withNetwork("10.1.0.0/16");
    MirrorAccess access = new MirrorAccess(farm, true, ImmutableMap.of("closed", rules));
    assertTrue(access.allows(Role.MIRROR_READ, "open", from("192.0.2.1", "")));
    assertFalse(access.allows(Role.MIRROR_READ, "closed", from("192.0.2.1", "")));
    assertFalse(access.allows(Role.MIRROR_READ, "closed", from("192.0.2.1", READER + "x")));
    assertTrue(access.allows(Role.MIRROR_READ, "closed", from("192.0.2.1", READER)));
    assertTrue(access.allows(Role.MIRROR_READ, "closed", from("10.1.255.1", "")));
    assertFalse(access.allows(Role.MIRROR_READ, "closed", from("10.2.0.1", "")));
    assertTrue(access.allows(Role.MIRROR_READ, "closed", from("192.0.2.1", owner)));
    assertFalse(access.allows(Role.MIRROR_PUSH, "closed", from("10.1.0.1", READER)));
    assertTrue(access.allows(Role.MIRROR_PUSH, "closed", from("192.0.2.1", owner)));
    MirrorAccess shut = new MirrorAccess(farm, false, ImmutableMap.of());
    assertFalse(shut.allows(Role.MIRROR_READ, "open", from("127.0.0.1", READER)));
    MirrorAccess tokenless = new MirrorAccess(null, false, ImmutableMap.of("closed", rules));
    assertTrue(tokenless.allows(Role.MIRROR_READ, "open", from("127.0.0.1", "")));
    assertFalse(tokenless.allows(Role.MIRROR_READ, "closed", from("127.0.0.1", "")));
    assertEquals(2, access.readSecrets("closed").size());
    assertEquals(List.of(), access.readSecrets("open"));
  }

  @Test
  void aFileThatEverybodyReadsOrThatHoldsNoTokensIsRefused() throws Exception {
    Files.writeString(readers, "short\n");
    IOException e = assertThrows(IOException.class, () -> ReadRules.none().withTokens(readers));
    assertTrue(String.valueOf(e.getMessage()).contains("line 1"), e.getMessage());
    Files.setPosixFilePermissions(readers, PosixFilePermissions.fromString("rw-r--r--"));
    assertThrows(IOException.class, () -> ReadRules.none().withTokens(readers));
  }

  @Test
  void networksAreComparedBitByBit() {
    assertTrue(Network.parse("192.168.4.0/22").contains("192.168.7.255"));
    assertFalse(Network.parse("192.168.4.0/22").contains("192.168.8.0"));
    assertTrue(Network.parse("0.0.0.0/0").contains("203.0.113.9"));
    assertFalse(Network.parse("0.0.0.0/0").contains("::1"));
    assertTrue(Network.parse("fd00::/8").contains("fdab::1%eth0"));
    assertTrue(Network.parse("10.0.0.7").contains("10.0.0.7"));
    assertFalse(Network.parse("10.0.0.7").contains("10.0.0.8"));
    assertFalse(Network.parse("10.0.0.0/8").contains(""));
    for (String wrong : List.of("10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "example.org", "")) {
      assertThrows(IllegalArgumentException.class, () -> Network.parse(wrong), wrong);
    }
  }
}

package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.mirror.TrustedKeys.Verified;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SignerTest {
  private static final String TEXT = "{\n\"version\":3,\n\"data\":[\n]\n}";

  @TempDir Path dir;

  private Signer signer(KeyType type) throws IOException {
    return Signer.open(dir.resolve("key"), "test farm", InstantSource.system(), type);
  }

  private Signer signer() throws IOException {
    return signer(KeyType.ED25519);
  }

  private record Result(int exit, String output) {}

  private Result gpg(String... arguments) throws Exception {
    return gpgWithAgent(Lists.asList("--no-autostart", arguments).toArray(String[]::new));
  }

  private Result gpgWithAgent(String... arguments) throws Exception {
    Path home = Files.createDirectories(dir.resolve("gnupg"));
    Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwx------"));
    List<String> command = new ArrayList<>(List.of("gpg", "--homedir", home.toString(), "--batch"));
    command.addAll(List.of(arguments));
    Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Result(p.waitFor(), output);
  }

  private static void assumeGpg() {
    try {
      assumeTrue(new ProcessBuilder("gpg", "--version").start().waitFor() == 0, "gpg does not run");
    } catch (IOException | InterruptedException e) {
      assumeTrue(false, "gpg is not installed: signatures are not tried with it");
    }
  }

  @ParameterizedTest
  @EnumSource
  void gpgVerifiesWhatItSigned(KeyType type) throws Exception {
    assumeGpg();
    Signer signer = signer(type);
    assertEquals(type, signer.type());
    Path key = Files.write(dir.resolve("key.asc"), signer.publicKey());
    Path signed = Files.writeString(dir.resolve("m.json"), signer.clearSign(TEXT));
    Result imported = gpg("--import", key.toString());
    assertEquals(0, imported.exit(), imported.output());
    Result verified = gpg("--status-fd", "1", "--verify", signed.toString());
    assertEquals(0, verified.exit(), verified.output());
    assertTrue(verified.output().contains("VALIDSIG " + signer.fingerprint()), verified.output());
    Path output = dir.resolve("out");
    assertEquals(0, gpg("-o", output.toString(), "--decrypt", signed.toString()).exit());
    assertEquals(TEXT, Files.readString(output).stripTrailing());
    Verified here = TrustedKeys.read(key, InstantSource.system()).verify(Files.readString(signed));
    assertEquals(new Verified(TEXT, signer.fingerprint()), here);
  }

  @Test
  void whatGpgSignsWithEd25519IsVerifiedHere() throws Exception {
    assumeGpg();
    String key = dir.resolve("key").toString();
    Path signedFile = dir.resolve("signed");
    Path text = Files.writeString(dir.resolve("text"), TEXT);
    try {
      Result made =
          gpgWithAgent("--passphrase", "", "--quick-gen-key", "someone", "ed25519", "sign", "0");
      assumeTrue(made.exit() == 0, "SKIPPED: this gpg makes no Ed25519 keys: " + made.output());
      gpgWithAgent("--clearsign", "-o", signedFile.toString(), text.toString());
      gpgWithAgent("--export", "-o", key);
    } finally {
      String home = dir.resolve("gnupg").toString();
      new ProcessBuilder("gpgconf", "--homedir", home, "--kill", "all").start().waitFor();
    }
    TrustedKeys trusted = TrustedKeys.read(Path.of(key), InstantSource.system());
    String signed = Files.readString(signedFile);
    assertEquals(TEXT, trusted.verify(signed).text());
    String changed = signed.replace("\"version\":3", "\"version\":4");
    assertThrows(BadSignatureException.class, () -> trusted.verify(changed));
  }

  @Test
  void gpgRefusesAChangedText() throws Exception {
    assumeGpg();
    Signer signer = signer();
    gpg("--import", Files.write(dir.resolve("key.asc"), signer.publicKey()).toString());
    String changed = signer.clearSign(TEXT).replace("\"version\":3", "\"version\":4");
    Result verified = gpg("--verify", Files.writeString(dir.resolve("m"), changed).toString());
    assertEquals(1, verified.exit(), verified.output());
    assertTrue(verified.output().contains("BAD signature"), verified.output());
  }

  @Test
  void theKeyIsMadeOnceAndOnlyItsOwnerCanReadIt() throws Exception {
    String first = signer().fingerprint();
    assertEquals(40, first.length());
    assertEquals(first, signer().fingerprint());
    Path key = dir.resolve("key");
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(key)));
    try (var files = Files.list(key)) {
      List<Path> all = files.toList();
      assertEquals(1, all.size(), all::toString);
      assertEquals(
          "rw-------",
          PosixFilePermissions.toString(Files.getPosixFilePermissions(all.getFirst())));
    }
  }

  @Test
  void aDamagedKeyIsNotReplaced() throws Exception {
    signer();
    Path file = dir.resolve("key/signing-key.pgp");
    Files.write(file, new byte[] {1, 2, 3});
    assertThrows(IOException.class, this::signer);
    assertEquals(3, Files.size(file));
  }
}

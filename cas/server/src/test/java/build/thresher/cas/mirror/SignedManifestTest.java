package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A manifest that Spack signed with gpg, and everything that could be changed in it. */
class SignedManifestTest {
  private static final Path FIXTURES = Path.of("src/test/resources/spack");
  private static final Path KEY = FIXTURES.resolve("v3-signed.pub.asc");
  private static final String BEGIN = "-----BEGIN PGP SIGNATURE-----";
  private static final Pattern CHECKSUM = Pattern.compile("\n=[A-Za-z0-9+/]{4}\n");

  /** What stands before the number. */
  private static final int HEAD_LETTERS = 80;

  private static final String BASE64 =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  @TempDir Path dir;
  private TrustedKeys trusted = TrustedKeys.NONE;
  private String signed = "";

  @BeforeEach
  void read() throws IOException {
    trusted = TrustedKeys.read(KEY, InstantSource.system());
    try (Stream<Path> all = Files.walk(FIXTURES.resolve("v3-signed/v3/manifests/spec/fl-core"))) {
      signed = Files.readString(all.filter(Files::isRegularFile).findFirst().orElseThrow());
    }
  }

  /**
   * What is changed.
   *
   * @param gpgToo false where gpg may take it because it reads less strictly
   */
  private record Mutation(UnaryOperator<String> change, boolean gpgToo) {}

  private static Map<String, Mutation> mutations() {
    Map<String, Mutation> all = new LinkedHashMap<>();
    all.put("another length", refusedByAll(s -> s.replace("6871", "6872")));
    all.put("a blank more", refusedByAll(s -> s.replace("\"version\":3", "\"version\": 3")));
    all.put("text behind it", refusedHere(s -> s + "\nmore"));
    all.put("text before it", refusedHere(s -> "\n" + s));
    all.put("two of them", refusedHere(s -> s + s));
    all.put("no hash header", refusedHere(s -> s.replace("Hash: SHA512\n", "")));
    all.put("a weak hash", refusedHere(s -> s.replace("Hash: SHA512", "Hash: MD5")));
    all.put(
        "another header",
        refusedHere(s -> s.replace("Hash: SHA512", "Hash: SHA512\nCharset: UTF-7")));
    all.put(
        "a signature in the text",
        refusedByAll(s -> s.replace("Hash: SHA512\n\n", "Hash: SHA512\n\n- " + BEGIN + "\n")));
    all.put(
        "an empty line", refusedByAll(s -> s.replace("Hash: SHA512\n\n", "Hash: SHA512\n\n- \n")));
    all.put(
        "a header of the signature",
        refusedHere(s -> s.replaceFirst(BEGIN + "\n\n", BEGIN + "\nX: y\n\n")));
    all.put(
        "an empty signature", refusedByAll(s -> s.replaceFirst(BEGIN + "[^-]*", BEGIN + "\n\n")));
    all.put("no signature", refusedByAll(s -> s.substring(0, s.indexOf(BEGIN))));
    all.put("another kind of text", refusedByAll(s -> s.replace("SIGNED MESSAGE", "MESSAGE")));
    all.put(
        "no base64",
        refusedByAll(s -> s.replaceFirst("\n([A-Za-z0-9+/])([A-Za-z0-9+/]{63}\n)", "\n_$2")));
    return all;
  }

  private static Mutation refusedByAll(UnaryOperator<String> change) {
    return new Mutation(change, true);
  }

  private static Mutation refusedHere(UnaryOperator<String> change) {
    return new Mutation(change, false);
  }

  @Test
  void nothingInASignedManifestCanBeChanged() throws Exception {
    String verified = trusted.verify(signed).text();
    assertTrue(verified.contains("\"version\":3"), verified);
    mutations()
        .forEach(
            (name, mutation) -> {
              String changed = mutation.change().apply(signed);
              assertFalse(changed.equals(signed), name + " changes nothing");
              assertThrows(BadSignatureException.class, () -> trusted.verify(changed), name);
            });
  }

  /** So the table is one of what matters, and nothing is taken here that gpg refuses. */
  @Test
  void gpgRefusesTheSame() throws Exception {
    assumeTrue(gpgIsThere(), "SKIPPED: gpg is not installed");
    assertEquals(0, gpg("--import", KEY.toString()));
    assertEquals(0, gpg("--verify", file(signed)));
    for (Map.Entry<String, Mutation> one : mutations().entrySet()) {
      if (one.getValue().gpgToo()) {
        String changed = one.getValue().change().apply(signed);
        assertFalse(0 == gpg("--verify", file(changed)), "gpg takes it: " + one.getKey());
      }
    }
  }

  private String file(String text) throws IOException {
    return Files.writeString(dir.resolve("text"), text).toString();
  }

  private static boolean gpgIsThere() throws InterruptedException {
    try {
      return new ProcessBuilder("gpg", "--version")
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  private int gpg(String... arguments) throws Exception {
    Path home = Files.createDirectories(dir.resolve("gnupg"));
    Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwx------"));
    List<String> command =
        new ArrayList<>(List.of("gpg", "--homedir", home.toString(), "--batch", "--no-autostart"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String unused = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return process.waitFor();
  }

  /**
   * Each bit that a letter of the armor stands for, the checksum's included. Where the checksum is
   * left out, as it may be, some bits beside the signature's number mean nothing: lengths that are
   * too long, and what the number does not cover. Then what is verified is still the same text.
   */
  @Test
  void everyFlippedBitOfTheSignatureIsFound() throws Exception {
    String text = trusted.verify(signed).text();
    int begin = signed.indexOf(BEGIN) + BEGIN.length();
    int end = signed.indexOf("-----END");
    int checksum = signed.indexOf("\n=", begin);
    int flips = 0;
    for (int at = begin; at < end; at++) {
      int value = BASE64.indexOf(signed.charAt(at));
      int meaningless = signed.charAt(at + 1) == '=' ? 2 * (signed.indexOf("\n", at) - at - 1) : 0;
      for (int bit = meaningless; value >= 0 && bit < 6; bit++) {
        char other = BASE64.charAt(value ^ 1 << bit);
        String flipped = signed.substring(0, at) + other + signed.substring(at + 1);
        String place = "letter " + (at - begin) + ", bit " + bit;
        assertThrows(BadSignatureException.class, () -> trusted.verify(flipped), place);
        if (at < checksum && (at - begin < HEAD_LETTERS || at % 5 == 0)) {
          requireSameOrRefused(CHECKSUM.matcher(flipped).replaceFirst("\n"), text, at - begin);
        }
        flips++;
      }
    }
    assertTrue(flips > 3_000, flips + " flips");
  }

  private void requireSameOrRefused(String withoutChecksum, String text, int letter) {
    try {
      assertEquals(text, trusted.verify(withoutChecksum).text());
      assertTrue(letter < HEAD_LETTERS, "the signature's number was changed at letter " + letter);
    } catch (BadSignatureException e) {
      return;
    }
  }
}

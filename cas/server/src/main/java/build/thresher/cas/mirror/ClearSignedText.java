package build.thresher.cas.mirror;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A clear-signed message (RFC 9580, 7), split into what was signed and the signature. It is what
 * gpg and Spack write and nothing more: one message from the first byte to the last, no header but
 * {@code Hash}, no dash-escaped lines, which no JSON text needs. Other readers skip over some of
 * what is refused here, and so could take another text for the signed one.
 *
 * @param lines of the signed text, without their ends and without white space there, which no
 *     signature covers
 * @param signature ASCII armor, its first and last line included
 */
record ClearSignedText(List<String> lines, String signature) {
  private static final String BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----";
  private static final String BEGIN_SIGNATURE = "-----BEGIN PGP SIGNATURE-----";
  private static final String END_SIGNATURE = "-----END PGP SIGNATURE-----";
  private static final Pattern HASH = Pattern.compile("Hash: (?:SHA256|SHA384|SHA512)");

  /** gpg before 2.1 says its version; nothing of it counts. */
  private static final Pattern ARMOR_HEADER = Pattern.compile("(?:Version|Comment): [ -~]{0,100}");

  private static final Pattern ARMOR =
      Pattern.compile("[A-Za-z0-9+/]{1,76}={0,2}|=[A-Za-z0-9+/]{4}");
  private static final int MAX_SIGNATURE_LINES = 200;

  static boolean isOne(String text) {
    return text.startsWith("-----BEGIN PGP");
  }

  /**
   * @throws BadSignatureException saying what is wrong with its form
   */
  static ClearSignedText parse(String text) throws BadSignatureException {
    List<String> all = new ArrayList<>();
    for (String line : text.split("\n", -1)) {
      all.add(line.stripTrailing());
    }
    while (!all.isEmpty() && all.getLast().isEmpty()) {
      all.removeLast();
    }
    int at = 0;
    requireThat(all.size() > 6 && all.get(at++).equals(BEGIN), "does not begin as one");
    while (!all.get(at).isEmpty()) {
      requireThat(
          at < 4 && HASH.matcher(all.get(at)).matches(), "has the header `" + all.get(at) + "`");
      at++;
    }
    requireThat(at > 1, "names no hash function, which means one that is broken");
    int border = all.indexOf(BEGIN_SIGNATURE);
    requireThat(border > at, "has no signature");
    List<String> lines = List.copyOf(all.subList(at + 1, border));
    for (String line : lines) {
      requireThat(!line.startsWith("-"), "has a line in it that begins with a dash");
      requireThat(line.chars().allMatch(c -> c >= ' ' || c == '\t'), "has a control character");
    }
    List<String> armor = all.subList(border, all.size());
    requireThat(
        armor.size() <= MAX_SIGNATURE_LINES && armor.getLast().equals(END_SIGNATURE),
        "goes on after its signature");
    int body = armor.indexOf("");
    requireThat(body > 0 && body < armor.size() - 1, "has a signature without a body");
    requireThat(
        armor.subList(1, body).stream().allMatch(h -> ARMOR_HEADER.matcher(h).matches()),
        "has a signature with unknown headers");
    requireThat(
        armor.subList(body + 1, armor.size() - 1).stream()
            .allMatch(line -> ARMOR.matcher(line).matches()),
        "has a signature that is no ASCII armor");
    return new ClearSignedText(lines, String.join("\n", armor) + "\n");
  }

  String text() {
    return String.join("\n", lines);
  }

  private static void requireThat(boolean holds, String what) throws BadSignatureException {
    if (!holds) {
      throw new BadSignatureException("the clear-signed text " + what);
    }
  }
}

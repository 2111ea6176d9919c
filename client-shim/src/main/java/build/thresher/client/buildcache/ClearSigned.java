package build.thresher.client.buildcache;

import java.util.stream.Collectors;

/** Texts with a signature around them, as RFC 9580, section 7, describes them. */
final class ClearSigned {
  private static final String BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----";
  private static final String SIGNATURE = "\n-----BEGIN PGP SIGNATURE-----";
  private static final String ESCAPED = "- ";

  private ClearSigned() {}

  /** What was signed, without the signature, unverified; a text that has none as it is. */
  static String content(String text) {
    String lines = text.replace("\r\n", "\n");
    int headers = lines.indexOf("\n\n");
    int end = lines.indexOf(SIGNATURE);
    if (!lines.startsWith(BEGIN) || headers < 0 || end < headers) {
      return text;
    }
    return lines
        .substring(headers + 2, end)
        .lines()
        .map(line -> line.startsWith(ESCAPED) ? line.substring(ESCAPED.length()) : line)
        .collect(Collectors.joining("\n", "", "\n"));
  }
}

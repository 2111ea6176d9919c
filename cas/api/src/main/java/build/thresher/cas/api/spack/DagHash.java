package build.thresher.cas.api.spack;

/**
 * Spack's name of a concrete spec: 32 characters of lower-case base32, a SHA-1. Cannot be
 * malformed.
 */
public record DagHash(String text) implements Comparable<DagHash> {

  public static final int LENGTH = 32;

  /**
   * @throws IllegalArgumentException saying what is wrong, in words that may be sent to a client
   */
  public DagHash {
    if (text.length() != LENGTH) {
      throw new IllegalArgumentException(
          "a DAG hash has 32 characters, this one has " + text.length());
    }
    for (int i = 0; i < LENGTH; i++) {
      char c = text.charAt(i);
      if (!(c >= 'a' && c <= 'z') && !(c >= '2' && c <= '7')) {
        throw new IllegalArgumentException(
            "a DAG hash is lower-case base32 (a-z, 2-7); character " + (i + 1) + " is not");
      }
    }
  }

  /** The seven characters that Spack shows to people. */
  public String shortText() {
    return text.substring(0, 7);
  }

  @Override
  public int compareTo(DagHash o) {
    return text.compareTo(o.text);
  }

  @Override
  public String toString() {
    return text;
  }
}

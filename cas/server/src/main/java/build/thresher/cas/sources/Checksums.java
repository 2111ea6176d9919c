package build.thresher.cas.sources;

import build.thresher.cas.api.Digest;
import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableSortedSet;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What a file must be, as subresource integrity writes it: {@code sha256-<base64>} and the like,
 * several apart by blanks. Of each algorithm that is named one hash must be the file's, so a weak
 * algorithm never stands in for a strong one.
 *
 * @param hashes {@code algorithm-hex}, sorted
 */
record Checksums(ImmutableSortedSet<String> hashes) {
  private static final Map<String, String> ALGORITHMS =
      Map.of("sha256", "SHA-256", "sha384", "SHA-384", "sha512", "SHA-512");
  private static final int MAX_HASHES = 20;

  /**
   * @throws IllegalArgumentException when there is none, or one of no known algorithm or length
   */
  static Checksums parse(String sri) {
    ImmutableSortedSet.Builder<String> hashes = ImmutableSortedSet.naturalOrder();
    List<String> words = Splitter.onPattern("[ \t\r\n]+").omitEmptyStrings().splitToList(sri);
    if (words.isEmpty() || words.size() > MAX_HASHES) {
      throw new IllegalArgumentException(
          "checksum.sri holds 1 to " + MAX_HASHES + " hashes such as sha256-<base64>");
    }
    for (String word : words) {
      int dash = word.indexOf('-');
      String algorithm = dash < 0 ? word : word.substring(0, dash);
      String name = ALGORITHMS.get(algorithm);
      if (name == null) {
        throw new IllegalArgumentException(
            "checksum.sri: the algorithms are sha256, sha384 and sha512, as sha256-<base64>");
      }
      byte[] hash = Base64.getDecoder().decode(word.substring(dash + 1));
      if (hash.length != digest(name).getDigestLength()) {
        throw new IllegalArgumentException(
            "checksum.sri: a " + algorithm + " of " + hash.length + " bytes is none");
      }
      hashes.add(algorithm + "-" + HexFormat.of().formatHex(hash));
    }
    return new Checksums(hashes.build());
  }

  static Checksums sha256(Digest digest) {
    return new Checksums(ImmutableSortedSet.of("sha256-" + digest.hex()));
  }

  /**
   * The hash in a path of a source mirror.
   *
   * @return empty for one that nothing can be verified by: Spack's old recipes have MD5 and SHA-1
   */
  static Optional<Checksums> ofPath(String hex) {
    return Optional.ofNullable(
            switch (hex.length()) {
              case 64 -> "sha256";
              case 96 -> "sha384";
              case 128 -> "sha512";
              default -> null;
            })
        .map(algorithm -> new Checksums(ImmutableSortedSet.of(algorithm + "-" + hex)));
  }

  private static MessageDigest digest(String name) {
    try {
      return MessageDigest.getInstance(name);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has it", e);
    }
  }

  private Stream<String> of(String algorithm) {
    return hashes.stream().filter(hash -> hash.startsWith(algorithm + "-"));
  }

  /** The SHA-256 that it may have, each as a digest of size 0. */
  List<Digest> sha256() {
    return of("sha256")
        .map(hash -> Digest.parse(hash.substring(hash.indexOf('-') + 1), 0))
        .toList();
  }

  /** Whether a SHA-256 that fits says all. */
  boolean isSha256Only() {
    return hashes.stream().allMatch(hash -> hash.startsWith("sha256-"));
  }

  /** Hashes a file as it passes. Used by one thread. */
  final class Check {
    private final Map<String, MessageDigest> running = new TreeMap<>();
    private long size;

    Check() {
      running.put("sha256", Digest.sha256());
      ALGORITHMS.forEach(
          (algorithm, name) -> {
            if (of(algorithm).findAny().isPresent()) {
              running.putIfAbsent(algorithm, digest(name));
            }
          });
    }

    void update(byte[] bytes, int length) {
      size += length;
      running.values().forEach(one -> one.update(bytes, 0, length));
    }

    /** Ends it; what was wanted and what came instead, or nothing where it is what was wanted. */
    Outcome end() {
      Map<String, byte[]> actual = new TreeMap<>();
      running.forEach((algorithm, one) -> actual.put(algorithm, one.digest()));
      byte[] sha256 = actual.getOrDefault("sha256", new byte[0]);
      boolean matches =
          actual.entrySet().stream()
              .allMatch(
                  one ->
                      of(one.getKey()).findAny().isEmpty()
                          || hashes.contains(
                              one.getKey() + "-" + HexFormat.of().formatHex(one.getValue())));
      return new Outcome(Digest.fromHash(Arrays.copyOf(sha256, sha256.length), size), matches);
    }
  }

  /**
   * What a file is.
   *
   * @param matches whether it is what was wanted
   */
  record Outcome(Digest digest, boolean matches) {}

  @Override
  public String toString() {
    return String.join(" ", hashes);
  }
}

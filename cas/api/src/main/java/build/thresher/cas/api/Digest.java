package build.thresher.cas.api;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * The name of a blob: its SHA-256 and its size in bytes. A value of this type cannot be malformed,
 * so text from the wire is parsed once, at the border, and paths and database keys are made from
 * the 32 bytes, never from text.
 */
public record Digest(long hash0, long hash1, long hash2, long hash3, long sizeBytes)
    implements Comparable<Digest> {

  /** Bytes of a SHA-256. */
  public static final int HASH_BYTES = 32;

  private static final byte[] DIGITS = digits();

  /** The empty blob, which every store always holds. */
  public static final Digest EMPTY = of(new byte[0]);

  public Digest {
    if (sizeBytes < 0) {
      throw new IllegalArgumentException("negative size " + sizeBytes);
    }
  }

  /**
   * Parses 64 lower-case hexadecimal characters. Upper case is refused, because two names for one
   * blob would be two entries in every cache on the way.
   *
   * @throws IllegalArgumentException saying what is wrong, in words that may be sent to a client
   */
  public static Digest parse(String hex, long sizeBytes) {
    if (hex.length() != 2 * HASH_BYTES) {
      throw new IllegalArgumentException(
          "a SHA-256 digest has 64 hexadecimal characters, this one has " + hex.length());
    }
    if (sizeBytes < 0) {
      throw new IllegalArgumentException("a digest cannot have the negative size " + sizeBytes);
    }
    return new Digest(
        parse16(hex, 0), parse16(hex, 16), parse16(hex, 32), parse16(hex, 48), sizeBytes);
  }

  /**
   * Sixteen characters of a hash. A server parses tens of thousands of hashes in one call: nothing
   * here depends on the characters but one look at the end, because random ones cannot be
   * predicted.
   */
  private static long parse16(String hex, int from) {
    long value = 0;
    int wrong = 0;
    for (int i = from; i < from + 16; i++) {
      char c = hex.charAt(i);
      int digit = DIGITS[c & 0x7f];
      wrong |= digit | (c >> 7) << 4;
      value = value << 4 | digit;
    }
    if ((wrong & ~0xf) != 0) {
      throw new IllegalArgumentException(
          "a SHA-256 digest is lower-case hexadecimal; this one has another character");
    }
    return value;
  }

  /** What a character says, for 0 to 127; -1 where it is none of lower-case hexadecimal. */
  private static byte[] digits() {
    byte[] digits = new byte[128];
    Arrays.fill(digits, (byte) -1);
    for (int i = 0; i < 16; i++) {
      digits["0123456789abcdef".charAt(i)] = (byte) i;
    }
    return digits;
  }

  /** The digest whose hash is these 32 bytes. */
  public static Digest fromHash(byte[] hash, long sizeBytes) {
    if (hash.length != HASH_BYTES) {
      throw new IllegalArgumentException("a SHA-256 has 32 bytes, not " + hash.length);
    }
    ByteBuffer b = ByteBuffer.wrap(hash).order(ByteOrder.BIG_ENDIAN);
    return new Digest(b.getLong(), b.getLong(), b.getLong(), b.getLong(), sizeBytes);
  }

  /** The digest of these bytes. */
  public static Digest of(byte[] bytes) {
    return fromHash(sha256().digest(bytes), bytes.length);
  }

  /** A new SHA-256 computation; the one place that names the algorithm. */
  public static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /** The 32 bytes of the hash. */
  public byte[] hashBytes() {
    return ByteBuffer.allocate(HASH_BYTES)
        .putLong(hash0)
        .putLong(hash1)
        .putLong(hash2)
        .putLong(hash3)
        .array();
  }

  /** The hash as 64 lower-case hexadecimal characters. */
  public String hex() {
    return HexFormat.of().formatHex(hashBytes());
  }

  public boolean isEmpty() {
    return sizeBytes == 0;
  }

  @Override
  public int compareTo(Digest o) {
    int c = Long.compareUnsigned(hash0, o.hash0);
    c = c != 0 ? c : Long.compareUnsigned(hash1, o.hash1);
    c = c != 0 ? c : Long.compareUnsigned(hash2, o.hash2);
    c = c != 0 ? c : Long.compareUnsigned(hash3, o.hash3);
    return c != 0 ? c : Long.compare(sizeBytes, o.sizeBytes);
  }

  /** {@code hash/size}, as REAPI writes it. */
  @Override
  public String toString() {
    return hex() + "/" + sizeBytes;
  }
}

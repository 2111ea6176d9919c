package build.thresher.testing;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Makes hostile bytes of honest ones, in the ways that break parsers: cut off, doubled, spliced
 * with another, numbers that overflow, brackets without end. The same generator gives the same
 * bytes. Used by one thread.
 */
final class Mutator {
  private static final int MAX_BYTES = 1 << 20;

  private static final List<byte[]> TOKENS =
      List.of(
              "0",
              "-1",
              "4294967295",
              "9223372036854775807",
              "9223372036854775808",
              "1e999",
              "\0",
              "..",
              "../",
              "/",
              "//",
              "%2e%2e",
              "%252e",
              "\\",
              "\uFEFF",
              "\uFFFD",
              "\uD83D\uDE00",
              "\"",
              "{",
              "[",
              "}",
              "]",
              ":",
              ",",
              "null",
              "true",
              "{}",
              "[]",
              "&a [*a]",
              "<<: *a",
              "\r\n",
              "\t",
              " ",
              "\u0085",
              "*",
              "!!int ",
              "!!timestamp ",
              "!!binary ",
              "0x",
              "~",
              "-----BEGIN PGP",
              "ustar\00000",
              "\u001f\u008b\b\0",
              "7777777777")
          .stream()
          .map(text -> text.getBytes(StandardCharsets.UTF_8))
          .toList();
  private static final byte[] EDGES = {0, 1, 0x7f, -128, -1, ' ', '/', '.', '0', '9'};

  private final List<byte[]> seeds;
  private final RandomGenerator random;

  Mutator(List<byte[]> seeds, RandomGenerator random) {
    this.seeds = seeds;
    this.random = random;
  }

  byte[] next() {
    byte[] bytes = seeds.get(random.nextInt(seeds.size())).clone();
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      bytes = changed(bytes);
    }
    return bytes.length > MAX_BYTES ? Arrays.copyOf(bytes, MAX_BYTES) : bytes;
  }

  private byte[] changed(byte[] b) {
    int at = random.nextInt(b.length + 1);
    int end = Math.min(b.length, at + 1 + random.nextInt(random.nextInt(10) == 0 ? 1000 : 16));
    return switch (random.nextInt(9)) {
      case 0 -> Arrays.copyOf(b, at);
      case 1 -> replaced(b, at, at, Arrays.copyOfRange(b, at, end));
      case 2 -> replaced(b, at, end, new byte[0]);
      case 3 -> replaced(b, at, at, token());
      case 4 -> replaced(b, at, end, token());
      case 5 -> replaced(b, at, end, noise(end - at));
      case 6 -> replaced(b, at, b.length, tail());
      case 7 -> replaced(b, at, at, repeated());
      default -> flipped(b, at);
    };
  }

  private byte[] token() {
    return TOKENS.get(random.nextInt(TOKENS.size()));
  }

  private byte[] noise(int length) {
    byte[] noise = new byte[length];
    random.nextBytes(noise);
    return noise;
  }

  private byte[] tail() {
    byte[] other = seeds.get(random.nextInt(seeds.size()));
    return Arrays.copyOfRange(other, random.nextInt(other.length + 1), other.length);
  }

  private byte[] repeated() {
    byte[] one = token();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int n = 1 << random.nextInt(12); n > 0; n--) {
      out.writeBytes(one);
    }
    return out.toByteArray();
  }

  private byte[] flipped(byte[] b, int at) {
    if (at < b.length) {
      b[at] =
          random.nextBoolean()
              ? EDGES[random.nextInt(EDGES.length)]
              : (byte) (b[at] ^ 1 << random.nextInt(8));
    }
    return b;
  }

  private static byte[] replaced(byte[] b, int from, int to, byte[] by) {
    byte[] made = new byte[from + by.length + b.length - to];
    System.arraycopy(b, 0, made, 0, from);
    System.arraycopy(by, 0, made, from, by.length);
    System.arraycopy(b, to, made, from + by.length, b.length - to);
    return made;
  }
}

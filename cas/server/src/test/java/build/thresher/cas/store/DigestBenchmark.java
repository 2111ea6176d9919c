package build.thresher.cas.store;

import java.security.MessageDigest;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.bouncycastle.crypto.digests.Blake3Digest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What a second digest function would cost: SHA-256 of the JDK beside BLAKE3 in Java, one core.
 *
 * <pre>{@code
 * mvn -pl cas/server -am test -Dexcluded.tags= -Dtest=DigestBenchmark -Dsurefire.failIfNoSpecifiedTests=false
 * }</pre>
 */
@Tag("benchmark")
class DigestBenchmark {
  private static final int ROUNDS = 9;

  @Test
  void sha256AndBlake3() throws Exception {
    byte[] blob = new byte[64 << 20];
    new SplittableRandom(1).nextBytes(blob);
    MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
    Blake3Digest blake3 = new Blake3Digest(256);
    double[] sha = new double[ROUNDS];
    double[] blake = new double[ROUNDS];
    double[] ratio = new double[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      sha[round] = megabytesPerSecond(blob, sha256::digest);
      blake[round] =
          megabytesPerSecond(
              blob,
              bytes -> {
                blake3.update(bytes, 0, bytes.length);
                blake3.doFinal(new byte[32], 0);
              });
      ratio[round] = blake[round] / sha[round];
    }
    System.out.printf(
        "SHA-256 (JDK) %.0f MB/s, BLAKE3 (Bouncy Castle) %.0f MB/s, BLAKE3 : SHA-256 %.2f%n",
        median(sha), median(blake), median(ratio));
  }

  private static double megabytesPerSecond(byte[] blob, Consumer<byte[]> digest) {
    long start = System.nanoTime();
    digest.accept(blob);
    return blob.length / 1e6 / ((System.nanoTime() - start) / 1e9);
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}

package build.thresher.deploy.load;

import build.thresher.cas.api.Blob;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Bytes that no server has seen: they begin with the seed of the run, which is new each time. */
record Content(long seed) {

  /** Of one round's blobs. */
  List<Blob> blobs(String what, int round, int count, int sizeBytes) {
    List<Blob> blobs = new ArrayList<>(count);
    SplittableRandom random = new SplittableRandom(seed ^ ((long) what.hashCode() << 20) ^ round);
    for (int i = 0; i < count; i++) {
      byte[] bytes = new byte[sizeBytes];
      random.nextBytes(bytes);
      blobs.add(Blob.of(bytes));
    }
    return blobs;
  }

  /** A large blob that shrinks to about half, like most outputs of compilers. */
  byte[] large(String what, int round, int sizeBytes) {
    byte[] bytes = new byte[sizeBytes];
    SplittableRandom random = new SplittableRandom(seed ^ ((long) what.hashCode() << 20) ^ round);
    ByteBuffer out = ByteBuffer.wrap(bytes);
    byte[] noise = new byte[512];
    while (out.remaining() >= 1024) {
      random.nextBytes(noise);
      out.put(noise).put(noise);
    }
    return bytes;
  }
}

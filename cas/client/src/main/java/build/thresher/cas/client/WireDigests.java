package build.thresher.cas.client;

import build.thresher.cas.api.Digest;

/** Digests between the kernel's type and the wire's. */
public final class WireDigests {
  private WireDigests() {}

  public static build.bazel.remote.execution.v2.Digest toWire(Digest digest) {
    return build.bazel.remote.execution.v2.Digest.newBuilder()
        .setHash(digest.hex())
        .setSizeBytes(digest.sizeBytes())
        .build();
  }

  /**
   * @throws IllegalArgumentException when it is malformed, saying how
   */
  public static Digest fromWire(build.bazel.remote.execution.v2.Digest wire) {
    return Digest.parse(wire.getHash(), wire.getSizeBytes());
  }
}

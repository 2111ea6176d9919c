package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.DigestFunction;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.util.function.Predicate;

/** What all calls of the API have in common: digests, instances and the digest function. */
record Wire(Predicate<String> knownInstances) {

  /**
   * @throws IllegalArgumentException when nobody configured that instance
   */
  Scope scope(String instance) {
    if (!knownInstances.test(instance)) {
      throw new IllegalArgumentException(
          "this server has no instance of that name; ask its administrator for the right one");
    }
    return new Scope(instance, "reapi");
  }

  /** The same, for calls that name a digest function; not to name one means SHA256. */
  Scope scope(String instance, DigestFunction.Value function) {
    if (function != DigestFunction.Value.UNKNOWN && function != DigestFunction.Value.SHA256) {
      throw new IllegalArgumentException("this server knows SHA256 only, not " + function);
    }
    return scope(instance);
  }

  static Digest parse(build.bazel.remote.execution.v2.Digest wire) {
    return Digest.parse(wire.getHash(), wire.getSizeBytes());
  }

  static build.bazel.remote.execution.v2.Digest toWire(Digest digest) {
    return build.bazel.remote.execution.v2.Digest.newBuilder()
        .setHash(digest.hex())
        .setSizeBytes(digest.sizeBytes())
        .build();
  }
}

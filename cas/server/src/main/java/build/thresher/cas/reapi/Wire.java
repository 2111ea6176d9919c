package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.DigestFunction;
import build.thresher.cas.api.Scope;

/** What all calls of the API have in common: digests, instances and the digest function. */
record Wire(InstanceNames instances) {

  /**
   * @throws IllegalArgumentException when nobody configured that instance
   */
  Scope scope(String instance) {
    return new Scope(instances.resolve(instance), "reapi");
  }

  /** The same, for calls that name a digest function; not to name one means SHA256. */
  Scope scope(String instance, DigestFunction.Value function) {
    if (function != DigestFunction.Value.UNKNOWN && function != DigestFunction.Value.SHA256) {
      throw new IllegalArgumentException("this server knows SHA256 only, not " + function);
    }
    return scope(instance);
  }
}

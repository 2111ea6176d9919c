package build.thresher.cas.mirror;

import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;

/** The keys of a mirror's instances: each has its own, for an instance is a trust domain. */
@FunctionalInterface
public interface Signers {

  /** The signer of this instance, always the same. */
  Signer of(String instance) throws IOException;

  /** A key for each instance, in a directory of its own below this one, made when first asked. */
  static Signers inDirectory(Path dir, String userId, InstantSource clock) {
    // No name of an instance has a percent sign.
    return instance -> Signer.open(dir.resolve("%" + instance.replace("/", "%2F")), userId, clock);
  }
}

package build.thresher.cas.mirror;

import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Optional;

/**
 * The keys of a mirror's instances: each has its own, for an instance is a trust domain. Keys that
 * somebody else keeps are not changed here.
 */
@FunctionalInterface
public interface Signers {

  /** The signer of this instance, the same until {@link #adoptNext}. */
  Signer of(String instance) throws IOException;

  /** The key that will take its place, if one was made. */
  default Optional<Signer> next(String instance) throws IOException {
    return Optional.empty();
  }

  /** Makes the key that will take its place, unless there is one. Durable on return. */
  default Signer makeNext(String instance) throws IOException {
    throw new IOException("the key of `" + instance + "` is not this server's to change");
  }

  /** Puts the next key into its place. The old one is gone. Durable on return. */
  default void adoptNext(String instance) throws IOException {
    throw new IOException("the key of `" + instance + "` is not this server's to change");
  }

  /**
   * A key for each instance, in a directory of its own below this one, made when first asked.
   *
   * @param type of the keys that are made
   */
  static Signers inDirectory(Path dir, String userId, InstantSource clock, KeyType type) {
    return new SignersInDirectory(dir, userId, clock, type);
  }
}

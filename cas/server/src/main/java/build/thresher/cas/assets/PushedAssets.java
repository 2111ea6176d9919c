package build.thresher.cas.assets;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import com.google.common.collect.ImmutableSortedMap;
import java.io.IOException;
import java.time.Instant;
import java.util.Optional;

/** Where a fetch looks before it asks the network. */
public interface PushedAssets {
  /** Nothing was pushed. */
  PushedAssets NONE = (scope, name) -> Optional.empty();

  /** What kind of thing an address stands for; the same address may stand for one of each. */
  enum Kind {
    BLOB,
    DIRECTORY
  }

  /**
   * What an asset is asked for by.
   *
   * @param qualifiers those that narrow down what the address means
   */
  record Name(Kind kind, String uri, ImmutableSortedMap<String, String> qualifiers) {}

  /**
   * An asset that is whole.
   *
   * @param expiresAt empty for as long as it is used
   */
  record Asset(Digest digest, Instant pushedAt, Optional<Instant> expiresAt) {}

  /**
   * The asset that was pushed last, if it and all that goes with it are in the store; they stay
   * there for the store's guaranteed lifetime from now on.
   */
  Optional<Asset> find(Scope scope, Name name) throws IOException;
}

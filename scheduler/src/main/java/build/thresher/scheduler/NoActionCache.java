package build.thresher.scheduler;

import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.util.Optional;

/** Keeps nothing and finds nothing. */
final class NoActionCache implements ActionCache {
  @Override
  public Optional<byte[]> find(Scope scope, Digest action) {
    return Optional.empty();
  }

  @Override
  public void put(Scope scope, Digest action, byte[] actionResult) {}
}

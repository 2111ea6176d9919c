package build.thresher.scheduler.worker;

import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.UnavailableException;
import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import java.util.Optional;

/**
 * Leases that this process handed out and that have not been completed, as far as they fit; of the
 * others the core is asked. Any thread.
 */
final class HandedOut {
  private static final int MAX_KEPT = 10_000;

  private final CoreLoop core;
  private final Cache<Fence, Definition> kept =
      CacheBuilder.newBuilder().maximumSize(MAX_KEPT).build();

  HandedOut(CoreLoop core) {
    this.core = core;
  }

  void add(Effect.Grant grant) {
    kept.put(grant.fence(), grant.definition());
  }

  /**
   * What runs under this fence, or did a moment ago: whether it still may is for the core to say.
   */
  Optional<Definition> find(Fence fence) throws UnavailableException, InterruptedException {
    Definition known = kept.getIfPresent(fence);
    return known == null ? core.ask(view -> view.leased(fence)) : Optional.of(known);
  }

  void remove(Fence fence) {
    kept.invalidate(fence);
  }
}

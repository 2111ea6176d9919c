package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.store.RocksBlobStore;
import com.google.common.collect.HashMultiset;
import com.google.common.collect.Multiset;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Drops the pins of blobs that nothing names. Whoever names a blob pins it first, and unpins it
 * when the name is gone: a crash in between leaves a pin too many, which would keep the blob for
 * ever.
 */
public final class PinCheck {
  private static final Logger LOG = LoggerFactory.getLogger(PinCheck.class);

  private PinCheck() {}

  /** Whoever pins blobs besides the mirrors. */
  public interface Pinner {
    /** Every blob as often as it is pinned. */
    void eachPinned(Consumer<Digest> visitor) throws IOException;
  }

  /**
   * Compares all pins with all names; mirrors publish nothing meanwhile.
   *
   * @param mirror whose upkeep must not run before this returns
   * @param others must not pin or unpin anything before this returns
   * @return how many blobs were pinned too often
   */
  public static int run(RocksBlobStore blobs, RocksSpackMirror mirror, List<Pinner> others)
      throws IOException {
    List<Lock> held = new ArrayList<>();
    try {
      for (String instance : new TreeSet<>(mirror.instanceNames())) {
        Lock lock = mirror.require(instance).takingOut();
        lock.lock();
        held.add(lock);
      }
      Multiset<Digest> named = HashMultiset.create();
      Consumer<Digest> visitor = digest -> named.add(MirrorIndex.nameOf(digest));
      mirror.eachInstance((name, instance) -> instance.eachPinned(visitor));
      for (Pinner other : others) {
        other.eachPinned(visitor);
      }
      int dropped = blobs.dropPinsBeyond(named);
      LOG.info("pins checked blobs={} pinned_too_often={}", named.elementSet().size(), dropped);
      return dropped;
    } finally {
      Collections.reverse(held);
      held.forEach(Lock::unlock);
    }
  }
}

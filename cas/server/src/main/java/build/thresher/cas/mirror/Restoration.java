package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.Retention.Restored;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts pruned specs of one instance back, what is needed before what needs it, so that what is
 * served is closed at every moment. Used by one thread; calls block.
 */
final class Restoration {
  private static final Logger LOG = LoggerFactory.getLogger(Restoration.class);

  /** A signature takes some milliseconds, and nothing is visible before the batch is whole. */
  private static final int SIGNED_A_BATCH = 64;

  private final RocksSpackMirror mirror;
  private final String instance;
  private final InstanceMirror there;

  Restoration(RocksSpackMirror mirror, String instance) {
    this.mirror = mirror;
    this.instance = instance;
    this.there = mirror.require(instance);
  }

  /** As {@link Retention#restore}. */
  Restored restore(List<String> specs, boolean all) throws IOException {
    Lock one = there.retention();
    one.lock();
    try {
      Set<DagHash> meant = new HashSet<>();
      if (all) {
        there.allPruned().forEach(p -> meant.add(p.spec().hash()));
      }
      for (String text : all ? List.<String>of() : specs) {
        meant.addAll(meant(text));
      }
      return restore(meant);
    } finally {
      one.unlock();
    }
  }

  private List<DagHash> meant(String text) {
    SpecSelector selector = SpecSelector.parse(text);
    List<DagHash> found =
        there.allPruned().stream()
            .map(Pruned::spec)
            .filter(selector::matches)
            .map(PublishedSpec::hash)
            .toList();
    if (found.isEmpty()) {
      throw new NoSuchElementException("nothing that was pruned is `" + text + "`");
    }
    return found;
  }

  private Restored restore(Set<DagHash> meant) throws IOException {
    Closure closure = Closure.lazily(instance, mirror.db());
    List<DagHash> order =
        Lists.reverse(closure.dependentsFirst(closure.of(meant, false))).stream()
            .filter(hash -> there.pruned(hash) != null)
            .toList();
    ImmutableList.Builder<DagHash> restored = ImmutableList.builder();
    ImmutableList.Builder<DagHash> thereAlready = ImmutableList.builder();
    for (List<DagHash> batch : Lists.partition(order, SIGNED_A_BATCH)) {
      restore(batch, restored, thereAlready);
    }
    Restored result = new Restored(restored.build(), thereAlready.build());
    LOG.info("restored {} specs of instance `{}`", result.restored().size(), instance);
    return result;
  }

  /** Signs without holding up publishers; only what was published meanwhile is left out then. */
  private void restore(
      List<DagHash> batch,
      ImmutableList.Builder<DagHash> restored,
      ImmutableList.Builder<DagHash> thereAlready)
      throws IOException {
    Signer signer = there.key().signer();
    List<PublishedRecord> signed = new ArrayList<>();
    for (DagHash hash : batch) {
      byte[] row = mirror.db().find(MirrorTable.PRUNED, instance, MirrorDb.name(hash));
      PublishedRecord old = Pruned.published(Objects.requireNonNull(row));
      mirror.requireBlobs(instance, old.spec());
      signed.add(old.signedBy(signer));
    }
    MirrorDb.Changes changes = mirror.db().changes();
    List<PublishedRecord> back = new ArrayList<>();
    Lock alone = there.takingOut();
    alone.lock();
    try {
      Signer now = there.key().signer();
      for (PublishedRecord each : signed) {
        DagHash hash = each.spec().hash();
        if (there.isPublished(hash)) {
          thereAlready.add(hash);
          continue;
        }
        PublishedRecord record = now.equals(signer) ? each : each.signedBy(now);
        changes.put(MirrorTable.PUBLISHED, instance, MirrorDb.name(hash), record.toBytes());
        changes.delete(MirrorTable.PRUNED, instance, MirrorDb.name(hash));
        back.add(record);
      }
      mirror.db().write(changes);
      back.forEach(there::putBack);
    } finally {
      alone.unlock();
    }
    for (PublishedRecord record : back) {
      mirror.used().touch(instance, record.spec().hash());
      restored.add(record.spec().hash());
    }
  }
}

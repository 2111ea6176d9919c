package build.thresher.scheduler;

import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A mirror in memory that can be told to refuse or to fail. Outlives the scheduler in a restart.
 */
public final class MemoryMirror implements SpackMirror {
  private final Map<Key, PublishedSpec> published = new ConcurrentHashMap<>();

  private final Map<Key, ImmutableMap<String, String>> provenance = new ConcurrentHashMap<>();
  private final MemoryBlobs blobs;

  private record Key(String instance, DagHash hash) {}

  public MemoryMirror(MemoryBlobs blobs) {
    this.blobs = blobs;
  }

  /** Packages whose archives break a rule. */
  public final Map<String, String> refused = new ConcurrentHashMap<>();

  /** So many of the next calls fail as if the disk were full. */
  public final AtomicInteger failures = new AtomicInteger();

  public final AtomicInteger publishCalls = new AtomicInteger();

  @Override
  public Optional<PublishedSpec> find(String instance, DagHash hash) {
    return Optional.ofNullable(published.get(new Key(instance, hash)));
  }

  @Override
  public Optional<ImmutableMap<String, String>> provenance(String instance, DagHash hash) {
    return Optional.ofNullable(provenance.get(new Key(instance, hash)));
  }

  @Override
  public PublishedSpec publish(String instance, BuiltSpec built)
      throws ArchiveRefusedException, IOException {
    publishCalls.incrementAndGet();
    String reason = refused.get(built.node().name());
    if (reason != null) {
      throw new ArchiveRefusedException(reason);
    }
    if (failures.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
      throw new IOException("no room");
    }
    PublishedSpec spec =
        new PublishedSpec(
            built.node().hash(),
            built.node().name(),
            built.node().version(),
            built.archive(),
            built.spec(),
            built.prefix());
    provenance.put(new Key(instance, built.node().hash()), ImmutableMap.copyOf(built.provenance()));
    return published.merge(
        new Key(instance, built.node().hash()), spec, (old, mine) -> isWhole(old) ? old : mine);
  }

  private boolean isWhole(PublishedSpec spec) {
    return blobs.findMissing(Scope.farm(""), List.of(spec.archive(), spec.spec())).isEmpty();
  }

  public int size() {
    return published.size();
  }
}

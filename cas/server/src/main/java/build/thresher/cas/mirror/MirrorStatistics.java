package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the mirrors of some instances take. Counted again when something was published or pruned
 * since. Threading: any thread.
 */
public final class MirrorStatistics {
  private final RocksSpackMirror mirror;
  private final ImmutableList<String> instances;
  private volatile @Nullable Counted last;

  /**
   * @param instances in the order in which shared blobs are counted to the first
   */
  public MirrorStatistics(RocksSpackMirror mirror, List<String> instances) {
    this.mirror = mirror;
    this.instances = ImmutableList.copyOf(instances);
  }

  /**
   * Bytes of the archives and specs of an instance.
   *
   * @param logical as often as published specs name them
   * @param stored each blob once
   * @param added of these, what no instance before it names
   */
  public record Bytes(long logical, long stored, long added) {}

  private record Counted(List<Long> changes, ImmutableMap<String, Bytes> bytes) {}

  /** By instance. */
  public ImmutableMap<String, Bytes> bytes() {
    List<Long> changes = new ArrayList<>();
    instances.forEach(name -> changes.add(mirror.require(name).changes()));
    Counted known = last;
    if (known != null && known.changes().equals(changes)) {
      return known.bytes();
    }
    ImmutableMap.Builder<String, Bytes> counted = ImmutableMap.builder();
    Set<Digest> before = new HashSet<>();
    for (String name : instances) {
      counted.put(name, count(mirror.require(name), before));
    }
    Counted now = new Counted(changes, counted.buildOrThrow());
    last = now;
    return now.bytes();
  }

  private static Bytes count(InstanceMirror there, Set<Digest> before) {
    Set<Digest> own = new HashSet<>();
    long logical = 0;
    long stored = 0;
    long added = 0;
    for (PublishedSpec spec : there.all()) {
      for (Digest digest : RocksSpackMirror.blobsOf(spec)) {
        logical += digest.sizeBytes();
        stored += own.add(digest) ? digest.sizeBytes() : 0;
        added += before.add(digest) ? digest.sizeBytes() : 0;
      }
    }
    return new Bytes(logical, stored, added);
  }
}

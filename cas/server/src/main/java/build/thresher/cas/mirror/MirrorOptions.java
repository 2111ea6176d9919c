package build.thresher.cas.mirror;

import com.google.common.collect.ImmutableMap;
import java.time.Duration;
import java.util.Collections;

/**
 * Limits and timing of a mirror.
 *
 * @param installRoots the instances, by the names that stand in URLs, each with the padded root
 *     that its archives must be built for; nothing is published anywhere else
 * @param pushed instances that take what others built, at whatever root, and in which the farm
 *     builds nothing
 * @param maxUnpackedBytes an archive that unpacks to more is refused
 * @param maxRatio an archive that unpacks to more than this many times its size is refused, once it
 *     is over 256 MiB: gzip reaches 1,000 on zeros, software stays below 20
 * @param maxEntries an archive with more entries is refused
 * @param indexInterval an index is built at most once in this time
 * @param indexRetention for how long a superseded index can still be read
 * @param supersededBytes superseded indices of all instances take no more
 */
public record MirrorOptions(
    ImmutableMap<String, String> installRoots,
    ImmutableMap<String, PushRules> pushed,
    long maxUnpackedBytes,
    int maxRatio,
    int maxEntries,
    Duration indexInterval,
    Duration indexRetention,
    long supersededBytes) {

  /** Below this an archive may unpack to any multiple of its size. */
  static final long RATIO_FLOOR_BYTES = 256L << 20;

  public MirrorOptions {
    if (maxUnpackedBytes <= 0 || maxRatio <= 0 || maxEntries <= 0) {
      throw new IllegalArgumentException("the limits of a mirror are positive");
    }
    if (!Collections.disjoint(installRoots.keySet(), pushed.keySet())) {
      throw new IllegalArgumentException(
          "an instance takes what the farm builds or what others push, not both");
    }
    if (indexInterval.isNegative() || indexRetention.isNegative()) {
      throw new IllegalArgumentException("the times of a mirror are not negative");
    }
  }

  /**
   * What an instance that takes pushes asks for.
   *
   * @param keys of which one must have signed a spec
   * @param unsigned whether specs without any signature are taken too
   */
  public record PushRules(TrustedKeys keys, boolean unsigned) {}

  public static MirrorOptions of(ImmutableMap<String, String> installRoots) {
    return new MirrorOptions(
        installRoots,
        ImmutableMap.of(),
        64L << 30,
        200,
        1_000_000,
        Duration.ofSeconds(1),
        Duration.ofMinutes(15),
        4L << 30);
  }

  /** The same with these instances for what others built. */
  public MirrorOptions withPushed(ImmutableMap<String, PushRules> given) {
    return new MirrorOptions(
        installRoots,
        given,
        maxUnpackedBytes,
        maxRatio,
        maxEntries,
        indexInterval,
        indexRetention,
        supersededBytes);
  }

  MirrorOptions withIndexInterval(Duration interval) {
    return new MirrorOptions(
        installRoots,
        pushed,
        maxUnpackedBytes,
        maxRatio,
        maxEntries,
        interval,
        indexRetention,
        supersededBytes);
  }

  MirrorOptions withSuperseded(Duration retention, long bytes) {
    return new MirrorOptions(
        installRoots,
        pushed,
        maxUnpackedBytes,
        maxRatio,
        maxEntries,
        indexInterval,
        retention,
        bytes);
  }

  long maxUnpackedBytes(long archiveBytes) {
    long byRatio = Math.max(RATIO_FLOOR_BYTES, archiveBytes * maxRatio);
    return Math.min(maxUnpackedBytes, byRatio);
  }
}

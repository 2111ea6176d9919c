package build.thresher.cas.mirror;

import com.google.common.collect.ImmutableMap;
import java.time.Duration;

/**
 * Limits and timing of a mirror.
 *
 * @param installRoots the instances, by the names that stand in URLs, each with the padded root
 *     that its archives must be built for; nothing is published anywhere else
 * @param maxUnpackedBytes an archive that unpacks to more is refused
 * @param maxRatio an archive that unpacks to more than this many times its size is refused, once it
 *     is over 256 MiB: gzip reaches 1,000 on zeros, software stays below 20
 * @param maxEntries an archive with more entries is refused
 * @param indexInterval an index is built at most once in this time
 * @param indexRetention for how long a superseded index can still be read
 */
public record MirrorOptions(
    ImmutableMap<String, String> installRoots,
    long maxUnpackedBytes,
    int maxRatio,
    int maxEntries,
    Duration indexInterval,
    Duration indexRetention) {

  /** Below this an archive may unpack to any multiple of its size. */
  static final long RATIO_FLOOR_BYTES = 256L << 20;

  public MirrorOptions {
    if (maxUnpackedBytes <= 0 || maxRatio <= 0 || maxEntries <= 0) {
      throw new IllegalArgumentException("the limits of a mirror are positive");
    }
    if (indexInterval.isNegative() || indexRetention.isNegative()) {
      throw new IllegalArgumentException("the times of a mirror are not negative");
    }
  }

  public static MirrorOptions of(ImmutableMap<String, String> installRoots) {
    return new MirrorOptions(
        installRoots, 64L << 30, 200, 1_000_000, Duration.ofSeconds(1), Duration.ofMinutes(15));
  }

  long maxUnpackedBytes(long archiveBytes) {
    long byRatio = Math.max(RATIO_FLOOR_BYTES, archiveBytes * maxRatio);
    return Math.min(maxUnpackedBytes, byRatio);
  }
}

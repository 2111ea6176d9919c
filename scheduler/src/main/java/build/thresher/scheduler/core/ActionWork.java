package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;
import com.google.common.collect.ImmutableList;
import java.time.Duration;
import java.time.Instant;

/**
 * A REAPI action to run.
 *
 * @param timeout wall time after which the action is killed; zero for the farm's default
 * @param platform the properties that count, as the client wrote them
 * @param doNotCache the result is nobody else's: it is neither shared nor kept
 * @param skipCacheLookup run it although a result is known; a run in flight is joined all the same
 * @param queued when it was asked for first
 */
public record ActionWork(
    Digest action,
    Duration timeout,
    ImmutableList<PlatformProperty> platform,
    boolean doNotCache,
    boolean skipCacheLookup,
    Instant queued)
    implements Work {

  /** True when others will ask for this result. */
  boolean isKept(ActionOutputs outputs) {
    return !doNotCache && outputs.exitCode() == 0;
  }
}

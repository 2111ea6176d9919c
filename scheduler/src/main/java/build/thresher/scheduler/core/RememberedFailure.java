package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What the failure store holds: this key with these inputs failed on executors of this class, and
 * would again.
 */
public record RememberedFailure(
    TaskKey key,
    Inputs inputs,
    String executorClass,
    Failure failure,
    @Nullable Digest log,
    String execution,
    Instant expires) {}

package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A request at one moment.
 *
 * @param tasks dependencies first
 */
public record RequestSnapshot(
    RequestHead head,
    RequestState state,
    @Nullable Instant finished,
    ImmutableList<TaskSnapshot> tasks) {}

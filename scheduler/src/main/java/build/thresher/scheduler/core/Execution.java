package build.thresher.scheduler.core;

import java.time.Instant;

/**
 * One attempt.
 *
 * @param client whose turn it was
 */
public record Execution(
    Fence fence, ExecutorId executor, String client, Environment environment, Instant started) {}

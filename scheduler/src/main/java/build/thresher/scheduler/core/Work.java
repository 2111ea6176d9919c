package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What the executor will be told to build; the core carries it and never looks inside.
 *
 * @param dag the document that holds the node
 * @param sources list of what Spack would fetch
 * @param buildJobs parallel jobs of one build; 0 leaves it to the executor
 * @param timeout wall time after which the build is killed; zero for the farm's default
 */
public record Work(Digest dag, @Nullable Digest sources, int buildJobs, Duration timeout) {}

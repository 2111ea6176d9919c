package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * A Spack node to build.
 *
 * @param dag the document that holds the node
 * @param sources list of what Spack would fetch
 * @param buildJobs parallel jobs of one build; 0 leaves it to the executor
 * @param timeout wall time after which the build is killed; zero for the farm's default
 */
public record SpackWork(
    Inputs inputs, Digest dag, @Nullable Digest sources, int buildJobs, Duration timeout)
    implements Work {}

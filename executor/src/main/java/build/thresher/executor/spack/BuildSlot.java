package build.thresher.executor.spack;

import java.nio.file.Path;

/**
 * What one build has to itself.
 *
 * @param directory exists, empty, and is removed by the caller afterwards
 * @param uid host user of the build; negative: the executor's own
 */
public record BuildSlot(Path directory, int uid) {}

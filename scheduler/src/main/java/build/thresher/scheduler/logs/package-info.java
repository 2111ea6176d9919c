/** Logs of executions: as they grow, and as they were. */
@NullMarked
package build.thresher.scheduler.logs;

import org.jspecify.annotations.NullMarked;

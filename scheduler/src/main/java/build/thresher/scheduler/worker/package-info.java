/** The Executors service: leases, logs and results. */
@NullMarked
package build.thresher.scheduler.worker;

import org.jspecify.annotations.NullMarked;

/** The life of an executor: registers, leases, renews, runs builds, reports. */
@NullMarked
package build.thresher.executor.core;

import org.jspecify.annotations.NullMarked;

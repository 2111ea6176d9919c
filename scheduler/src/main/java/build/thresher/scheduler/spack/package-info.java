/**
 * From a Spack document to tasks, and from a lease to a build; the core knows nothing of either.
 */
@NullMarked
package build.thresher.scheduler.spack;

import org.jspecify.annotations.NullMarked;

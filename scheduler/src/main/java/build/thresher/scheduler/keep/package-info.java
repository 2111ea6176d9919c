/** What work that is not over needs stays in the blob store. */
@NullMarked
package build.thresher.scheduler.keep;

import org.jspecify.annotations.NullMarked;

/** What surrounds the core: the thread that feeds it, and everybody who waits for it. */
@NullMarked
package build.thresher.scheduler.shell;

import org.jspecify.annotations.NullMarked;

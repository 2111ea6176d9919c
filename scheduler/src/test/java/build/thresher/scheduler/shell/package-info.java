@NullMarked
package build.thresher.scheduler.shell;

import org.jspecify.annotations.NullMarked;

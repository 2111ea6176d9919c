@NullMarked
package build.thresher.scheduler.logs;

import org.jspecify.annotations.NullMarked;

/** The scheduler as one part: {@link build.thresher.scheduler.Scheduler#open} puts it together. */
@NullMarked
package build.thresher.scheduler;

import org.jspecify.annotations.NullMarked;

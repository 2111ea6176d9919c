@NullMarked
package build.thresher.scheduler.store;

import org.jspecify.annotations.NullMarked;

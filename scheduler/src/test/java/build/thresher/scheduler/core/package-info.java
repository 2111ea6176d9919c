@NullMarked
package build.thresher.scheduler.core;

import org.jspecify.annotations.NullMarked;

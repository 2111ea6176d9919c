@NullMarked
package build.thresher.scheduler;

import org.jspecify.annotations.NullMarked;

/** The Farm service: what clients ask. */
@NullMarked
package build.thresher.scheduler.farm;

import org.jspecify.annotations.NullMarked;

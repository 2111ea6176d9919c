@NullMarked
package build.thresher.scheduler.spack;

import org.jspecify.annotations.NullMarked;

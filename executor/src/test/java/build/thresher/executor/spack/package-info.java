@NullMarked
package build.thresher.executor.spack;

import org.jspecify.annotations.NullMarked;

@NullMarked
package build.thresher.executor.outputs;

import org.jspecify.annotations.NullMarked;

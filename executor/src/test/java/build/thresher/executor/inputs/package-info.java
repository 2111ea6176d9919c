@NullMarked
package build.thresher.executor.inputs;

import org.jspecify.annotations.NullMarked;

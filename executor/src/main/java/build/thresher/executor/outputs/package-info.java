/** Collects what a build pushed and hands it to the store. */
@NullMarked
package build.thresher.executor.outputs;

import org.jspecify.annotations.NullMarked;

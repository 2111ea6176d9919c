/** Runs one command, apart from the host where that can be: namespaces, limits, measurements. */
@NullMarked
package build.thresher.executor.sandbox;

import org.jspecify.annotations.NullMarked;

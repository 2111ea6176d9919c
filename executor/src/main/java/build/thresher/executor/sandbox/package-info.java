/** Runs one command apart from the host: namespaces, limits, measurements. */
@NullMarked
package build.thresher.executor.sandbox;

import org.jspecify.annotations.NullMarked;

/** Puts what a build reads in place: trees, prefixes, sources, each once per host. */
@NullMarked
package build.thresher.executor.inputs;

import org.jspecify.annotations.NullMarked;

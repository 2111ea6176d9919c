/** Builds one node of a concrete DAG with the client's own Spack. */
@NullMarked
package build.thresher.executor.spack;

import org.jspecify.annotations.NullMarked;

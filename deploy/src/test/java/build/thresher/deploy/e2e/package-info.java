/**
 * The assembled program, as its users run it: real processes, real sandbox, real Spack where it is
 * present.
 */
@NullMarked
package build.thresher.deploy.e2e;

import org.jspecify.annotations.NullMarked;

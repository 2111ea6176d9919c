/**
 * What the farm keeps when the power is cut. A real server runs with a library that records every
 * write, sync and change of a name below its data directory; from the record the test makes the
 * directory as it would be found after a cut at any moment, and opens it with the production code.
 */
@NullMarked
package build.thresher.deploy.powercut;

import org.jspecify.annotations.NullMarked;

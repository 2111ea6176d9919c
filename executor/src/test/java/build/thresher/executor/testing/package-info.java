/** Real parts in small, shared by the tests of this module. */
@NullMarked
package build.thresher.executor.testing;

import org.jspecify.annotations.NullMarked;

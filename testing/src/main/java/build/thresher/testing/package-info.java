/** What the tests of several modules share. */
@NullMarked
package build.thresher.testing;

import org.jspecify.annotations.NullMarked;

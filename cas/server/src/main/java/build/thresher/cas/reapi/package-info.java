/** The store as the Remote Execution API shows it; wire types stop in this package. */
@NullMarked
package build.thresher.cas.reapi;

import org.jspecify.annotations.NullMarked;

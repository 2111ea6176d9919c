@NullMarked
package build.thresher.cas.store;

import org.jspecify.annotations.NullMarked;

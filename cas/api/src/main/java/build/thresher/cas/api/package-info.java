/** The shared kernel of the farm: what a blob is, what a store of blobs promises, how they fail. */
@NullMarked
package build.thresher.cas.api;

import org.jspecify.annotations.NullMarked;

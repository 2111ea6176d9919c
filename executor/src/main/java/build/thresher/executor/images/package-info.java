/** Container images as roots of actions: fetched, verified, unpacked once. */
@NullMarked
package build.thresher.executor.images;

import org.jspecify.annotations.NullMarked;

/** The client commands of {@code thresher}. */
@NullMarked
package build.thresher.client;

import org.jspecify.annotations.NullMarked;

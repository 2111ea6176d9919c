@NullMarked
package build.thresher.client;

import org.jspecify.annotations.NullMarked;

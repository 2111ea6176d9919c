@NullMarked
package build.thresher.executor.sandbox;

import org.jspecify.annotations.NullMarked;

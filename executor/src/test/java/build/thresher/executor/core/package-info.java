@NullMarked
package build.thresher.executor.core;

import org.jspecify.annotations.NullMarked;

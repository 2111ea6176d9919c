@NullMarked
package build.thresher.executor.action;

import org.jspecify.annotations.NullMarked;

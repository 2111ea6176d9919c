@NullMarked
package build.thresher.cas.actions;

import org.jspecify.annotations.NullMarked;

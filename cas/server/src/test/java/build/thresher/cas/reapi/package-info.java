@NullMarked
package build.thresher.cas.reapi;

import org.jspecify.annotations.NullMarked;

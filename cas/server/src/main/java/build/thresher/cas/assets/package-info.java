/** What addresses stand for, because somebody said so. */
@NullMarked
package build.thresher.cas.assets;

import org.jspecify.annotations.NullMarked;

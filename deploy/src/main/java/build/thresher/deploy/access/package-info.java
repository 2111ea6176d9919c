/** Who may call what: deny by default. */
@NullMarked
package build.thresher.deploy.access;

import org.jspecify.annotations.NullMarked;

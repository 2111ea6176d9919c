/** Results of actions, by the digest of the action: complete or absent. */
@NullMarked
package build.thresher.cas.actions;

import org.jspecify.annotations.NullMarked;

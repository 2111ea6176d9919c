/** {@code thresher demo}: a farm at work, shown with real Spack. */
@NullMarked
package build.thresher.deploy.demo;

import org.jspecify.annotations.NullMarked;

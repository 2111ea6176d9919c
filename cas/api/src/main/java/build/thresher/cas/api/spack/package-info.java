/** Concrete specs as Spack wrote them, and what the farm publishes of them. */
@NullMarked
package build.thresher.cas.api.spack;

import org.jspecify.annotations.NullMarked;

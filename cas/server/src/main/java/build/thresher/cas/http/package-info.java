/**
 * What the farm serves over HTTP/1.1: the Spack mirrors and a health check. Helidon stays inside.
 */
@NullMarked
package build.thresher.cas.http;

import org.jspecify.annotations.NullMarked;

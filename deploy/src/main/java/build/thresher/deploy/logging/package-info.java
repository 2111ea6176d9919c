/** From the logging interface that all parts use to the logging of the Java platform. */
@NullMarked
package build.thresher.deploy.logging;

import org.jspecify.annotations.NullMarked;

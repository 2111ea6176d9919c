/** Source mirrors as directories: read into the farm, written from it. */
@NullMarked
package build.thresher.client.sources;

import org.jspecify.annotations.NullMarked;

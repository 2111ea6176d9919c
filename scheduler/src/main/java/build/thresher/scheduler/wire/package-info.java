/**
 * Values of the core to and from protobuf, for everybody who speaks it: the services and the store.
 */
@NullMarked
package build.thresher.scheduler.wire;

import org.jspecify.annotations.NullMarked;

/** Where tasks are kept: the interface, and its implementation on RocksDB. */
@NullMarked
package build.thresher.scheduler.store;

import org.jspecify.annotations.NullMarked;

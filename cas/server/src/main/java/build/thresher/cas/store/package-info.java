/** The durable store of blobs: small ones in RocksDB, large ones in files beside it. */
@NullMarked
package build.thresher.cas.store;

import org.jspecify.annotations.NullMarked;

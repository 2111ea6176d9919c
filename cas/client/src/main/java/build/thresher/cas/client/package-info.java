/**
 * The store over gRPC: a {@code BlobStore} for whoever is elsewhere, and trees in and out of it.
 */
@NullMarked
package build.thresher.cas.client;

import org.jspecify.annotations.NullMarked;

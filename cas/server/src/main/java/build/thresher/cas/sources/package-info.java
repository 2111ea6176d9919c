/**
 * Source archives: fetched once, verified, kept as blobs. Speaks REAPI's Remote Asset API to
 * whoever needs one.
 */
@NullMarked
package build.thresher.cas.sources;

import org.jspecify.annotations.NullMarked;

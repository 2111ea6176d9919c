/**
 * The Spack binary mirror, layout v3: checks what builds hand in, signs it, and knows every
 * document and blob that the mirror of an instance names. RocksDB types stay inside; HTTP is in
 * {@code http}.
 */
@NullMarked
package build.thresher.cas.mirror;

import org.jspecify.annotations.NullMarked;

package build.thresher.cas.mirror;

import com.google.common.collect.ImmutableList;

/**
 * A version of Spack's database that an index is written in. The index manifest lists one blob of
 * each, and every Spack picks its own.
 */
record IndexVersion(String version, String mediaType) {
  static final IndexVersion DB_V8 = new IndexVersion("8", "application/vnd.spack.db.v8+json");

  /** Those that mirrors serve. */
  static final ImmutableList<IndexVersion> SERVED = ImmutableList.of(DB_V8);
}

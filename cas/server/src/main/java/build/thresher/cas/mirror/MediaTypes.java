package build.thresher.cas.mirror;

import com.google.common.collect.ImmutableSet;

/** The media types that Spack's layout v3 names. */
final class MediaTypes {
  static final ImmutableSet<String> ARCHIVES =
      ImmutableSet.of(
          "application/vnd.spack.install.v2.tar+gzip", "application/vnd.spack.install.v1.tar+gzip");
  static final ImmutableSet<String> SPECS = ImmutableSet.of("application/vnd.spack.spec.v5+json");
  static final String KEY = "application/pgp-keys";
  static final String KEY_INDEX = "application/vnd.spack.keyindex.v1+json";
  static final String JSON = "application/json";
  static final String SIGNED_TEXT = "text/plain";

  private MediaTypes() {}
}

package build.thresher.cas.mirror;

/**
 * The versions of Spack's database that an index is written in. The index manifest lists one blob
 * of each, and every Spack picks its own; a second version is one more constant here.
 */
enum IndexVersion {
  DB_V8("8", "application/vnd.spack.db.v8+json");

  private final String version;
  private final String mediaType;

  IndexVersion(String version, String mediaType) {
    this.version = version;
    this.mediaType = mediaType;
  }

  String version() {
    return version;
  }

  String mediaType() {
    return mediaType;
  }
}

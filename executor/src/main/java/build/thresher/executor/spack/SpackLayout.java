package build.thresher.executor.spack;

/** Where things are inside a build. Archives record these paths, so they never change. */
final class SpackLayout {
  static final String CORE = "/thresher/spack";
  static final String REPOS = "/thresher/repos/spack_repo";
  static final String CLIENT_CONFIGURATION = "/thresher/config/client";
  static final String FARM_CONFIGURATION = "/thresher/config/farm";
  static final String SOURCES = "/thresher/sources";
  static final String OUT = "/thresher/out";
  static final String ORDER = "/thresher/order";
  static final String STAGE = "/tmp/stage";

  private SpackLayout() {}
}

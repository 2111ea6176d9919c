package build.thresher.deploy.e2e;

import java.nio.file.Path;

/** Data that other programs wrote. */
final class Fixtures {
  /** Mirrors of real Spack releases. */
  static final Path SPACK =
      Path.of("../cas/server/src/test/resources/spack").toAbsolutePath().normalize();

  private Fixtures() {}
}

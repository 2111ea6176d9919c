package build.thresher.cas.mirror;

import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;

/** Keys of the kind that takes no time to make. */
public final class TestKeys {
  private TestKeys() {}

  /** One key for all instances, for tests that look at something else. */
  public static Signers signers(Path dir) throws IOException {
    Signer signer = open(dir, "shared");
    return instance -> signer;
  }

  static Signer open(Path dir, String name) throws IOException {
    return Signer.open(
        dir.resolve("keys").resolve(name), "test farm", InstantSource.system(), KeyType.ED25519);
  }
}

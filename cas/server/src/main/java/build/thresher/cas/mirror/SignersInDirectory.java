package build.thresher.cas.mirror;

import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Optional;

/** Keys as files. */
record SignersInDirectory(Path dir, String userId, InstantSource clock, KeyType type)
    implements Signers {

  @Override
  public Signer of(String instance) throws IOException {
    return Signer.open(directory(instance), userId, clock, type);
  }

  @Override
  public Optional<Signer> next(String instance) throws IOException {
    return Signer.next(directory(instance), clock);
  }

  @Override
  public Signer makeNext(String instance) throws IOException {
    return Signer.makeNext(directory(instance), userId, clock, type);
  }

  @Override
  public void adoptNext(String instance) throws IOException {
    Signer.adoptNext(directory(instance));
  }

  private Path directory(String instance) {
    // No name of an instance has a percent sign.
    return dir.resolve("%" + instance.replace("/", "%2F"));
  }
}

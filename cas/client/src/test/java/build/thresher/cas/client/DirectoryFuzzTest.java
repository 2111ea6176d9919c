package build.thresher.cas.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Directory;
import build.thresher.cas.api.Digest;
import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Directories of trees that others uploaded. */
class DirectoryFuzzTest extends HostileBytes {

  @Hostile
  void aDirectoryIsRefusedOrItsEntriesLieRightInIt(byte[] bytes) {
    Directory directory;
    try {
      directory = DirectoryReader.parse(Digest.of(bytes), bytes);
    } catch (TreeFormatException e) {
      return;
    }
    Path into = Path.of("/into");
    Stream.of(
            directory.getFilesList().stream().map(f -> f.getName()),
            directory.getDirectoriesList().stream().map(d -> d.getName()),
            directory.getSymlinksList().stream().map(l -> l.getName()))
        .flatMap(names -> names)
        .forEach(
            name -> {
              Path path = into.resolve(name);
              assertEquals(into, path.getParent(), name);
              assertEquals(path, path.normalize(), name);
              assertTrue(path.startsWith(into), name);
            });
  }
}

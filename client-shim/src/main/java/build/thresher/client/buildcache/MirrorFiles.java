package build.thresher.client.buildcache;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The files of a mirror, wherever they are. Paths are relative, with slashes.
 *
 * <p>Threading: any thread; calls block.
 */
public interface MirrorFiles extends Closeable {

  /**
   * A whole file that is known to be small.
   *
   * @return empty where there is none
   * @throws IOException also when it is larger than {@code maxBytes}
   */
  Optional<byte[]> read(String path, int maxBytes) throws IOException;

  /** A file of any size, from its beginning; the caller closes the stream. */
  Optional<InputStream> open(String path) throws IOException;

  /** Length of a file in bytes; empty where there is none, or nobody says. */
  OptionalLong size(String path) throws IOException;

  /**
   * Paths of all files below a directory; empty where nobody can say, as over HTTP, where an index
   * has to be asked.
   */
  Optional<List<String>> list(String directory) throws IOException;

  /** For people and for the provenance of what was taken from here. */
  String name();

  @Override
  void close();
}

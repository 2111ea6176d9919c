package build.thresher.client.buildcache;

import build.thresher.client.sources.FilesBelow;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** A mirror in a directory of this machine. */
final class DirectoryFiles implements MirrorFiles {
  private final Path top;

  DirectoryFiles(Path top) {
    this.top = top;
  }

  @Override
  public Optional<byte[]> read(String path, int maxBytes) throws IOException {
    Path file = inside(path);
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    if (Files.size(file) > maxBytes) {
      throw new IOException(file + " is larger than " + maxBytes + " bytes");
    }
    return Optional.of(Files.readAllBytes(file));
  }

  @Override
  public Optional<InputStream> open(String path) throws IOException {
    Path file = inside(path);
    return Files.isRegularFile(file) ? Optional.of(Files.newInputStream(file)) : Optional.empty();
  }

  @Override
  public OptionalLong size(String path) throws IOException {
    Path file = inside(path);
    return Files.isRegularFile(file) ? OptionalLong.of(Files.size(file)) : OptionalLong.empty();
  }

  @Override
  public Optional<List<String>> list(String directory) throws IOException {
    Path below = inside(directory);
    if (!Files.isDirectory(below)) {
      return Optional.of(List.of());
    }
    return Optional.of(
        FilesBelow.list(below, each -> true).stream()
            .map(file -> top.relativize(file).toString())
            .sorted()
            .toList());
  }

  /** Paths come from texts that strangers wrote. */
  private Path inside(String path) throws IOException {
    Path file = top.resolve(path).normalize();
    if (!file.startsWith(top)) {
      throw new IOException("the mirror names a file outside of itself: " + path);
    }
    return file;
  }

  @Override
  public String name() {
    return top.toUri().toString();
  }

  @Override
  public void close() {
    // Holds nothing open.
  }
}

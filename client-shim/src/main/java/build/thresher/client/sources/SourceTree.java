package build.thresher.client.sources;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The files of a directory of archives, or of a mirror that {@code spack mirror create} wrote:
 * there the files of {@code _source-cache} are the sources, and links elsewhere are their readable
 * names. What lies there of a binary mirror, and hidden files, are left out. Links to directories
 * are not followed.
 */
public final class SourceTree {
  private static final Set<String> BINARY = Set.of("v3", "blobs", "build_cache");
  private static final String CACHE = "_source-cache";

  private SourceTree() {}

  /**
   * @param root a directory, or a single file
   */
  public static List<LocalSource> read(Path root) throws IOException {
    if (Files.isRegularFile(root)) {
      return List.of(new LocalSource(root, "", List.of(String.valueOf(root.getFileName()))));
    }
    if (!Files.isDirectory(root)) {
      throw new NoSuchFileException(root.toString());
    }
    Path real = root.toRealPath();
    Map<Path, Set<String>> namesByFile = new LinkedHashMap<>();
    for (Path file : files(real)) {
      String path = path(real, file);
      Set<String> names =
          namesByFile.computeIfAbsent(file.toRealPath(), missing -> new TreeSet<>());
      if (!path.startsWith(CACHE + "/")) {
        names.add(path);
      }
    }
    List<LocalSource> sources = new ArrayList<>();
    namesByFile.forEach(
        (file, names) -> {
          String path = file.startsWith(real) ? path(real, file) : "";
          String cachePath = path.startsWith(CACHE + "/") ? path : "";
          sources.add(new LocalSource(file, cachePath, List.copyOf(names)));
        });
    return sources;
  }

  private static String path(Path root, Path file) {
    return root.relativize(file).toString();
  }

  private static List<Path> files(Path root) throws IOException {
    boolean isMirror = Files.isDirectory(root.resolve(CACHE));
    List<Path> files =
        FilesBelow.list(
            root,
            dir -> {
              boolean binary =
                  isMirror
                      && root.equals(dir.getParent())
                      && BINARY.contains(String.valueOf(dir.getFileName()));
              return !binary && !isHidden(dir);
            });
    return files.stream().filter(file -> !isHidden(file)).toList();
  }

  private static boolean isHidden(Path path) {
    return String.valueOf(path.getFileName()).startsWith(".");
  }
}

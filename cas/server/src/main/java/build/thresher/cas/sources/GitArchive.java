package build.thresher.cas.sources;

import build.thresher.cas.sources.FetchException.Reason;
import com.google.common.io.ByteStreams;
import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.Deflater;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.compressors.gzip.GzipCompressorOutputStream;
import org.apache.commons.compress.compressors.gzip.GzipParameters;

/**
 * Writes commits into a tar.gz as Spack's mirrors have them: the files below one directory, each
 * repository's {@code .git} beside its files. Files are taken from git's objects as they are, so no
 * attribute of the repository has an effect. Used by one thread.
 */
final class GitArchive implements AutoCloseable {
  private static final String CONFIG =
      "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n";
  private static final int MAX_FILES = 1_000_000;
  private static final int MAX_LINK_BYTES = 4096;

  private final GitProgram git;
  private final TarArchiveOutputStream tar;
  private final long deadline;
  private final long maxBytes;
  private long bytes;
  private int files;

  /**
   * @param maxBytes what comes to more is refused
   */
  GitArchive(GitProgram git, OutputStream out, long deadline, long maxBytes) throws IOException {
    this.git = git;
    this.deadline = deadline;
    this.maxBytes = maxBytes;
    GzipParameters parameters = new GzipParameters();
    parameters.setCompressionLevel(Deflater.BEST_SPEED);
    // Names of files are bytes to git; so they are here.
    tar =
        new TarArchiveOutputStream(
            new GzipCompressorOutputStream(out, parameters), StandardCharsets.ISO_8859_1.name());
    tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_GNU);
    tar.setBigNumberMode(TarArchiveOutputStream.BIGNUMBER_STAR);
  }

  /** A submodule of a commit. */
  record Link(String path, String commit) {}

  private record File(String mode, String object, String path) {}

  /**
   * Adds a commit's files and its repository.
   *
   * @param repository a bare one that has the commit
   * @param top the directory that they are put in
   * @return its submodules that were asked for; the caller adds them
   */
  List<Link> add(Path repository, GitRequest wanted, String top) throws IOException {
    List<Link> links = new ArrayList<>();
    List<File> all = new ArrayList<>();
    directory(top);
    for (String line : tree(repository, wanted.commit())) {
      int tab = line.indexOf('\t');
      String[] words = line.substring(0, Math.max(0, tab)).split(" ", -1);
      String path = line.substring(tab + 1);
      if (words.length != 3 || !GitRequest.isPath(path)) {
        throw new FetchException(
            Reason.WRONG_CONTENT, wanted + " has a file of a name that is none: " + path);
      }
      if (!wanted.wants(path)) {
        continue;
      }
      if (words[0].equals("160000")) {
        directory(top + "/" + path);
        if (wanted.wantsSubmodule(path)) {
          links.add(new Link(path, words[2]));
        }
      } else {
        all.add(new File(words[0], words[2], path));
      }
    }
    contents(repository, all, top);
    repository(repository, wanted.commit(), top + "/.git");
    return links;
  }

  private List<String> tree(Path repository, String commit) throws IOException {
    byte[] listed =
        git.run(repository, deadline, List.of("ls-tree", "-r", "-z", "--full-tree", commit));
    String text = new String(listed, StandardCharsets.ISO_8859_1);
    List<String> lines = text.isEmpty() ? List.of() : List.of(text.split("\0", -1));
    files += lines.size();
    if (files > MAX_FILES) {
      throw new FetchException(
          Reason.TOO_LARGE, "the commit " + commit + " has more than " + MAX_FILES + " files");
    }
    return lines.isEmpty() ? lines : lines.subList(0, lines.size() - 1);
  }

  private void contents(Path repository, List<File> all, String top) throws IOException {
    Path input = Files.createTempFile(repository, "objects", "");
    try {
      Files.write(input, all.stream().map(File::object).toList());
      git.stream(
          repository,
          deadline,
          List.of("cat-file", "--batch"),
          input,
          out -> {
            InputStream in = new BufferedInputStream(out, 64 << 10);
            for (File file : all) {
              content(in, file, top);
            }
          });
    } finally {
      Files.deleteIfExists(input);
    }
  }

  /** {@code <object> blob <size>}, the content, a line feed. */
  private void content(InputStream in, File file, String top) throws IOException {
    String[] header = line(in).split(" ", -1);
    if (header.length != 3 || !header[1].equals("blob")) {
      throw new FetchException(
          Reason.WRONG_CONTENT, "git does not have " + file.object() + " (" + file.path() + ")");
    }
    long size = Long.parseLong(header[2]);
    grow(size);
    String name = top + "/" + file.path();
    if (file.mode().equals("120000")) {
      if (size > MAX_LINK_BYTES) {
        throw new FetchException(Reason.TOO_LARGE, "a link is too long: " + file.path());
      }
      TarArchiveEntry link = new TarArchiveEntry(name, TarConstants.LF_SYMLINK);
      link.setLinkName(new String(in.readNBytes((int) size), StandardCharsets.ISO_8859_1));
      put(link, 0777);
      tar.closeArchiveEntry();
    } else {
      file(name, size, file.mode().equals("100755") ? 0755 : 0644, in);
    }
    if (in.read() != '\n') {
      throw new EOFException("git's answer ends early");
    }
  }

  private static String line(InputStream in) throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c < 0 || line.length() > 200) {
        throw new EOFException("git's answer ends early");
      }
      line.append((char) c);
    }
    return line.toString();
  }

  /** As much of a repository as git needs to say what is here. */
  private void repository(Path repository, String commit, String top) throws IOException {
    Path index = repository.resolve("index");
    git.run(
        repository,
        deadline,
        Map.of("GIT_INDEX_FILE", index.toString()),
        List.of("read-tree", commit));
    for (String empty : List.of("", "/objects", "/objects/pack", "/refs", "/refs/heads")) {
      directory(top + empty);
    }
    text(top + "/HEAD", commit + "\n");
    text(top + "/config", CONFIG);
    for (String name : List.of("index", "shallow", "packed-refs")) {
      Path file = repository.resolve(name);
      if (Files.exists(file)) {
        copy(top + "/" + name, file, 0644);
      }
    }
    try (Stream<Path> packs = Files.list(repository.resolve("objects/pack"))) {
      for (Path pack : packs.sorted().toList()) {
        copy(top + "/objects/pack/" + pack.getFileName(), pack, 0444);
      }
    }
  }

  private void directory(String name) throws IOException {
    put(new TarArchiveEntry(name + "/"), 0755);
    tar.closeArchiveEntry();
  }

  private void text(String name, String text) throws IOException {
    byte[] content = text.getBytes(StandardCharsets.US_ASCII);
    file(name, content.length, 0644, new ByteArrayInputStream(content));
  }

  private void copy(String name, Path file, int mode) throws IOException {
    grow(Files.size(file));
    try (InputStream in = Files.newInputStream(file)) {
      file(name, Files.size(file), mode, in);
    }
  }

  private void file(String name, long size, int mode, InputStream in) throws IOException {
    TarArchiveEntry entry = new TarArchiveEntry(name);
    entry.setSize(size);
    put(entry, mode);
    long copied = ByteStreams.limit(in, size).transferTo(tar);
    if (copied != size) {
      throw new EOFException("git's answer ends early");
    }
    tar.closeArchiveEntry();
  }

  private void put(TarArchiveEntry entry, int mode) throws IOException {
    entry.setMode(mode);
    entry.setModTime(0);
    entry.setIds(0, 0);
    entry.setNames("", "");
    tar.putArchiveEntry(entry);
  }

  private void grow(long more) throws FetchException {
    bytes += more;
    if (bytes > maxBytes) {
      throw new FetchException(
          Reason.TOO_LARGE, "the files of the commit have more than " + maxBytes + " bytes");
    }
  }

  /** The URLs of a commit's submodules, by path. */
  Map<String, String> submoduleUrls(Path repository, String commit) throws IOException {
    Map<String, String> pathByName = new HashMap<>();
    Map<String, String> urlByName = new HashMap<>();
    byte[] said =
        git.run(
            repository,
            deadline,
            List.of("config", "--blob", commit + ":.gitmodules", "-z", "--list"));
    for (String one : new String(said, StandardCharsets.ISO_8859_1).split("\0", -1)) {
      int line = one.indexOf('\n');
      String key = line < 0 ? one : one.substring(0, line);
      String value = line < 0 ? "" : one.substring(line + 1);
      if (key.startsWith("submodule.") && key.endsWith(".path")) {
        pathByName.put(key.substring(0, key.length() - ".path".length()), value);
      } else if (key.startsWith("submodule.") && key.endsWith(".url")) {
        urlByName.put(key.substring(0, key.length() - ".url".length()), value);
      }
    }
    Map<String, String> urls = new HashMap<>();
    pathByName.forEach((name, path) -> urls.put(path, urlByName.getOrDefault(name, "")));
    return urls;
  }

  @Override
  public void close() throws IOException {
    tar.close();
  }
}

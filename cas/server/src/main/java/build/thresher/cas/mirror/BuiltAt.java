package build.thresher.cas.mirror;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * Where an archive was built: the farm knows it of what it built, and other archives say it of
 * themselves.
 *
 * @param prefix below the install root
 */
record BuiltAt(String installRoot, String prefix) {
  private static final String FACTS = "/.spack/binary_distribution";

  /**
   * Of an archive in whatever order. Null when it does not say; reads to where it stands. {@link
   * ArchiveChecker} holds the archive to it afterwards.
   */
  static @Nullable BuiltAt of(InputStream archive, long maxUnpackedBytes) throws IOException {
    try (InputStream unpacked =
        new BufferedInputStream(
            new CappedStream(new GzipMember(archive), maxUnpackedBytes), 1 << 16)) {
      TarReader tar = new TarReader(unpacked);
      for (TarReader.Entry e = tar.next(); e != null; e = tar.next()) {
        if (e.name().endsWith(FACTS) && e.sizeBytes() <= RelocationFacts.MAX_BYTES) {
          String prefix = "/" + e.name().substring(0, e.name().length() - FACTS.length());
          String root = RelocationFacts.parse(tar.content()).installRoot();
          return new BuiltAt(root, TarReader.readable(prefix));
        }
      }
      return null;
    } catch (CappedStream.TooLongException
        | TarReader.TarException
        | ZipException
        | EOFException
        | BrokenRuleException e) {
      return null; // the checker says which rule it breaks
    }
  }
}

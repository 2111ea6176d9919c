package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Printable;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpecNode;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * Reads one archive of an install prefix, entry by entry, before its manifest is signed. Nothing is
 * unpacked and nothing is kept but names. What they may be says {@link PrefixTree}; besides, no
 * "..", no set-id or sticky bit, no owner but root, and one reading only ({@link GzipMember},
 * {@link TarReader}).
 *
 * <p>Where it was built is known of what the farm built. Of other archives the prefix is taken to
 * be where Spack's order of entries has it: there lies the first entry that is no directory, or
 * else in {@code .spack}. What the archive says of itself, which Spack writes last, must agree in
 * the end; so an archive of another order is refused here, and {@link BuiltSpecChecker} looks where
 * it was built before it is read again.
 *
 * <p>Not thread-safe: one instance, one archive.
 */
final class ArchiveChecker {
  private static final int SPECIAL_BITS = 07000;
  private static final int MAX_SPEC_BYTES = 64 << 20;
  private static final int MAX_LEADING_DIRECTORIES = 256;
  private static final int MAX_SHOWN = 5000;
  private static final String METADATA = "/.spack";
  private static final String SPEC = METADATA + "/spec.json";
  private static final String FACTS = METADATA + "/binary_distribution";

  private final SpecNode node;
  private final SpecChecker specs;
  private final Digest archive;
  private final MirrorOptions options;

  private final List<TarReader.Entry> leading = new ArrayList<>();
  private @Nullable String installRoot;
  private @Nullable String prefix;
  private @Nullable PrefixTree tree;
  private byte @Nullable [] specJson;
  private byte @Nullable [] facts;

  /**
   * @param specs what its {@code .spack/spec.json} must hold to
   * @param builtAt null when it has to be found
   */
  ArchiveChecker(
      OfferedSpec offered, SpecChecker specs, @Nullable BuiltAt builtAt, MirrorOptions options) {
    this.node = offered.node();
    this.archive = offered.archive();
    this.specs = specs;
    this.options = options;
    if (builtAt != null) {
      installRoot = builtAt.installRoot();
      prefix = builtAt.prefix();
    }
  }

  /** Checks to the last byte. Returns where it was built. */
  BuiltAt check(InputStream in) throws ArchiveRefusedException, IOException {
    long limit = options.maxUnpackedBytes(archive.sizeBytes());
    try (InputStream unpacked =
        new BufferedInputStream(new CappedStream(new GzipMember(in), limit), 1 << 16)) {
      if (installRoot != null && prefix != null) {
        requirePlace(installRoot, prefix);
        tree = new PrefixTree(prefix);
      }
      TarReader tar = new TarReader(unpacked);
      int entries = 0;
      for (TarReader.Entry e = tar.next(); e != null; e = tar.next()) {
        if (++entries > options.maxEntries()) {
          throw refused("has more than " + options.maxEntries() + " entries");
        }
        entry(e, tar);
      }
      return whole();
    } catch (CappedStream.TooLongException e) {
      throw refused("unpacks to more than " + limit + " bytes from " + archive.sizeBytes());
    } catch (TarReader.TarException | BrokenRuleException e) {
      throw refused(String.valueOf(e.getMessage()));
    } catch (ZipException | EOFException e) {
      throw refused("is not a whole gzip file of a tar file: " + e.getMessage());
    }
  }

  /** The prefix that it was held to, once that is known. */
  @Nullable String prefix() {
    return prefix;
  }

  private void entry(TarReader.Entry read, TarReader tar) throws BrokenRuleException, IOException {
    boolean isDirectory = read.type() == TarReader.DIRECTORY;
    TarReader.Entry e = isDirectory ? read.withoutSlash() : read;
    if (!PrefixTree.isPlain(e.name())) {
      throw BrokenRuleException.of("has an entry with the name `%s`", e);
    }
    if ((e.mode() & SPECIAL_BITS) != 0) {
      throw BrokenRuleException.of(
          "has the entry `%s` with a set-id or sticky bit (mode %o)", e, e.mode());
    }
    if (e.owned()) {
      throw BrokenRuleException.of(
          "has the entry `%s`, which belongs to another user than root", e);
    }
    if (tree == null) {
      if (isDirectory) {
        leads(e);
        return;
      }
      tree = treeOf(e);
    }
    String path = tree.add(e);
    if (e.type() == TarReader.FILE && path.equals(SPEC)) {
      specJson = document(e, tar, MAX_SPEC_BYTES);
    } else if (e.type() == TarReader.FILE && path.equals(FACTS)) {
      facts = document(e, tar, RelocationFacts.MAX_BYTES);
    }
  }

  /** Parents of the prefix, it seems; judged when it is known. */
  private void leads(TarReader.Entry directory) throws BrokenRuleException {
    if (leading.size() == MAX_LEADING_DIRECTORIES) {
      throw new BrokenRuleException(
          "begins with more than " + MAX_LEADING_DIRECTORIES + " directories");
    }
    leading.add(directory);
  }

  private PrefixTree treeOf(TarReader.Entry first) throws BrokenRuleException {
    String in = first.name().substring(0, Math.max(0, first.name().lastIndexOf('/')));
    String found = in.endsWith(METADATA) ? in.substring(0, in.length() - METADATA.length()) : in;
    if (found.isEmpty()) {
      throw BrokenRuleException.of("has the entry `%s` outside of any prefix", first);
    }
    prefix = "/" + TarReader.readable(found);
    PrefixTree below = new PrefixTree(prefix);
    for (TarReader.Entry directory : leading) {
      below.add(directory);
    }
    return below;
  }

  private static byte[] document(TarReader.Entry e, TarReader tar, int maxBytes)
      throws BrokenRuleException, IOException {
    if (e.sizeBytes() > maxBytes) {
      throw BrokenRuleException.of("has the document `%s` of %d bytes", e, e.sizeBytes());
    }
    return tar.content();
  }

  private BuiltAt whole() throws ArchiveRefusedException, BrokenRuleException {
    if (prefix == null || tree == null || specJson == null) {
      throw new BrokenRuleException(
          "holds no " + (prefix == null ? "" : prefix) + SPEC + "; is the pushed tree empty?");
    }
    if (facts == null) {
      throw new BrokenRuleException(
          "holds no " + prefix + FACTS + ", without which Spack cannot unpack it");
    }
    RelocationFacts relocation = RelocationFacts.parse(facts);
    String root = installRoot == null ? relocation.installRoot() : installRoot;
    requirePlace(root, prefix);
    tree.requireLinksWithin(root);
    relocation.requireBuiltAt(root, prefix);
    relocation.requireEach("relocate_textfiles", "regular file", tree::holdsFile);
    relocation.requireEach("relocate_binaries", "regular file", tree::holdsFile);
    relocation.requireEach("relocate_links", "symbolic link", tree::holdsLink);
    specs.check(".spack/spec.json", specJson);
    return new BuiltAt(root, prefix);
  }

  private static void requirePlace(String installRoot, String prefix)
      throws ArchiveRefusedException {
    requirePlain("install root", installRoot);
    requirePlain("prefix", prefix);
    if (!prefix.startsWith(installRoot + "/")) {
      throw new ArchiveRefusedException(
          "the prefix " + prefix + " is not below the install root " + installRoot);
    }
  }

  /** Paths end in logs and on terminals besides. */
  private static void requirePlain(String what, String path) throws ArchiveRefusedException {
    if (!path.startsWith("/")
        || !PrefixTree.isPlain(path.substring(1))
        || !Printable.of(path, MAX_SHOWN).equals(path)) {
      throw new ArchiveRefusedException(
          "the " + what + " `" + Printable.of(path, MAX_SHOWN) + "` is no plain absolute path");
    }
  }

  private ArchiveRefusedException refused(String what) {
    return new ArchiveRefusedException(
        "the archive of " + node.display() + " " + Printable.of(what, MAX_SHOWN));
  }
}

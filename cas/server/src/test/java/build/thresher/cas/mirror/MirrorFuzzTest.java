package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.junit.jupiter.api.io.TempDir;

/** What is meant for the mirror, what asks for things of it, and what it keeps. */
class MirrorFuzzTest extends HostileBytes {
  private static final int UNPACKED_BYTES = 4 << 20;

  @TempDir Path scratch;

  @Hostile
  void aGzipFileIsRefusedOrUnpackedAsAnyOtherReaderDoes(byte[] gzip) throws IOException {
    byte[] unpacked;
    try (InputStream in =
        new CappedStream(new GzipMember(new ByteArrayInputStream(gzip)), UNPACKED_BYTES)) {
      unpacked = in.readAllBytes();
    } catch (ZipException | EOFException | CappedStream.TooLongException e) {
      return;
    }
    try (InputStream other = new GZIPInputStream(new ByteArrayInputStream(gzip))) {
      assertArrayEquals(other.readAllBytes(), unpacked);
    }
  }

  private record Seen(String name, char type, long sizeBytes, String link) {}

  @Hostile
  void aTarFileIsRefusedOrReadAsAnyOtherReaderDoes(byte[] tar) throws IOException {
    List<Seen> seen = new ArrayList<>();
    try {
      TarReader reader =
          new TarReader(new CappedStream(new ByteArrayInputStream(tar), UNPACKED_BYTES));
      for (TarReader.Entry e = reader.next(); e != null; e = reader.next()) {
        if (!isComparable(e)) {
          return;
        }
        seen.add(
            new Seen(
                withoutSlash(TarReader.readable(e.name())),
                e.type(),
                e.sizeBytes(),
                isLink(e.type()) ? TarReader.readable(e.linkName()) : ""));
      }
    } catch (TarReader.TarException | EOFException | CappedStream.TooLongException e) {
      return;
    }
    assertEquals(readByLibrary(tar), seen);
  }

  /** What the archive's checker refuses need not mean the same to others. */
  private static boolean isComparable(TarReader.Entry e) {
    String texts = TarReader.readable(e.name() + e.linkName());
    return "0125".indexOf(e.type()) >= 0
        && texts.chars().noneMatch(c -> c == 0 || c == '\uFFFD')
        && !e.name().isEmpty()
        && !e.name().startsWith("/")
        && (e.type() == TarReader.DIRECTORY || !e.name().endsWith("/"));
  }

  private static boolean isLink(char type) {
    return type == TarReader.HARD_LINK || type == TarReader.SYMBOLIC_LINK;
  }

  private static String withoutSlash(String name) {
    return name.replaceAll("/+$", "");
  }

  private static List<Seen> readByLibrary(byte[] tar) throws IOException {
    List<Seen> seen = new ArrayList<>();
    try (TarArchiveInputStream library =
        new TarArchiveInputStream(new ByteArrayInputStream(tar), "UTF-8")) {
      for (TarArchiveEntry e = library.getNextEntry(); e != null; e = library.getNextEntry()) {
        char type = (char) (e.getLinkFlag() == 0 ? TarReader.FILE : e.getLinkFlag());
        String link = isLink(type) ? e.getLinkName() : "";
        seen.add(new Seen(withoutSlash(e.getName()), type, e.getSize(), link));
      }
    }
    return seen;
  }

  /** Changed bytes rarely have the right checksum, so what lies behind it is reached so. */
  @Hostile
  void aTarFileWithMendedChecksumsIsRefusedOrReadAsAnyOtherReaderDoes(byte[] tar)
      throws IOException {
    byte[] mended = tar.clone();
    for (int at = 0; at + 512 <= mended.length; at += 512) {
      if (mended[at + 257] == 'u' && mended[at + 258] == 's') {
        long sum = 8 * ' ';
        for (int i = 0; i < 512; i++) {
          sum += i >= 148 && i < 156 ? 0 : mended[at + i] & 0xff;
        }
        byte[] text = "%06o\0 ".formatted(sum).getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(text, 0, mended, at + 148, 8);
      }
    }
    aTarFileIsRefusedOrReadAsAnyOtherReaderDoes(mended);
  }

  @Hostile
  void relocationFactsAreRefusedOrRead(byte[] yaml) {
    try {
      RelocationFacts facts = RelocationFacts.parse(yaml);
      facts.requireEach("relocate_textfiles", "regular file", name -> true);
      facts.requireEach("relocate_links", "symbolic link", name -> true);
      facts.requireBuiltAt("/root", "/root/a");
    } catch (BrokenRuleException e) {
      return;
    }
  }

  @Hostile
  void aClearSignedTextIsRefusedOrOfOneReading(byte[] utf8) {
    String text = new String(utf8, StandardCharsets.UTF_8);
    ClearSignedText parsed;
    try {
      parsed = ClearSignedText.parse(text);
    } catch (BadSignatureException e) {
      return;
    }
    String again =
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
            + String.join("\n", parsed.lines())
            + "\n"
            + parsed.signature();
    try {
      assertEquals(parsed.lines(), ClearSignedText.parse(again).lines());
    } catch (BadSignatureException e) {
      throw new AssertionError("what was accepted is refused when it is written again", e);
    }
    assertTrue(parsed.lines().stream().noneMatch(line -> line.startsWith("-")));
  }

  @Hostile
  void aPushedManifestIsRefusedOrSaysTheSameWrittenAgain(byte[] utf8) throws Exception {
    IncomingText.SpecManifest read;
    try {
      read = IncomingText.SpecManifest.parse(new String(utf8, StandardCharsets.UTF_8));
    } catch (ArchiveRefusedException e) {
      assertFalse(String.valueOf(e.getMessage()).isEmpty());
      return;
    }
    String again = new Manifest(List.of(read.archive(), read.spec())).json();
    assertEquals(read, IncomingText.SpecManifest.parse(again));
  }

  @Hostile
  void aPushedSpecFileIsRefusedOrNamesAnArchive(byte[] utf8) {
    try {
      String checksum = IncomingText.archiveChecksum(new String(utf8, StandardCharsets.UTF_8));
      assertEquals(checksum, Digest.parse(checksum, 1).hex());
    } catch (ArchiveRefusedException e) {
      assertFalse(String.valueOf(e.getMessage()).isEmpty());
    }
  }

  @Hostile
  void aSignatureOfNobodyIsRefusedInWords(byte[] utf8) {
    try {
      TrustedKeys.NONE.verify(new String(utf8, StandardCharsets.UTF_8));
      throw new AssertionError("nobody is trusted");
    } catch (BadSignatureException e) {
      return;
    }
  }

  @Hostile
  void keysAreRefusedInWordsOrRead(byte[] armored) throws IOException {
    Path file = Files.write(scratch.resolve("keys"), armored);
    try {
      TrustedKeys.read(file, InstantSource.system());
    } catch (IOException e) {
      assertTrue(String.valueOf(e.getMessage()).contains(file.toString()), e.toString());
    }
  }

  @Hostile
  void aPublishedRecordIsRefusedOrReadAsItIsWritten(byte[] record) throws IOException {
    PublishedRecord read;
    try {
      read = PublishedRecord.fromBytes(record);
    } catch (IOException e) {
      return;
    }
    assertEquals(read, PublishedRecord.fromBytes(read.toBytes()));
  }

  @Hostile
  void aPathOfTheMirrorNamesNothingOrOneThing(byte[] latin) {
    String path = new String(latin, StandardCharsets.ISO_8859_1);
    InstanceName.split(path).ifPresent(in -> assertEquals(path, in.instance() + "/" + in.path()));
    MirrorPath.parse(path)
        .ifPresent(
            parsed -> {
              if (parsed instanceof MirrorPath.BlobPath blob) {
                String hex = blob.name().hex();
                assertEquals("blobs/sha256/" + hex.substring(0, 2) + "/" + hex, path);
              }
              assertFalse(path.contains("/../"), path);
            });
  }

  @Hostile
  void anInstanceNameIsRefusedOrCannotBeTakenForAPath(byte[] utf8) {
    String name = new String(utf8, StandardCharsets.UTF_8);
    try {
      InstanceName.require(name);
    } catch (IllegalArgumentException e) {
      return;
    }
    assertTrue(MirrorPath.parse(name).isEmpty());
    assertTrue(InstanceName.split(name + "/v3/layout.json").isPresent() || name.isEmpty());
    assertFalse(("/" + name + "/").contains("/../"));
  }
}

package build.thresher.cas.sources;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.mirror.MemoryBlobStore;
import build.thresher.cas.sources.SourceMirror.Outcome;
import build.thresher.cas.sources.SourceMirror.Source;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SourceMirrorTest {
  private static final String INSTANCE = "default";
  private static final Scope SCOPE = new Scope(INSTANCE, "test");
  private static final String GIT =
      "_source-cache/git/group/repo.git/0123456789012345678901234567890123456789.tar.gz";

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private SourceFetcher fetcher;

  @BeforeEach
  void open() throws Exception {
    fetcher = SourceFetcher.open(dir, blobs, SourceOptions.defaults(), System::nanoTime);
  }

  @AfterEach
  void close() {
    fetcher.close();
  }

  private SourceMirror mirror() {
    return fetcher.mirror();
  }

  private Digest blob(String text) throws Exception {
    return blobs.put(SCOPE, text.getBytes(StandardCharsets.UTF_8));
  }

  private static String archive(String checksum, String extension) {
    return "_source-cache/archive/" + checksum.substring(0, 2) + "/" + checksum + extension;
  }

  private List<Source> all(String instance) throws Exception {
    List<Source> all = new ArrayList<>();
    mirror().list(new Scope(instance, "test"), all::addAll);
    return all;
  }

  @Test
  void whatIsAddedIsFoundByChecksumAndByNameAndAfterARestart() throws Exception {
    Digest digest = blob("zlib");
    String path = archive(digest.hex(), ".tar.gz");
    List<String> names = List.of("zlib/zlib-1.3.1.tar.gz");
    assertEquals(Outcome.ADDED, mirror().add(SCOPE, digest, path, names).outcome());
    assertEquals(Outcome.IDENTICAL, mirror().add(SCOPE, digest, path, names).outcome());
    close();
    open();
    for (String at : List.of(path, archive(digest.hex(), ""), names.getFirst())) {
      assertEquals(Optional.of(digest), mirror().find(INSTANCE, at), at);
    }
    assertEquals(Optional.empty(), mirror().find("other", names.getFirst()));
    assertEquals(List.of(new Source(digest, path, names, true)), all(INSTANCE));
    assertEquals(List.of(), all("other"));
  }

  @Test
  void whatIsAddedIsKeptByTheStoreUntilItIsRemoved() throws Exception {
    Digest digest = blob("by hand");
    String path = archive(digest.hex(), ".zip");
    mirror().add(SCOPE, digest, path, List.of("tool/tool-1.zip"));
    mirror().add(SCOPE, digest, path, List.of("tool/tool-1.0.zip"));
    assertEquals(1, blobs.pins(digest));
    assertTrue(mirror().remove(SCOPE, "tool/tool-1.zip"));
    assertFalse(mirror().remove(SCOPE, path));
    assertEquals(0, blobs.pins(digest));
    assertTrue(blobs.delete(SCOPE, digest));
    assertEquals(Optional.empty(), mirror().find(INSTANCE, path));
    assertEquals(Optional.empty(), mirror().find(INSTANCE, "tool/tool-1.0.zip"));
  }

  @Test
  void aNameLeadsToWhatWasNamedSoLast() throws Exception {
    Digest old = blob("old");
    Digest renewed = blob("renewed");
    String name = "tool/tool-1.0.tar.gz";
    mirror().add(SCOPE, old, archive(old.hex(), ".tar.gz"), List.of(name));
    mirror().add(SCOPE, renewed, archive(renewed.hex(), ".tar.gz"), List.of(name));
    assertEquals(Optional.of(renewed), mirror().find(INSTANCE, name));
    assertEquals(1, all(INSTANCE).stream().filter(one -> one.names().contains(name)).count());
    assertTrue(mirror().remove(SCOPE, archive(old.hex(), ".tar.gz")));
    assertEquals(Optional.of(renewed), mirror().find(INSTANCE, name));
  }

  @Test
  void whatComesFromVersionControlStaysAsItFirstCame() throws Exception {
    Digest first = blob("first");
    assertEquals(Outcome.ADDED, mirror().add(SCOPE, first, GIT, List.of()).outcome());
    assertEquals(Outcome.DIFFERENT, mirror().add(SCOPE, blob("second"), GIT, List.of()).outcome());
    assertEquals(Optional.of(first), mirror().find(INSTANCE, GIT));
  }

  @Test
  void checksumsOfOldRecipesAreComparedWithTheContent() throws Exception {
    Digest digest = blob("md5");
    String md5 = "1bc29b36f623ba82aaf6724fd3b16718"; // of "md5"
    assertEquals(
        Outcome.ADDED, mirror().add(SCOPE, digest, archive(md5, ".tar.gz"), List.of()).outcome());
    assertEquals(Optional.of(digest), mirror().find(INSTANCE, archive(md5, ".tar.gz")));
    assertEquals(
        Outcome.REFUSED,
        mirror().add(SCOPE, blob("other"), archive(md5, ".tgz"), List.of()).outcome());
  }

  @Test
  void anotherChecksumInThePathAndAnAbsentBlobAreRefused() throws Exception {
    Digest digest = blob("here");
    Digest absent = Digest.of("absent".getBytes(StandardCharsets.UTF_8));
    SourceMirror.Added other = mirror().add(SCOPE, digest, archive(absent.hex(), ""), List.of());
    assertEquals(Outcome.REFUSED, other.outcome());
    assertTrue(other.reason().contains("does not have the checksum"), other.reason());
    SourceMirror.Added nothing = mirror().add(SCOPE, absent, archive(absent.hex(), ""), List.of());
    assertTrue(nothing.reason().contains("upload it first"), nothing.reason());
    assertEquals(List.of(), all(INSTANCE));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../zlib.tar.gz",
        "/zlib.tar.gz",
        "zlib//zlib.tar.gz",
        "zlib/./zlib.tar.gz",
        "v3/manifests/index/index.manifest.json",
        "blobs/sha256/00",
        "build_cache/index.json",
        "_source-cache/archive/ab/zlib.tar.gz",
        "zlib zlib",
        ""
      })
  void aNameThatIsNoneIsRefused(String name) throws Exception {
    Digest digest = blob("named");
    SourceMirror.Added added =
        mirror().add(SCOPE, digest, archive(digest.hex(), ""), List.of(name));
    assertEquals(Outcome.REFUSED, added.outcome());
    assertEquals(
        Outcome.REFUSED, mirror().add(SCOPE, digest, "zlib/zlib.tar.gz", List.of()).outcome());
  }
}

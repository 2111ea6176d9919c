package build.thresher.executor.inputs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.executor.testing.DirectoryBlobStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Sources come to the host once, verified, and each build has them where Spack looks. */
final class SourceCacheTest {
  private static final Scope SCOPE = Scope.farm("default");
  private static final byte[] BYTES = {1, 2, 3};

  private final Path temporary;
  private DirectoryBlobStore store;
  private SourceCache cache;
  private int fetched;

  SourceCacheTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void open() throws Exception {
    store = new DirectoryBlobStore(temporary.resolve("blobs"));
    cache = open(1000);
  }

  private SourceCache open(long limit) throws Exception {
    return new SourceCache(
        temporary.resolve("sources"),
        limit,
        store,
        (scope, source) -> {
          fetched++;
          return Digest.of(BYTES);
        },
        InstantSource.system());
  }

  private static SourceFile source(String sha256, Optional<Digest> digest, String... urls) {
    return new SourceFile(
        sha256, List.of(urls), "a/" + sha256 + ".tar.gz", "", digest, Optional.empty(), "");
  }

  @Test
  void aSecondBuildFetchesNothing() throws Exception {
    store.put(SCOPE, BYTES);
    SourceFile source = source(Digest.of(BYTES).hex(), Optional.empty(), "http://x.invalid/a");
    cache.fill(SCOPE, temporary.resolve("first"), List.of(source));
    store.delete(SCOPE, Digest.of(BYTES));
    cache.close();
    cache = open(0);
    cache.fill(SCOPE, temporary.resolve("second"), List.of(source));
    assertEquals(1, fetched);
    assertArrayEquals(
        BYTES, Files.readAllBytes(temporary.resolve("second").resolve(source.mirrorPath())));
  }

  @Test
  void whatTheCacheEvictsStaysWithTheBuild() throws Exception {
    Digest digest = store.put(SCOPE, BYTES);
    cache = open(0);
    SourceFile source = source(digest.hex(), Optional.of(digest));
    cache.fill(SCOPE, temporary.resolve("first"), List.of(source));
    assertEquals(List.of(), cached());
    assertArrayEquals(
        BYTES, Files.readAllBytes(temporary.resolve("first").resolve(source.mirrorPath())));
  }

  private List<Path> cached() throws Exception {
    try (var children = Files.list(temporary.resolve("sources"))) {
      return children.filter(Files::isDirectory).toList();
    }
  }

  @Test
  void anotherChecksumIsRefusedAndNotKept() throws Exception {
    store.put(SCOPE, BYTES);
    SourceFile source = source("0".repeat(64), Optional.empty(), "http://x.invalid/a");
    assertThrows(
        SourceUnavailableException.class,
        () -> cache.fill(SCOPE, temporary.resolve("first"), List.of(source)));
    assertEquals(List.of(), cached());
  }

  @Test
  void aCommitIsWhatTheFarmMadeOfIt() throws Exception {
    store.put(SCOPE, BYTES);
    GitVersion git = new GitVersion("0".repeat(40), "", List.of(), List.of(), List.of(), false);
    SourceFile source =
        new SourceFile(
            "",
            List.of("https://x.invalid/r.git"),
            "_source-cache/git/r.git/" + git.commit() + ".tar.gz",
            "",
            Optional.empty(),
            Optional.of(git),
            "");
    cache.fill(SCOPE, temporary.resolve("first"), List.of(source));
    assertArrayEquals(
        BYTES, Files.readAllBytes(temporary.resolve("first").resolve(source.mirrorPath())));
    assertEquals(1, fetched);
  }

  @Test
  void anUploadedSourceThatIsGoneIsAMissingBlob() {
    Digest gone = Digest.of(BYTES);
    assertThrows(
        BlobNotFoundException.class,
        () ->
            cache.fill(
                SCOPE, temporary.resolve("first"), List.of(source(gone.hex(), Optional.of(gone)))));
  }
}

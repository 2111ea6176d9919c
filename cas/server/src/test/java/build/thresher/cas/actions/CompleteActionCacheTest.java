package build.thresher.cas.actions;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.Tree;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreFullException;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.google.protobuf.ByteString;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CompleteActionCacheTest {
  private static final Scope SCOPE = new Scope("site", "test");
  private static final Digest ACTION = Digest.of("an action".getBytes(UTF_8));

  @TempDir Path temp;
  private RocksBlobStore store;
  private CompleteActionCache cache;

  @BeforeEach
  void open() throws IOException {
    store =
        RocksBlobStore.open(
            temp.resolve("store"),
            StoreOptions.DEFAULTS.withReserveBytes(0).withLargeBlobBytes(128 << 10),
            InstantSource.system());
    cache = new CompleteActionCache(store, store.results());
  }

  @AfterEach
  void close() throws IOException {
    store.close();
  }

  private Digest put(String content) throws IOException {
    return store.put(SCOPE, content.getBytes(UTF_8));
  }

  private static build.bazel.remote.execution.v2.Digest wire(Digest digest) {
    return build.bazel.remote.execution.v2.Digest.newBuilder()
        .setHash(digest.hex())
        .setSizeBytes(digest.sizeBytes())
        .build();
  }

  private static Directory.Builder directoryWith(Digest file) {
    Directory.Builder directory = Directory.newBuilder();
    directory.addFilesBuilder().setName("file").setDigest(wire(file));
    return directory;
  }

  /** The result is found; without the blob it is absent; with it again it is found again. */
  private void needs(ActionResult result, String content) throws IOException {
    Digest blob = Digest.of(content.getBytes(UTF_8));
    cache.put(SCOPE, ACTION, result.toByteArray());
    assertArrayEquals(result.toByteArray(), cache.find(SCOPE, ACTION).orElseThrow());
    assertTrue(store.delete(SCOPE, blob));
    assertEquals(Optional.empty(), cache.find(SCOPE, ACTION));
    BlobNotFoundException refused =
        assertThrows(
            BlobNotFoundException.class, () -> cache.put(SCOPE, ACTION, result.toByteArray()));
    assertEquals(blob, refused.digest());
    put(content);
    assertTrue(cache.find(SCOPE, ACTION).isPresent());
  }

  @Test
  void aResultThatLostAFileOrAStreamIsAbsent() throws Exception {
    ActionResult.Builder result = ActionResult.newBuilder();
    result.addOutputFilesBuilder().setPath("a").setDigest(wire(put("file")));
    result.setStdoutDigest(wire(put("out"))).setStderrDigest(wire(put("err")));
    result.addOutputSymlinksBuilder().setPath("link").setTarget("nowhere");
    for (String content : new String[] {"file", "out", "err"}) {
      needs(result.build(), content);
    }
  }

  @Test
  void aResultThatLostAFileOfATreeOrTheTreeItselfIsAbsent() throws Exception {
    Tree tree =
        Tree.newBuilder()
            .setRoot(directoryWith(put("in the root")))
            .addChildren(directoryWith(put("in a child")))
            .build();
    ActionResult.Builder result = ActionResult.newBuilder();
    result
        .addOutputDirectoriesBuilder()
        .setPath("dir")
        .setTreeDigest(wire(store.put(SCOPE, tree.toByteArray())));
    needs(result.build(), "in the root");
    needs(result.build(), "in a child");
    needs(result.build(), tree.toByteString().toString(UTF_8));
  }

  @Test
  void aResultThatLostADirectoryAtAnyDepthIsAbsent() throws Exception {
    Digest deep = store.put(SCOPE, directoryWith(put("deep file")).build().toByteArray());
    Directory.Builder middle = directoryWith(put("middle file"));
    middle.addDirectoriesBuilder().setName("below").setDigest(wire(deep));
    Digest middleDigest = store.put(SCOPE, middle.build().toByteArray());
    Directory.Builder top = Directory.newBuilder();
    top.addDirectoriesBuilder().setName("a").setDigest(wire(middleDigest));
    top.addDirectoriesBuilder().setName("b").setDigest(wire(middleDigest));
    ActionResult.Builder result = ActionResult.newBuilder();
    result
        .addOutputDirectoriesBuilder()
        .setPath("dir")
        .setRootDirectoryDigest(wire(store.put(SCOPE, top.build().toByteArray())));
    needs(result.build(), "deep file");
    needs(result.build(), "middle file");
    cache.put(SCOPE, ACTION, result.build().toByteArray());
    assertTrue(store.delete(SCOPE, deep));
    assertEquals(Optional.empty(), cache.find(SCOPE, ACTION));
  }

  @Test
  void directoriesThatUnfoldExponentiallyCostWhatTheyOccupy() throws Exception {
    Directory directory = directoryWith(put("leaf")).build();
    for (int i = 0; i < 60; i++) {
      Digest below = store.put(SCOPE, directory.toByteArray());
      Directory.Builder above = Directory.newBuilder();
      above.addDirectoriesBuilder().setName("a").setDigest(wire(below));
      above.addDirectoriesBuilder().setName("b").setDigest(wire(below));
      directory = above.build();
    }
    ActionResult.Builder result = ActionResult.newBuilder();
    result
        .addOutputDirectoriesBuilder()
        .setRootDirectoryDigest(wire(store.put(SCOPE, directory.toByteArray())));
    needs(result.build(), "leaf");
  }

  @Test
  void theLastResultOfAnInstanceIsFoundAfterReopeningAndInNoOther() throws Exception {
    cache.put(SCOPE, ACTION, ActionResult.newBuilder().setExitCode(1).build().toByteArray());
    byte[] last = ActionResult.newBuilder().setExitCode(2).build().toByteArray();
    cache.put(SCOPE, ACTION, last);
    close();
    open();
    assertArrayEquals(last, cache.find(SCOPE, ACTION).orElseThrow());
    assertEquals(Optional.empty(), cache.find(new Scope("sit", "test"), ACTION));
    assertEquals(Optional.empty(), cache.find(SCOPE, Digest.of(new byte[1])));
  }

  /** A file, a tree and what is in the tree. */
  private record Named(Digest action, List<Blob> blobs, ActionResult result) {
    static Named of(int number) {
      Blob file = Blob.of(("file " + number).getBytes(UTF_8));
      Blob inTree = Blob.of(("in a tree " + number).getBytes(UTF_8));
      Tree root = Tree.newBuilder().setRoot(directoryWith(inTree.digest())).build();
      Blob tree = Blob.of(root.toByteArray());
      ActionResult.Builder result = ActionResult.newBuilder();
      result.addOutputFilesBuilder().setPath("file").setDigest(wire(file.digest()));
      result.addOutputDirectoriesBuilder().setPath("tree").setTreeDigest(wire(tree.digest()));
      Digest action = Digest.of(("action " + number).getBytes(UTF_8));
      return new Named(action, List.of(file, inTree, tree), result.build());
    }
  }

  @Test
  void aHundredThousandReadsFindAResultWhileAllThatItNamesIsThereAndNoLonger() throws Exception {
    List<Named> all = IntStream.range(0, 50).mapToObj(Named::of).toList();
    for (Named each : all) {
      store.putAll(SCOPE, each.blobs());
      cache.put(SCOPE, each.action(), each.result().toByteArray());
    }
    Random random = new Random(12);
    Set<Digest> gone = new HashSet<>();
    int found = 0;
    for (int i = 0; i < 100_000; i++) {
      if (i % 10 == 0) {
        Blob blob = all.get(random.nextInt(50)).blobs().get(random.nextInt(3));
        if (gone.remove(blob.digest())) {
          store.putAll(SCOPE, List.of(blob));
        } else if (gone.size() < 30) {
          assertTrue(store.delete(SCOPE, blob.digest()));
          gone.add(blob.digest());
        }
      }
      Named asked = all.get(random.nextInt(50));
      boolean whole = asked.blobs().stream().noneMatch(blob -> gone.contains(blob.digest()));
      boolean there = cache.find(SCOPE, asked.action()).isPresent();
      assertEquals(whole, there, "read " + i);
      found += there ? 1 : 0;
    }
    assertTrue(found > 10_000 && found < 90_000, "found " + found);
  }

  /** Writers that push everything out again and again: what a result names is there for a time. */
  @Test
  void whatAFoundResultNamesCanBeReadHoweverMuchIsEvicted() throws Exception {
    store.close();
    AtomicReference<Instant> now = new AtomicReference<>(Instant.parse("2026-01-01T00:00:00Z"));
    store =
        RocksBlobStore.open(
            temp.resolve("small"),
            StoreOptions.DEFAULTS
                .withReserveBytes(0)
                .withLargeBlobBytes(16 << 10)
                .withMaxBytes(1_000_000)
                .withLifetime(Duration.ofHours(3)),
            now::get);
    cache = new CompleteActionCache(store, store.results());
    Random random = new Random(11);
    int found = 0;
    int absent = 0;
    int full = 0;
    for (int i = 0; i < 2_000; i++) {
      Digest action = Digest.of(("action " + random.nextInt(200)).getBytes(UTF_8));
      Optional<byte[]> known = cache.find(SCOPE, action);
      if (known.isPresent()) {
        found++;
        ActionResult result = ActionResult.parseFrom(known.get());
        Tree tree = Tree.parseFrom(read(result.getOutputDirectories(0).getTreeDigest()));
        read(result.getOutputFiles(0).getDigest());
        read(tree.getRoot().getFiles(0).getDigest());
        now.updateAndGet(time -> time.plus(Duration.ofMinutes(1)));
        continue;
      }
      absent++;
      try {
        Blob inTree = Blob.of(text(random).getBytes(UTF_8));
        Blob file = Blob.of(text(random).getBytes(UTF_8));
        Tree root = Tree.newBuilder().setRoot(directoryWith(inTree.digest())).build();
        Blob tree = Blob.of(root.toByteArray());
        store.putAll(SCOPE, List.of(inTree, file, tree));
        ActionResult.Builder result = ActionResult.newBuilder();
        result.addOutputDirectoriesBuilder().setPath("tree").setTreeDigest(wire(tree.digest()));
        result.addOutputFilesBuilder().setPath("file").setDigest(wire(file.digest()));
        cache.put(SCOPE, action, result.build().toByteArray());
      } catch (StoreFullException e) {
        full++;
        now.updateAndGet(time -> time.plus(Duration.ofHours(1)));
      }
    }
    assertTrue(found > 100 && absent > 100 && full > 2, found + ", " + absent + ", " + full);
  }

  private static String text(Random random) {
    return ("" + random.nextLong()).repeat(500 + random.nextInt(500));
  }

  private byte[] read(build.bazel.remote.execution.v2.Digest digest) throws IOException {
    return store.readAll(SCOPE, Digest.parse(digest.getHash(), digest.getSizeBytes()));
  }

  @Test
  void whatIsNoResultIsRefused() throws Exception {
    ActionResult.Builder upperCase = ActionResult.newBuilder();
    upperCase
        .addOutputFilesBuilder()
        .getDigestBuilder()
        .setHash(ACTION.hex().toUpperCase(java.util.Locale.ROOT))
        .setSizeBytes(9);
    ActionResult.Builder noTree = ActionResult.newBuilder();
    noTree
        .addOutputDirectoriesBuilder()
        .setTreeDigest(wire(store.put(SCOPE, new byte[] {(byte) 0xff, 1, 2})));
    ActionResult.Builder noDigest = ActionResult.newBuilder();
    noDigest.addOutputFilesBuilder().setPath("a").setContents(ByteString.copyFromUtf8("x"));
    for (byte[] bad :
        new byte[][] {
          {(byte) 0xff, 1, 2},
          upperCase.build().toByteArray(),
          noTree.build().toByteArray(),
          noDigest.build().toByteArray()
        }) {
      assertThrows(IllegalArgumentException.class, () -> cache.put(SCOPE, ACTION, bad));
    }
    assertEquals(Optional.empty(), cache.find(SCOPE, ACTION));
  }
}

package build.thresher.cas.reapi;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.FileNode;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.cas.client.TreeFetcher;
import build.thresher.cas.client.TreeFormatException;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.store.BlobStoreContract;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The contract over real gRPC, and what is built on it: trees that go in and come out. */
final class RemoteBlobStoreTest extends BlobStoreContract {
  @TempDir Path temp;
  private RocksBlobStore rocks;
  private ReapiServer server;
  private RemoteBlobStore store;

  @BeforeEach
  void open() throws IOException {
    rocks =
        RocksBlobStore.open(
            temp.resolve("store"),
            StoreOptions.DEFAULTS.withReserveBytes(0).withLargeBlobBytes(128 << 10),
            InstantSource.system());
    server = new ReapiServer(rocks);
    store = new RemoteBlobStore(server.channel, ReapiServer.INSTANCE);
  }

  @AfterEach
  void close() throws IOException {
    server.close();
    rocks.close();
  }

  @Override
  protected BlobStore store() {
    return store;
  }

  @Test
  void anUnknownInstanceIsRefused() {
    RemoteBlobStore other = new RemoteBlobStore(server.channel, "elsewhere");
    IOException e =
        assertThrows(IOException.class, () -> other.contains(SCOPE, Digest.of(random(1, 1))));
    assertTrue(String.valueOf(e.getMessage()).contains("INVALID_ARGUMENT"), e.toString());
  }

  @Test
  void whatIsNotOnTheWireSaysSo() {
    assertThrows(UnsupportedOperationException.class, () -> store.pin(SCOPE, List.of()));
    assertThrows(UnsupportedOperationException.class, () -> store.delete(SCOPE, Digest.EMPTY));
  }

  @Test
  void aTreeComesOutAsItWentInAndIsSentOnce() throws Exception {
    Path source = Files.createDirectory(temp.resolve("source"));
    Files.createDirectories(source.resolve("bin/deep/er"));
    Files.createDirectories(source.resolve("empty"));
    Files.writeString(source.resolve("bin/tool"), "#!/bin/sh\n");
    assertTrue(source.resolve("bin/tool").toFile().setExecutable(true));
    Files.write(source.resolve("bin/deep/er/large"), random(6_000_000, 1));
    Files.write(source.resolve("copy"), random(6_000_000, 1));
    Files.write(source.resolve("nothing"), new byte[0]);
    Files.createSymbolicLink(source.resolve("out"), Path.of("/etc/passwd"));
    Files.createSymbolicLink(source.resolve("up"), Path.of("../.."));
    for (int i = 0; i < 700; i++) {
      Files.writeString(source.resolve("bin/deep/f" + i), "file " + i);
    }
    LocalTree tree = LocalTree.scan(source, p -> true);
    TreeUploader uploader = new TreeUploader(store, SCOPE);
    assertEquals(tree.contents().size() - 1, uploader.upload(tree).blobs());
    assertEquals(new TreeUploader.Uploaded(0, 0), uploader.upload(tree));

    Path target = temp.resolve("target");
    new TreeFetcher(store, SCOPE, TreeFetcher.Limits.GENEROUS).fetch(tree.root(), target);
    assertEquals(tree.root(), LocalTree.scan(target, p -> true).root());
    assertTrue(Files.isExecutable(target.resolve("bin/tool")));
    assertFalse(Files.isExecutable(target.resolve("copy")));
    assertTrue(Files.isSymbolicLink(target.resolve("out")));
    assertTrue(Files.isDirectory(target.resolve("empty"), LinkOption.NOFOLLOW_LINKS));
    assertArrayEquals(random(6_000_000, 1), Files.readAllBytes(target.resolve("copy")));
  }

  private Path fetch(Directory root, TreeFetcher.Limits limits) throws IOException {
    Path target = Files.createTempDirectory(temp, "fetched");
    Digest digest = store.put(SCOPE, root.toByteArray());
    new TreeFetcher(store, SCOPE, limits).fetch(digest, target);
    return target;
  }

  private FileNode file(String name) throws IOException {
    return FileNode.newBuilder()
        .setName(name)
        .setDigest(WireDigests.toWire(store.put(SCOPE, "x".getBytes(UTF_8))))
        .build();
  }

  @Test
  void treesThatAreNotCanonicalAreRefused() throws Exception {
    for (String name : new String[] {"", ".", "..", "a/b", "/a", "a\0"}) {
      assertThrows(
          TreeFormatException.class,
          () -> fetch(Directory.newBuilder().addFiles(file(name)).build(), GENEROUS),
          name);
    }
    Directory unsorted = Directory.newBuilder().addFiles(file("b")).addFiles(file("a")).build();
    assertThrows(TreeFormatException.class, () -> fetch(unsorted, GENEROUS));
    Directory.Builder twice = Directory.newBuilder().addFiles(file("a"));
    twice.addSymlinksBuilder().setName("a").setTarget("/etc");
    assertThrows(TreeFormatException.class, () -> fetch(twice.build(), GENEROUS));
    Digest junk = store.put(SCOPE, new byte[] {(byte) 0xff, 1, 2});
    assertThrows(
        TreeFormatException.class,
        () -> new TreeFetcher(store, SCOPE, GENEROUS).fetch(junk, temp.resolve("junk")));
  }

  private static final TreeFetcher.Limits GENEROUS = TreeFetcher.Limits.GENEROUS;

  @Test
  void aTreeThatUnfoldsExponentiallyIsRefused() throws Exception {
    Directory directory = Directory.newBuilder().addFiles(file("leaf")).build();
    for (int i = 0; i < 40; i++) {
      Digest below = store.put(SCOPE, directory.toByteArray());
      Directory.Builder above = Directory.newBuilder();
      above.addDirectoriesBuilder().setName("a").setDigest(WireDigests.toWire(below));
      above.addDirectoriesBuilder().setName("b").setDigest(WireDigests.toWire(below));
      directory = above.build();
    }
    Directory bomb = directory;
    assertThrows(
        TreeFormatException.class, () -> fetch(bomb, new TreeFetcher.Limits(100, 1_000, 1 << 20)));
    assertThrows(
        TreeFormatException.class,
        () -> fetch(bomb, new TreeFetcher.Limits(5, 1_000_000, 1 << 20)));
  }

  @Test
  void aTreeWithAMissingPartIsReported() throws Exception {
    Directory root =
        Directory.newBuilder()
            .addFiles(
                FileNode.newBuilder()
                    .setName("gone")
                    .setDigest(WireDigests.toWire(Digest.of(random(9, 9)))))
            .build();
    assertThrows(BlobNotFoundException.class, () -> fetch(root, GENEROUS));
  }
}

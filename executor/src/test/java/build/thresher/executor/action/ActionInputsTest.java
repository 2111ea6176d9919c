package build.thresher.executor.action;

import static build.thresher.executor.action.ActionBench.bytes;
import static build.thresher.executor.action.ActionBench.shell;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.NodeProperties;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.FailureClass;
import com.google.protobuf.Timestamp;
import com.google.protobuf.UInt32Value;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What actions see of their inputs, and what they cannot do to them. */
final class ActionInputsTest {
  private final Path temporary;
  private ActionBench bench;

  ActionInputsTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void open() throws Exception {
    bench = new ActionBench(temporary);
  }

  @AfterEach
  void close() throws Exception {
    if (bench != null) {
      bench.close();
    }
  }

  private String see(String script, Digest inputs) throws Exception {
    ActionBench.Run run = bench.run(shell(script), inputs);
    assertEquals(0, run.result().getExitCode(), run::stderr);
    return run.stdout();
  }

  private static LocalTree.Builder someInputs() {
    return LocalTree.builder()
        .addBytes("file", bytes("as it was"), false)
        .addBytes("dir/file", bytes("as it was"), false)
        .addBytes("dir/tool", bytes("#!/bin/sh\necho tool\n"), true)
        .addDirectory("dir/empty")
        .addSymlink("link", "dir/file")
        .addSymlink("dangling", "no/such/thing")
        .addSymlink("up", "../../etc");
  }

  @Test
  void aStoreThatRestartsMeanwhileIsAskedAgain() throws Exception {
    for (int reads = 0; reads < 6; reads++) {
      Digest inputs =
          bench.upload(LocalTree.builder().addBytes("file", bytes("after " + reads), false));
      bench.store.restartAfter(reads);
      assertEquals("after " + reads, see("cat file", inputs));
    }
  }

  @Test
  void filesLinksEmptyDirectoriesAndExecutableBitsAreThere() throws Exception {
    Digest inputs = bench.upload(someInputs());
    assertEquals(
        "tool\nas it was dir/file no/such/thing ../../etc\n0 644 755\n",
        see(
            "dir/tool; echo $(cat link) $(readlink link) $(readlink dangling) $(readlink up);"
                + " echo $(ls -A dir/empty | wc -l) $(stat -c %a dir/file dir/tool)",
            inputs));
  }

  @Test
  void inputsBelongToTheActionAndHaveOneTimeEverywhere() throws Exception {
    Digest inputs = bench.upload(someInputs());
    assertEquals(
        "1000 1262304000\n1000 1262304000\n", see("stat -c '%u %Y' file dir/tool", inputs));
    assertEquals("1000\n1000\n", see("stat -c '%u' . dir", inputs));
  }

  @Test
  void nodePropertiesOfInputsAreHonoured() throws Exception {
    Digest content = bench.store.put(ActionBench.SCOPE, bytes("x"));
    Directory.Builder root = Directory.newBuilder();
    root.addFilesBuilder().setName("a").setDigest(WireDigests.toWire(content));
    root.addFiles(
        FileNode.newBuilder()
            .setName("b")
            .setDigest(WireDigests.toWire(content))
            .setNodeProperties(
                NodeProperties.newBuilder()
                    .setMtime(Timestamp.newBuilder().setSeconds(1_000_000_000).setNanos(7))
                    .setUnixMode(UInt32Value.of(0740))));
    Digest inputs = bench.store.put(ActionBench.SCOPE, root.build().toByteArray());
    assertEquals("644 1262304000\n740 1000000000\n", see("stat -c '%a %Y' a b", inputs));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "echo poison > dir/file",
        "echo poison >> dir/file",
        "truncate -s 0 dir/file",
        "chmod 777 dir/file && echo poison > dir/file",
        "chmod 0 dir/file",
        "touch -d @5 dir/file",
        "rm dir/file",
        "mv dir/file dir/other && echo poison > dir/file",
        "mv file dir/file",
        "ln dir/file second && echo poison > second",
        "ln -f link dir/file",
        "python3 -c 'import mmap;f=open(\"dir/file\",\"r+b\");m=mmap.mmap(f.fileno(),0);m[:6]=b\"poison\";m.flush()'",
        "python3 -c 'import os;os.setxattr(\"dir/file\",\"user.poison\",b\"1\")' || true",
        "rm -r dir && mkdir dir && echo poison > dir/file",
        "mv dir elsewhere; mkdir -p dir",
        "chmod 700 dir; touch dir/poison",
        "dd if=/dev/zero of=dir/file bs=1 count=3 conv=notrunc"
      })
  void whatAnActionDoesToItsInputsStaysInIt(String attack) throws Exception {
    Digest inputs = bench.upload(someInputs());
    String look =
        "find . -printf '%P %y %m %s %l\\n' | sort; cat file dir/file; stat -c '%Y %a' dir/file";
    String before = see(look, inputs);
    List<String> cacheBefore = cache();
    bench.run(shell(attack), inputs).result();
    // The same root as a shared layer, and the same file in another root.
    assertEquals(before, see(look, inputs));
    Digest other =
        bench.upload(LocalTree.builder().addBytes("elsewhere", bytes("as it was"), false));
    assertEquals("as it was 644\n", see("echo $(cat elsewhere) $(stat -c %a elsewhere)", other));
    assertEquals(cacheBefore.stream().sorted().toList(), cache());
  }

  /** Every file of the cache with its permissions and time, after its content was checked. */
  private List<String> cache() throws Exception {
    List<String> seen = new ArrayList<>();
    try (Stream<Path> files = Files.walk(bench.work.resolve("inputs/files"))) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        String name = file.getFileName().toString();
        if (name.length() > 64) {
          assertEquals(name.substring(0, 64), Digest.of(Files.readAllBytes(file)).hex());
        }
        seen.add(
            name
                + Files.getPosixFilePermissions(file)
                + Files.getLastModifiedTime(file)
                + Files.getOwner(file));
      }
    }
    return seen.stream().sorted().toList();
  }

  @Test
  void aRootThatDiffersInOneFileCostsOneFile() throws Exception {
    assumeTrue(bench.root, "only root mounts overlays");
    LocalTree.Builder first = LocalTree.builder();
    LocalTree.Builder second = LocalTree.builder();
    LocalTree.Builder third = LocalTree.builder();
    for (int i = 0; i < 500; i++) {
      String path = "d" + i % 10 + "/e/f" + i;
      first.addBytes(path, bytes("content " + i), false);
      second.addBytes(path, bytes(i == 77 ? "changed" : "content " + i), false);
      if (i != 77) {
        third.addBytes(path, bytes("content " + i), false);
      }
    }
    ContentCache cache =
        new ContentCache(
            temporary.resolve("files"), 1 << 30, new FileFetcher(bench.store, new Owner(-1)));
    Kernel kernel = new Kernel();
    try (RootLayers layers =
        new RootLayers(temporary.resolve("roots"), cache, kernel, new Owner(-1))) {
      long whole = written(layers, bench.upload(first));
      assertTrue(whole >= 520, () -> whole + " names of the first root");
      // The file, and the three directories above it.
      assertEquals(4, written(layers, bench.upload(second)));
      assertEquals(4, written(layers, bench.upload(third)));
      assertEquals(0, written(layers, bench.upload(second)));
    }
    assertEquals(
        "changed\n500\n", see("cat d7/e/f77; echo; find . -type f | wc -l", bench.upload(second)));
    assertEquals("499\n", see("find . -type f | wc -l", bench.upload(third)));
  }

  private long written(RootLayers layers, Digest root) throws Exception {
    long before = layers.written();
    layers
        .acquire(
            ActionBench.SCOPE,
            root,
            () ->
                InputTree.load(bench.store, ActionBench.SCOPE, root, new DirectoryMemory(1 << 20)))
        .close();
    return layers.written() - before;
  }

  @Test
  void aRootLaidOverAnotherLooksAsIfItWereAlone() throws Exception {
    LocalTree.Builder base = LocalTree.builder();
    LocalTree.Builder next = LocalTree.builder();
    for (int i = 0; i < 40; i++) {
      base.addBytes("same/f" + i, bytes("x" + i), false);
      next.addBytes("same/f" + i, bytes("x" + i), false);
    }
    base.addBytes("fileToDirectory", bytes("f"), false)
        .addBytes("directoryToFile/a", bytes("a"), false)
        .addBytes("directoryToLink/a", bytes("a"), false)
        .addBytes("gone/a/b", bytes("b"), false)
        .addBytes("mode", bytes("m"), false)
        .addSymlink("linkToFile", "mode")
        .addBytes("partly/kept", bytes("k"), false)
        .addBytes("partly/lost", bytes("l"), false);
    next.addBytes("fileToDirectory/in", bytes("f"), false)
        .addBytes("directoryToFile", bytes("a"), false)
        .addSymlink("directoryToLink", "same")
        .addBytes("mode", bytes("m"), true)
        .addBytes("linkToFile", bytes("m"), false)
        .addBytes("partly/kept", bytes("k"), false)
        .addDirectory("partly/new/deep");
    see("true", bench.upload(base));
    assertEquals(
        List.of(
            "directoryToFile f 644",
            "directoryToLink l 777",
            "fileToDirectory d 755",
            "fileToDirectory/in f 644",
            "linkToFile f 644",
            "mode f 755",
            "partly d 755",
            "partly/kept f 644",
            "partly/new d 755",
            "partly/new/deep d 755",
            "same d 755"),
        see(
                "find . -mindepth 1 -not -path './same/*' -printf '%P %y %m\\n' | LC_ALL=C sort",
                bench.upload(next))
            .lines()
            .toList());
  }

  @Tag("long")
  @Test
  void emptyFilesMoreThanAnInodeHasNamesAreAllThere() throws Exception {
    Directory.Builder leaf = Directory.newBuilder();
    for (int i = 0; i < 700; i++) {
      leaf.addFilesBuilder()
          .setName(String.format("f%03d", i))
          .setDigest(WireDigests.toWire(Digest.EMPTY));
    }
    Digest directory = bench.store.put(ActionBench.SCOPE, leaf.build().toByteArray());
    Directory.Builder root = Directory.newBuilder();
    for (int i = 0; i < 100; i++) {
      root.addDirectories(
          DirectoryNode.newBuilder()
              .setName(String.format("d%02d", i))
              .setDigest(WireDigests.toWire(directory)));
    }
    Digest inputs = bench.store.put(ActionBench.SCOPE, root.build().toByteArray());
    assertEquals("70000\n", see("find . -type f | wc -l", inputs));
  }

  @Test
  void everyMissingFileAndDirectoryOfALevelIsNamed() throws Exception {
    Digest inputs =
        bench.upload(
            LocalTree.builder()
                .addBytes("a", bytes("1"), false)
                .addBytes("b", bytes("2"), false)
                .addBytes("c", bytes("3"), false));
    bench.store.delete(ActionBench.SCOPE, Digest.of(bytes("1")));
    bench.store.delete(ActionBench.SCOPE, Digest.of(bytes("3")));
    var failure = bench.run(shell("true"), inputs).failure();
    assertEquals(FailureClass.FAILURE_INPUT, failure.kind());
    assertEquals(Set.of(Digest.of(bytes("1")), Digest.of(bytes("3"))), failure.missing());
    Digest nowhere = Digest.of(bytes("no root"));
    assertEquals(Set.of(nowhere), bench.run(shell("true"), nowhere).failure().missing());
    bench.upload(
        LocalTree.builder().addBytes("a", bytes("1"), false).addBytes("c", bytes("3"), false));
    assertEquals("123", see("cat a b c", inputs));
  }

  @Test
  void aTreeThatIsNotCanonicalIsRefused() throws Exception {
    Digest content = bench.store.put(ActionBench.SCOPE, bytes("x"));
    for (List<String> names :
        List.of(List.of("b", "a"), List.of("a", "a"), List.of("a/b"), List.of(".."), List.of(""))) {
      Directory.Builder root = Directory.newBuilder();
      names.forEach(
          name -> root.addFilesBuilder().setName(name).setDigest(WireDigests.toWire(content)));
      Digest inputs = bench.store.put(ActionBench.SCOPE, root.build().toByteArray());
      assertEquals(FailureClass.FAILURE_INPUT, bench.run(shell("true"), inputs).failure().kind());
    }
  }

  @Test
  void directoriesThatMultiplyAreRefusedBeforeAnythingIsWritten() throws Exception {
    Digest below = bench.store.put(ActionBench.SCOPE, new byte[0]);
    for (int i = 0; i < 40; i++) {
      Directory twice =
          Directory.newBuilder()
              .addDirectories(
                  DirectoryNode.newBuilder().setName("a").setDigest(WireDigests.toWire(below)))
              .addDirectories(
                  DirectoryNode.newBuilder().setName("b").setDigest(WireDigests.toWire(below)))
              .build();
      below = bench.store.put(ActionBench.SCOPE, twice.toByteArray());
    }
    var failure = bench.run(shell("true"), below).failure();
    assertTrue(failure.message().contains("entries"), failure.message());
  }

  @Test
  void theCacheStaysInItsLimitAndSurvivesARestart() throws Exception {
    ActionOptions small =
        new ActionOptions(
            List.of(),
            300_000,
            java.time.Duration.ofMinutes(1),
            0,
            500,
            1 << 30,
            100_000,
            false,
            4096,
            build.thresher.executor.images.ImageOptions.none(),
            false);
    bench.reopen(small);
    for (int i = 0; i < 12; i++) {
      Digest inputs =
          bench.upload(LocalTree.builder().addBytes("f", bytes(("" + i).repeat(50_000)), false));
      assertEquals(i < 10 ? "50000\n" : "100000\n", see("wc -c < f", inputs));
    }
    Path files = bench.work.resolve("inputs/files");
    long deadline = System.nanoTime() + 10_000_000_000L;
    while (build.thresher.executor.inputs.FileTrees.usage(files).bytes() > 301_000) {
      assertTrue(System.nanoTime() < deadline, "the cache shrinks");
      Thread.sleep(20);
    }
    bench.reopen(small);
    Digest last =
        bench.upload(LocalTree.builder().addBytes("f", bytes("11".repeat(50_000)), false));
    bench.store.delete(ActionBench.SCOPE, Digest.of(bytes("11".repeat(50_000))));
    assertEquals("100000\n", see("wc -c < f", last));
  }
}

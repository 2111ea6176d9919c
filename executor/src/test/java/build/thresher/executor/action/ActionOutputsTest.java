package build.thresher.executor.action;

import static build.thresher.executor.action.ActionBench.bytes;
import static build.thresher.executor.action.ActionBench.shell;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Command.OutputDirectoryFormat;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.OutputDirectory;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.OutputSymlink;
import build.bazel.remote.execution.v2.Tree;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.DirectoryReader;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.FailureClass;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every kind of output that the interface knows, made by real actions. */
@SuppressWarnings("deprecation") // the fields of clients before API 2.1 are what is tested
final class ActionOutputsTest {
  private final Path temporary;
  private ActionBench bench;

  ActionOutputsTest(@TempDir Path temporary) {
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

  private ActionResult run(Command.Builder command) throws Exception {
    ActionResult result = bench.run(command, Digest.EMPTY).result();
    assertEquals(0, result.getExitCode(), result::toString);
    return result;
  }

  @Test
  void filesComeSortedWithTheirExecutableBit() throws Exception {
    ActionResult result =
        run(
            shell("echo b > x/b; echo a > a; chmod +x a; : > empty")
                .addAllOutputPaths(List.of("x/b", "a", "empty", "never-made")));
    List<String> seen = new ArrayList<>();
    for (OutputFile file : result.getOutputFilesList()) {
      seen.add(
          file.getPath() + " " + file.getIsExecutable() + " " + bench.content(file.getDigest()));
    }
    assertEquals(List.of("a true a\n", "empty false ", "x/b false b\n"), seen);
  }

  @Test
  void aDirectoryComesAsACanonicalTreeWithEqualDirectoriesOnce() throws Exception {
    ActionResult result =
        run(
            shell(
                    "mkdir -p d/one/same d/two/same d/empty 'd/Z' d/é;"
                        + " echo s > d/one/same/f; echo s > d/two/same/f;"
                        + " ln -s ../one d/two/link; ln -s /abs d/abs; ln -s nowhere d/dangling;"
                        + " echo x > d/z; chmod +x d/z")
                .addOutputPaths("d"));
    OutputDirectory directory = result.getOutputDirectories(0);
    assertEquals("d", directory.getPath());
    assertTrue(directory.getIsTopologicallySorted());
    assertFalse(directory.hasRootDirectoryDigest());
    Tree tree = tree(directory);
    Map<Digest, Directory> children = new HashMap<>();
    List<Digest> order = new ArrayList<>();
    for (Directory child : tree.getChildrenList()) {
      Digest digest = Digest.of(child.toByteArray());
      DirectoryReader.parse(digest, child.toByteArray());
      assertTrue(children.put(digest, child) == null, "each child once");
      order.add(digest);
    }
    // one, two, same, and one that Z, empty and é share
    assertEquals(4, children.size());
    DirectoryReader.parse(Digest.EMPTY, tree.getRoot().toByteArray());
    assertEquals(
        List.of("Z", "empty", "one", "two", "é"),
        tree.getRoot().getDirectoriesList().stream().map(d -> d.getName()).toList());
    assertEquals(
        List.of("abs -> /abs", "dangling -> nowhere"),
        tree.getRoot().getSymlinksList().stream()
            .map(l -> l.getName() + " -> " + l.getTarget())
            .toList());
    assertTrue(tree.getRoot().getFiles(0).getIsExecutable());
    for (Directory child : tree.getChildrenList()) {
      int at = order.indexOf(Digest.of(child.toByteArray()));
      child
          .getDirectoriesList()
          .forEach(d -> assertTrue(order.indexOf(WireDigests.fromWire(d.getDigest())) > at));
      for (FileNode file : child.getFilesList()) {
        assertEquals("s\n", bench.content(file.getDigest()));
      }
    }
  }

  private Tree tree(OutputDirectory directory) throws Exception {
    return Tree.parseFrom(
        bench.store.readAll(ActionBench.SCOPE, WireDigests.fromWire(directory.getTreeDigest())));
  }

  @Test
  void aDirectoryComesInTheFormThatIsAskedFor() throws Exception {
    String script = "mkdir -p d/e; echo x > d/e/f";
    OutputDirectory single =
        run(shell(script)
                .addOutputPaths("d")
                .setOutputDirectoryFormat(OutputDirectoryFormat.DIRECTORY_ONLY))
            .getOutputDirectories(0);
    assertFalse(single.hasTreeDigest());
    Digest root = WireDigests.fromWire(single.getRootDirectoryDigest());
    InputTree stored =
        InputTree.load(bench.store, ActionBench.SCOPE, root, new DirectoryMemory(1 << 20));
    assertEquals(2, stored.directories().size());
    OutputDirectory both =
        run(shell(script + " ")
                .addOutputPaths("d")
                .setOutputDirectoryFormat(OutputDirectoryFormat.TREE_AND_DIRECTORY))
            .getOutputDirectories(0);
    assertTrue(both.hasTreeDigest());
    assertEquals(single.getRootDirectoryDigest(), both.getRootDirectoryDigest());
  }

  @Test
  void symbolicLinksAreCollectedAsLinks() throws Exception {
    ActionResult result =
        run(
            shell(
                    "echo x > f; mkdir d; ln -s f lf; ln -s d ld; ln -s gone dangling; ln -s /etc abs")
                .addAllOutputPaths(List.of("lf", "ld", "dangling", "abs")));
    assertEquals(
        List.of("abs -> /etc", "dangling -> gone", "ld -> d", "lf -> f"),
        result.getOutputSymlinksList().stream().map(ActionOutputsTest::show).toList());
    assertEquals(0, result.getOutputFilesCount() + result.getOutputDirectoriesCount());
  }

  private static String show(OutputSymlink link) {
    return link.getPath() + " -> " + link.getTarget();
  }

  @Test
  void olderClientsGetLinksInTheFieldsThatTheyRead() throws Exception {
    ActionResult result =
        run(
            shell("echo x > f; mkdir d; ln -s f lf; ln -s d ld; echo y > made; mkdir -p dir/sub")
                .addOutputFiles("lf")
                .addOutputFiles("made")
                .addOutputDirectories("ld")
                .addOutputDirectories("dir"));
    assertEquals("lf -> f", show(result.getOutputFileSymlinks(0)));
    assertEquals("ld -> d", show(result.getOutputDirectorySymlinks(0)));
    assertEquals(2, result.getOutputSymlinksCount());
    assertEquals("made", result.getOutputFiles(0).getPath());
    assertEquals("dir", result.getOutputDirectories(0).getPath());
  }

  @Test
  void olderFieldsAreIgnoredWhereOutputPathsAreSet() throws Exception {
    ActionResult result =
        run(shell("echo a > a; echo b > b").addOutputPaths("a").addOutputFiles("b"));
    assertEquals(1, result.getOutputFilesCount());
    assertEquals("a", result.getOutputFiles(0).getPath());
  }

  @Test
  void aDirectoryWhereAFileWasDeclaredIsRefused() throws Exception {
    var failure = bench.run(shell("mkdir f").addOutputFiles("f"), Digest.EMPTY).failure();
    assertEquals(FailureClass.FAILURE_INPUT, failure.kind());
    assertTrue(failure.message().contains("f is a directory"), failure.message());
  }

  @Test
  void whatCannotBeStoredIsRefusedByName() throws Exception {
    var pipe = bench.run(shell("mkfifo p").addOutputPaths("p"), Digest.EMPTY).failure();
    assertTrue(pipe.message().contains("output p is neither"), pipe.message());
    var inside =
        bench.run(shell("mkdir d; mkfifo d/p").addOutputPaths("d"), Digest.EMPTY).failure();
    assertTrue(inside.message().contains("\"p\""), inside.message());
  }

  @Test
  void plantedLinksLeadNowhere() throws Exception {
    ActionResult result =
        run(
            shell("rm -rf out; ln -s /etc out; mkdir in; ln -s /etc/passwd in/link")
                .addOutputPaths("out/passwd")
                .addOutputPaths("in"));
    assertEquals(0, result.getOutputFilesCount());
    assertEquals(1, tree(result.getOutputDirectories(0)).getRoot().getSymlinksCount());
    assertEquals(0, tree(result.getOutputDirectories(0)).getRoot().getFilesCount());
  }

  @Test
  void outputsAreRelativeToTheWorkingDirectoryWhichIsMade() throws Exception {
    ActionResult result =
        run(
            shell("pwd; echo x > sub/dir/f; echo y > ../../up")
                .setWorkingDirectory("not/there")
                .addOutputPaths("sub/dir/f"));
    assertEquals(ActionSandbox.ROOT + "/not/there\n", result.getStdoutRaw().toStringUtf8());
    assertEquals("sub/dir/f", result.getOutputFiles(0).getPath());
  }

  @Test
  void outputsMayBeTheWorkingDirectoryAndBesideIt() throws Exception {
    ActionResult result =
        run(
            shell("echo x > f; mkdir -p ../../beside; echo y > ../../beside/g")
                .setWorkingDirectory("work/here")
                .addOutputPaths(".")
                .addOutputPaths("../../beside")
                .setOutputDirectoryFormat(OutputDirectoryFormat.DIRECTORY_ONLY));
    assertEquals(
        List.of(".", "../../beside"),
        result.getOutputDirectoriesList().stream().map(OutputDirectory::getPath).toList());
    for (OutputDirectory directory : result.getOutputDirectoriesList()) {
      assertFalse(directory.hasTreeDigest());
      assertTrue(bench.content(directory.getRootDirectoryDigest()).length() > 64);
    }
  }

  @Test
  void theWholeRootCanBeAnOutput() throws Exception {
    Digest inputs =
        bench.upload(
            LocalTree.builder()
                .addBytes("kept", bytes("k"), false)
                .addBytes("dropped", bytes("d"), false));
    ActionResult result =
        bench.run(shell("rm dropped; echo new > new").addOutputPaths(""), inputs).result();
    Tree tree = tree(result.getOutputDirectories(0));
    assertEquals(
        Set.of("kept", "new"),
        Set.copyOf(tree.getRoot().getFilesList().stream().map(FileNode::getName).toList()));
  }

  @Test
  void nodePropertiesAreRecordedWhereTheyAreWanted() throws Exception {
    ActionResult result =
        run(
            shell(
                    "echo x > f; chmod 640 f; touch -d @1234567890.5 f; mkdir -p d; echo y > d/g; chmod 701 d/g")
                .addOutputNodeProperties("mtime")
                .addOutputNodeProperties("unix_mode")
                .addOutputPaths("f")
                .addOutputPaths("d"));
    var properties = result.getOutputFiles(0).getNodeProperties();
    assertEquals(1234567890, properties.getMtime().getSeconds());
    assertEquals(500_000_000, properties.getMtime().getNanos());
    assertEquals(0640, properties.getUnixMode().getValue());
    FileNode inside = tree(result.getOutputDirectories(0)).getRoot().getFiles(0);
    assertEquals(0701, inside.getNodeProperties().getUnixMode().getValue());
    assertFalse(run(shell("echo x > f").addOutputPaths("f")).getOutputFiles(0).hasNodeProperties());
  }

  @Test
  void whatTheActionMadeUnreadableIsCollectedAllTheSame() throws Exception {
    ActionResult result =
        run(
            shell("echo x > f; chmod 0 f; mkdir d; echo y > d/g; chmod 0 d/g d")
                .addOutputPaths("f")
                .addOutputPaths("d"));
    assertEquals("x\n", bench.content(result.getOutputFiles(0).getDigest()));
    assertEquals(1, tree(result.getOutputDirectories(0)).getRoot().getFilesCount());
  }

  @Test
  void aLargeOutputOnTheScreenIsABlob() throws Exception {
    ActionResult result =
        run(shell("head -c 20000000 /dev/zero | tr '\\0' x; head -c 5000 /dev/zero >&2"));
    assertTrue(result.getStdoutRaw().isEmpty());
    assertEquals(20_000_000, result.getStdoutDigest().getSizeBytes());
    assertEquals("x".repeat(20_000_000), bench.content(result.getStdoutDigest()));
    assertEquals(5000, result.getStderrDigest().getSizeBytes());
  }

  @Test
  void outputsOfAFailedCommandAreCollected() throws Exception {
    ActionResult result =
        bench.run(shell("echo x > f; exit 3").addOutputPaths("f"), Digest.EMPTY).result();
    assertEquals(3, result.getExitCode());
    assertEquals(1, result.getOutputFilesCount());
  }

  @ParameterizedTest
  @ValueSource(strings = {"../x", "/etc/passwd", "a/../../x", "a\0b"})
  void pathsThatLeaveTheRootAreRefused(String path) throws Exception {
    var output = bench.run(shell("true").addOutputPaths(path), Digest.EMPTY).failure();
    assertEquals(FailureClass.FAILURE_INPUT, output.kind());
    var working = bench.run(shell("true").setWorkingDirectory(path), Digest.EMPTY).failure();
    assertEquals(FailureClass.FAILURE_INPUT, working.kind());
  }

  @Test
  void anOutputBelowALinkOfTheInputsIsRefusedBeforeAnythingIsMade() throws Exception {
    Digest inputs = bench.upload(LocalTree.builder().addSymlink("out", "/tmp"));
    var failure = bench.run(shell("true").addOutputPaths("out/deep/file"), inputs).failure();
    assertTrue(failure.message().contains("something else at out"), failure.message());
  }
}

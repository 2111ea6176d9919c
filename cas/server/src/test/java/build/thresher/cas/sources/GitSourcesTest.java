package build.thresher.cas.sources;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreFullException;
import build.thresher.cas.mirror.MemoryBlobStore;
import build.thresher.testing.GitServer;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedSet;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GitSourcesTest {
  private static final Scope SCOPE = new Scope("default", "test");

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private GitServer server;
  private SourceFetcher fetcher;

  @BeforeEach
  void start() throws Exception {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/git")), "SKIPPED: there is no git");
    server = new GitServer(dir.resolve("repositories"));
    open(true, true, 0);
  }

  private void open(boolean allowPrivate) throws Exception {
    open(allowPrivate, true, 0);
  }

  private void open(boolean allowPrivate, boolean git, long reserveBytes) throws Exception {
    if (fetcher != null) {
      fetcher.close();
    }
    SourceOptions options =
        new SourceOptions(
            ImmutableList.of(),
            allowPrivate,
            true,
            git,
            10 << 20,
            Duration.ofSeconds(20),
            Duration.ofMinutes(2),
            reserveBytes);
    fetcher = SourceFetcher.open(dir.resolve("sources"), blobs, options, System::nanoTime);
  }

  @AfterEach
  void stop() {
    if (server != null) {
      fetcher.close();
      server.close();
    }
  }

  private static GitRequest all(String commit) {
    return wanted(commit, ImmutableSortedSet.of(GitRequest.ALL), ImmutableSortedSet.of());
  }

  private static GitRequest wanted(
      String commit, ImmutableSortedSet<String> submodules, ImmutableSortedSet<String> sparse) {
    return new GitRequest(commit, "", submodules, ImmutableSortedSet.of(), sparse, false);
  }

  private static String mirrorPath(String commit) {
    return "_source-cache/git/r.git/" + commit + ".tar.gz";
  }

  private SourceFetcher.Fetched fetch(GitRequest wanted, String url) throws Exception {
    return fetcher.git().fetch(SCOPE, wanted, mirrorPath(wanted.commit()), List.of(url));
  }

  /** Unpacks it as Spack would. */
  private Path unpacked(Digest archive) throws Exception {
    Path to = Files.createTempDirectory(dir, "unpacked");
    Path file = Files.write(to.resolve("a.tar.gz"), blobs.readAll(SCOPE, archive));
    int exit =
        new ProcessBuilder("tar", "-xf", file.toString()).directory(to.toFile()).start().waitFor();
    assertEquals(0, exit);
    return to;
  }

  private String repositoryWithSubmodule(String submoduleUrl) throws Exception {
    Files.writeString(server.repository("sub").resolve("inner.txt"), "inner");
    server.commitAll("sub");
    Path main = server.repository("main");
    Files.writeString(main.resolve("plain.txt"), "plain\n");
    Files.writeString(main.resolve("run.sh"), "#!/bin/sh\n");
    assertTrue(main.resolve("run.sh").toFile().setExecutable(true));
    Files.createSymbolicLink(main.resolve("link"), Path.of("plain.txt"));
    Files.createDirectories(main.resolve("deep/er"));
    Files.writeString(main.resolve("deep/er/file"), "deep");
    server.git("main", "submodule", "--quiet", "add", "../sub", "modules/sub");
    server.git("main", "config", "-f", ".gitmodules", "submodule.modules/sub.url", submoduleUrl);
    return server.commitAll("main");
  }

  @Test
  void aServerThatIsToldToFetchesNoRepositoriesAndNeitherDoesOneWhoseDiskIsFull() throws Exception {
    String commit = repositoryWithSubmodule("../../sub/.git");
    open(true, false, 0);
    FetchException off =
        assertThrows(FetchException.class, () -> fetch(all(commit), server.url("main/.git")));
    assertEquals(FetchException.Reason.FORBIDDEN, off.reason());
    open(true, true, Long.MAX_VALUE);
    assertThrows(StoreFullException.class, () -> fetch(all(commit), server.url("main/.git")));
    try (Stream<Path> left = Files.list(dir.resolve("sources/spool"))) {
      assertEquals(0, left.count());
    }
    open(true);
    fetch(all(commit), server.url("main/.git"));
    open(false, false, Long.MAX_VALUE); // what is there is given out
    fetch(all(commit), server.url("main/.git"));
  }

  @Test
  void aCommitWithItsSubmodulesIsAnArchiveThatGitAgreesWith() throws Exception {
    String commit = repositoryWithSubmodule("../../sub/.git");
    SourceFetcher.Fetched fetched = fetch(all(commit), server.url("main/.git"));
    Path top = unpacked(fetched.digest()).resolve("source");
    assertEquals("plain\n", Files.readString(top.resolve("plain.txt")));
    assertTrue(Files.isExecutable(top.resolve("run.sh")));
    assertEquals(Path.of("plain.txt"), Files.readSymbolicLink(top.resolve("link")));
    assertEquals("inner", Files.readString(top.resolve("modules/sub/inner.txt")));
    assertEquals(commit, server.git(top.toString(), "rev-parse", "HEAD"));
    assertEquals("", server.git(top.toString(), "status", "--porcelain"));
  }

  @Test
  void theSameCommitIsFetchedOnceAndFromTheStoreAfterwards() throws Exception {
    String commit = repositoryWithSubmodule("../../sub/.git");
    Digest first = fetch(all(commit), server.url("main/.git")).digest();
    int requests = server.requests();
    open(true);
    assertEquals(first, fetch(all(commit), server.url("main/.git")).digest());
    assertEquals(requests, server.requests());
  }

  @Test
  void submodulesAndDirectoriesThatAreNotWantedAreLeftOut() throws Exception {
    String commit = repositoryWithSubmodule("../../sub/.git");
    GitRequest some = wanted(commit, ImmutableSortedSet.of(), ImmutableSortedSet.of("deep"));
    Path top = unpacked(fetch(some, server.url("moved/main/.git")).digest()).resolve("source");
    assertEquals("deep", Files.readString(top.resolve("deep/er/file")));
    assertTrue(Files.exists(top.resolve("plain.txt")));
    assertFalse(Files.exists(top.resolve("modules/sub/inner.txt")));
  }

  @Test
  void privateAddressesAreRefusedInRepositoriesAsInArchives() throws Exception {
    String commit = repositoryWithSubmodule("../../sub/.git");
    open(false);
    FetchException refused =
        assertThrows(FetchException.class, () -> fetch(all(commit), server.url("main/.git")));
    assertEquals(FetchException.Reason.FORBIDDEN, refused.reason());
    assertEquals(0, server.requests());
  }

  @Test
  void aSubmoduleCannotLeadToFilesOrPrograms() throws Exception {
    for (String bad :
        List.of("ext::sh -c touch% /tmp/x", "file:///etc", "/etc", "--upload-pack=x")) {
      server.close();
      stop();
      server = new GitServer(dir.resolve("repositories" + bad.hashCode()));
      open(true);
      String commit = repositoryWithSubmodule(bad);
      FetchException refused =
          assertThrows(
              FetchException.class, () -> fetch(all(commit), server.url("main/.git")), bad);
      assertTrue(
          refused.reason() == FetchException.Reason.FORBIDDEN
              || refused.reason() == FetchException.Reason.MALFORMED,
          bad + ": " + refused.getMessage());
    }
  }

  @Test
  void attributesOfARepositoryRunNothing() throws Exception {
    Path main = server.repository("main");
    Files.writeString(main.resolve(".gitattributes"), "*.bin filter=lfs\n*.txt eol=crlf ident\n");
    Files.writeString(main.resolve("a.txt"), "$Id$\n");
    String commit = server.commitAll("main");
    Path top = unpacked(fetch(all(commit), server.url("main/.git")).digest()).resolve("source");
    assertEquals("$Id$\n", Files.readString(top.resolve("a.txt")));
  }

  @Test
  void whatNobodyHasIsSaidAndWhatSomebodyBroughtIsTaken() throws Exception {
    repositoryWithSubmodule("../../sub/.git");
    String absent = "1".repeat(40);
    FetchException nowhere =
        assertThrows(FetchException.class, () -> fetch(all(absent), server.url("main/.git")));
    String said = String.valueOf(nowhere.getMessage());
    assertTrue(said.contains("does not have the commit"), said);
    FetchException none =
        assertThrows(FetchException.class, () -> fetch(all(absent), server.url("none")));
    assertEquals(FetchException.Reason.NOT_THERE, none.reason());
    Digest brought = blobs.put(SCOPE, "an archive".getBytes(StandardCharsets.UTF_8));
    var unused = fetcher.mirror().add(SCOPE, brought, mirrorPath(absent), List.of());
    assertEquals(brought, fetch(all(absent), server.url("main/.git")).digest());
  }

  @Test
  void namesThatGitWouldTakeForOptionsAreRefused() {
    for (String bad : List.of("--upload-pack=x", "-x", "", "main", "A".repeat(40))) {
      assertThrows(IllegalArgumentException.class, () -> all(bad), bad);
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> wanted("1".repeat(40), ImmutableSortedSet.of("../up"), ImmutableSortedSet.of()));
    assertFalse(GitRequest.isRef("--all"));
    assertFalse(GitRequest.isRef("a..b"));
  }
}

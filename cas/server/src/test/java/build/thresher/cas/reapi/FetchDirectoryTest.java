package build.thresher.cas.reapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.asset.v1.FetchDirectoryRequest;
import build.bazel.remote.asset.v1.FetchDirectoryResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.asset.v1.Qualifier;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.SymlinkNode;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.assets.AssetTable;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.sources.SourceFetchService;
import build.thresher.cas.sources.SourceFetcher;
import build.thresher.cas.sources.SourceOptions;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.google.common.collect.ImmutableList;
import com.sun.net.httpserver.HttpServer;
import io.grpc.Status;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Archives as a web server gives them, fetched as directories over gRPC. */
class FetchDirectoryTest {
  private static final Scope SCOPE = Scope.farm("");
  private static final int MAX_BYTES = 4 << 20;

  @TempDir Path temp;
  private final Map<String, byte[]> pages = new ConcurrentHashMap<>();
  private final AtomicInteger downloads = new AtomicInteger();
  private RocksBlobStore store;
  private SourceFetcher fetcher;
  private ReapiServer server;
  private HttpServer web;

  @BeforeEach
  void open() throws IOException {
    store =
        RocksBlobStore.open(
            temp.resolve("store"), StoreOptions.DEFAULTS.withReserveBytes(0), Instant::now);
    SourceOptions options =
        new SourceOptions(
            ImmutableList.of(),
            true,
            true,
            true,
            MAX_BYTES,
            Duration.ofSeconds(20),
            Duration.ofMinutes(1),
            0);
    fetcher = SourceFetcher.open(temp.resolve("sources"), store, options, System::nanoTime);
    AssetTable assets = new AssetTable(store, store.results(), Instant::now);
    server =
        new ReapiServer(
            store,
            updates ->
                List.of(
                    new SourceFetchService(
                        fetcher, assets, store, ReapiServer.INSTANCES::resolve)));
    web = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    web.createContext(
        "/",
        exchange -> {
          downloads.incrementAndGet();
          byte[] page = pages.get(exchange.getRequestURI().getPath());
          exchange.sendResponseHeaders(page == null ? 404 : 200, page == null ? -1 : page.length);
          if (page != null) {
            exchange.getResponseBody().write(page);
          }
          exchange.close();
        });
    web.start();
  }

  @AfterEach
  void close() throws IOException {
    web.stop(0);
    server.close();
    fetcher.close();
    store.close();
  }

  private FetchDirectoryResponse fetch(byte[] archive, String... qualifiers) throws Exception {
    pages.put("/archive", archive);
    String sri =
        "sha256-"
            + Base64.getEncoder()
                .encodeToString(MessageDigest.getInstance("SHA-256").digest(archive));
    FetchDirectoryRequest.Builder request =
        FetchDirectoryRequest.newBuilder()
            .setInstanceName(ReapiServer.INSTANCE)
            .addUris("http://127.0.0.1:" + web.getAddress().getPort() + "/archive")
            .addQualifiers(Qualifier.newBuilder().setName("checksum.sri").setValue(sri));
    for (int i = 0; i < qualifiers.length; i += 2) {
      request.addQualifiers(
          Qualifier.newBuilder().setName(qualifiers[i]).setValue(qualifiers[i + 1]));
    }
    return FetchGrpc.newBlockingStub(server.channel).fetchDirectory(request.build());
  }

  private Digest tree(byte[] archive, String... qualifiers) throws Exception {
    FetchDirectoryResponse answer = fetch(archive, qualifiers);
    assertEquals(0, answer.getStatus().getCode(), answer.getStatus().getMessage());
    try (var spool = Files.list(temp.resolve("sources/spool"))) {
      assertEquals(0, spool.count(), "files left in the spool");
    }
    return Digest.parse(
        answer.getRootDirectoryDigest().getHash(), answer.getRootDirectoryDigest().getSizeBytes());
  }

  private void refused(Status.Code code, String why, byte[] archive, String... qualifiers)
      throws Exception {
    FetchDirectoryResponse answer = fetch(archive, qualifiers);
    assertEquals(code.value(), answer.getStatus().getCode(), answer.toString());
    assertTrue(answer.getStatus().getMessage().contains(why), answer.toString());
  }

  /** Every path with what is there, read from the store alone. */
  private Map<String, String> listed(Digest root) throws IOException {
    Map<String, String> all = new TreeMap<>();
    list("", root, all);
    return all;
  }

  private void list(String prefix, Digest digest, Map<String, String> all) throws IOException {
    Directory directory = Directory.parseFrom(store.readAll(SCOPE, digest));
    for (FileNode file : directory.getFilesList()) {
      byte[] bytes =
          store.readAll(
              SCOPE, Digest.parse(file.getDigest().getHash(), file.getDigest().getSizeBytes()));
      String content = new String(bytes, StandardCharsets.UTF_8);
      all.put(prefix + file.getName(), (file.getIsExecutable() ? "x " : "- ") + content);
    }
    for (SymlinkNode link : directory.getSymlinksList()) {
      all.put(prefix + link.getName(), "-> " + link.getTarget());
    }
    for (DirectoryNode child : directory.getDirectoriesList()) {
      all.put(prefix + child.getName(), "/");
      list(
          prefix + child.getName() + "/",
          Digest.parse(child.getDigest().getHash(), child.getDigest().getSizeBytes()),
          all);
    }
  }

  private static final class Tar {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final TarArchiveOutputStream out = new TarArchiveOutputStream(bytes, "UTF-8");

    Tar() {
      out.setLongFileMode(TarArchiveOutputStream.LONGFILE_GNU);
    }

    Tar file(String name, String content) throws IOException {
      return add(name, TarConstants.LF_NORMAL, "", content);
    }

    Tar link(String name, String target) throws IOException {
      return add(name, TarConstants.LF_SYMLINK, target, "");
    }

    Tar add(String name, byte type, String target, String content) throws IOException {
      byte[] data = content.getBytes(StandardCharsets.UTF_8);
      TarArchiveEntry entry = new TarArchiveEntry(name, type, true);
      entry.setLinkName(target);
      entry.setSize(data.length);
      out.putArchiveEntry(entry);
      out.write(data);
      out.closeArchiveEntry();
      return this;
    }

    byte[] end() throws IOException {
      out.close();
      return bytes.toByteArray();
    }
  }

  private static byte[] zipped(byte[] bytes) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(all)) {
      gzip.write(bytes);
    }
    return all.toByteArray();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "--gzip", "--bzip2", "--xz", "--zstd"})
  void whatTarPacksIsTheTreeOfTheFilesThemselves(String compression) throws Exception {
    Path top = Files.createDirectory(temp.resolve("files"));
    Path files = Files.createDirectory(top.resolve("project-1.0"));
    Files.createDirectories(files.resolve("empty"));
    Files.createDirectories(files.resolve("deep/er"));
    Files.writeString(files.resolve("deep/er/" + "long-name-".repeat(20)), "long");
    Files.writeString(files.resolve("configure"), "run");
    assertTrue(files.resolve("configure").toFile().setExecutable(true));
    Files.writeString(files.resolve("ünï"), "");
    Files.createLink(files.resolve("hard"), files.resolve("configure"));
    Files.createSymbolicLink(files.resolve("deep/up"), Path.of("../configure"));
    Path archive = temp.resolve("archive.tar");
    Process tar =
        new ProcessBuilder(
                "sh",
                "-c",
                "tar $0 -cf \"$1\" -C \"$2\" .",
                compression,
                archive.toString(),
                top.toString())
            .start();
    assumeTrue(tar.waitFor() == 0, "no tar here that does " + compression);
    byte[] bytes = Files.readAllBytes(archive);
    assertEquals(LocalTree.scan(top, path -> true).root(), tree(bytes));
    assertEquals(
        LocalTree.scan(files, path -> true).root(), tree(bytes, "directory", "project-1.0"));
    assertEquals(
        Map.of("long-name-".repeat(20), "- long"),
        listed(
            tree(bytes, "directory", "project-1.0/deep/er", "resource_type", "application/tar")));
  }

  @Test
  void aZipIsUnpackedWithItsModesAndLinks() throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(bytes)) {
      for (String[] one :
          new String[][] {
            {"d/", "040755", ""},
            {"d/run", "0100755", "run"},
            {"d/text", "0100644", "text"},
            {"link", "0120777", "d/run"},
            {"plain", "0", "plain"}
          }) {
        ZipArchiveEntry entry = new ZipArchiveEntry(one[0]);
        if (!one[1].equals("0")) {
          entry.setUnixMode(Integer.parseInt(one[1], 8));
        }
        zip.putArchiveEntry(entry);
        zip.write(one[2].getBytes(StandardCharsets.UTF_8));
        zip.closeArchiveEntry();
      }
    }
    assertEquals(
        Map.of(
            "d", "/", "d/run", "x run", "d/text", "- text", "link", "-> d/run", "plain", "- plain"),
        listed(tree(bytes.toByteArray())));
  }

  @Test
  void anArchiveIsUnpackedOnceAndAgainWhenTheStoreLostAPart() throws Exception {
    byte[] tar = new Tar().file("f", "content").end();
    Digest root = tree(tar);
    fetcher.close();
    close();
    open();
    assertEquals(root, tree(tar));
    assertTrue(store.delete(SCOPE, Digest.of("content".getBytes(StandardCharsets.UTF_8))));
    assertEquals(root, tree(tar));
    assertEquals(Map.of("f", "- content"), listed(root));
    assertEquals(1, downloads.get());
  }

  @Test
  void pathsThatLeaveAreRefused() throws Exception {
    for (String path : List.of("/abs", "../up", "a/../../up", "a/./../b")) {
      refused(Status.Code.ABORTED, "has a path", new Tar().file(path, "x").end());
    }
  }

  @Test
  void linksThatLeaveAreRefused() throws Exception {
    for (String target :
        List.of("/etc/passwd", "..", "../../x", "d/../..", "in/../../..", "l", "in/../../../e")) {
      byte[] tar = new Tar().file("d/f", "").link("in", "d").link("l", target).end();
      refused(Status.Code.ABORTED, "is a link that leads out", tar);
    }
  }

  @Test
  void linksThatStayAreKeptAndWhatTheyLeadToNeedNotBeThere() throws Exception {
    byte[] tar =
        new Tar()
            .file("a/b/f", "f")
            .link("a/up", "..")
            .link("a/b/around", "../up/a/b/f")
            .link("nowhere", "a/none/such")
            .end();
    Map<String, String> all = listed(tree(tar));
    assertEquals("-> ../up/a/b/f", all.get("a/b/around"));
    assertEquals("-> a/none/such", all.get("nowhere"));
    // What stays inside the archive need not stay inside a directory of it.
    refused(Status.Code.ABORTED, "leads out", tar, "directory", "a");
    assertEquals(
        Map.of("f", "- f"), listed(tree(new Tar().file("a/b/f", "f").end(), "directory", "a/b")));
  }

  @Test
  void entriesThatCouldMeanTwoThingsOrAreNoFilesAreRefused() throws Exception {
    refused(Status.Code.ABORTED, "two entries", new Tar().file("a", "1").file("./a", "2").end());
    refused(Status.Code.ABORTED, "something else", new Tar().link("a", "b").file("a/f", "2").end());
    refused(
        Status.Code.ABORTED,
        "no earlier file",
        new Tar().add("hard", TarConstants.LF_LINK, "later", "").file("later", "").end());
    for (byte type : new byte[] {TarConstants.LF_CHR, TarConstants.LF_BLK, TarConstants.LF_FIFO}) {
      refused(Status.Code.ABORTED, "is neither", new Tar().add("dev", type, "", "").end());
    }
    byte[] damaged = new Tar().file("a", "1").end();
    damaged[0] = 'b';
    refused(Status.Code.ABORTED, "", damaged);
    refused(Status.Code.NOT_FOUND, "no archive", new byte[1024]);
    refused(
        Status.Code.ABORTED, "", "no archive at all".repeat(100).getBytes(StandardCharsets.UTF_8));
    byte[] whole = zipped(new Tar().file("a", "1".repeat(100_000)).end());
    refused(Status.Code.ABORTED, "broken", java.util.Arrays.copyOf(whole, whole.length - 20));
  }

  @Test
  void whatUnpacksToTooMuchIsRefused() throws Exception {
    String half = "0".repeat(MAX_BYTES / 2 + 1);
    refused(
        Status.Code.RESOURCE_EXHAUSTED,
        "bytes",
        zipped(new Tar().file("a", half).file("b", half).end()));
    refused(
        Status.Code.RESOURCE_EXHAUSTED,
        "directories",
        new Tar().file("d/".repeat(201) + "f", "").end());
    refused(
        Status.Code.ABORTED,
        "a header of the archive has more",
        zipped(
            new Tar()
                .add("l", TarConstants.LF_GNUTYPE_LONGNAME, "", "n".repeat(3 << 20))
                .file("f", "")
                .end()));
    refused(Status.Code.ABORTED, "too long", new Tar().file("n".repeat(5_000), "").end());
    assertEquals(4, store.statistics().blobs(), "archives only: nothing of them was stored");
  }

  @Test
  void whatIsNotInTheArchiveIsNotFound() throws Exception {
    byte[] tar = new Tar().file("d/f", "").link("l", "d").end();
    for (String directory : List.of("e", "d/f", "l", "d/f/g")) {
      refused(Status.Code.NOT_FOUND, "has no directory", tar, "directory", directory);
    }
    for (String[] repository :
        new String[][] {
          {"vcs.commit", "abc"}, {"vcs.branch", "main"}, {"resource_type", "application/x-git"}
        }) {
      refused(Status.Code.NOT_FOUND, "clones no", tar, repository);
    }
  }
}

package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Source archives into the farm, out of it over HTTP, and into a directory. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(300)
class SourcesTest {
  private static final byte[] ZLIB = "zlib".repeat(1_000_000).getBytes(StandardCharsets.UTF_8);
  private static final byte[] TOOL = "a tool".getBytes(StandardCharsets.UTF_8);
  private static final byte[] GIT = "of a commit".getBytes(StandardCharsets.UTF_8);
  private static final String NAME = "zlib/zlib-1.3.1.tar.gz";
  private static final String COMMIT =
      "_source-cache/git/group/repo.git/0123456789012345678901234567890123456789.tar.gz";

  private FarmUnderTest farm;

  @TempDir Path dir;

  @BeforeAll
  void start(@TempDir Path farmDirectory) throws Exception {
    farm = FarmUnderTest.start(farmDirectory);
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
  }

  private static String archive(byte[] bytes, String extension) {
    String hex = Digest.of(bytes).hex();
    return "_source-cache/archive/" + hex.substring(0, 2) + "/" + hex + extension;
  }

  private static Path write(Path file, byte[] bytes) throws IOException {
    Files.createDirectories(file.resolveSibling("."));
    return Files.write(file, bytes);
  }

  /** As {@code spack mirror create} lays it out, beside a binary mirror. */
  private Path mirror() throws IOException {
    Path mirror = dir.resolve("mirror");
    write(mirror.resolve(archive(ZLIB, ".tar.gz")), ZLIB);
    write(mirror.resolve(COMMIT), GIT);
    write(mirror.resolve("v3/layout.json"), TOOL);
    write(mirror.resolve(".hidden/file"), TOOL);
    Files.createDirectories(mirror.resolve("zlib"));
    Files.createSymbolicLink(mirror.resolve(NAME), Path.of("..").resolve(archive(ZLIB, ".tar.gz")));
    return mirror;
  }

  private byte[] served(String path) throws Exception {
    HttpResponse<byte[]> response =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(
                        URI.create(
                            "http://" + farm.httpAddress() + "/mirror/default/sources/" + path))
                    .build(),
                HttpResponse.BodyHandlers.ofByteArray());
    return response.statusCode() == 200 ? response.body() : new byte[0];
  }

  @Test
  void aMirrorComesInOnceIsServedUnderBothFormsOfNamesAndGoesOutAgain() throws Exception {
    Path mirror = mirror();
    Path tool = write(dir.resolve("tool-1.0.zip"), TOOL);
    Processes.Ended added = farm.thresher("sources", "add", mirror.toString(), tool.toString());
    assertEquals(0, added.exit(), added.output());
    assertTrue(added.output().contains("3 sources: 3 added"), added.output());
    Processes.Ended again = farm.thresher("sources", "add", mirror.toString(), tool.toString());
    assertTrue(again.output().contains("0 added, 3 there already"), again.output());
    assertTrue(again.output().contains(" 0 bytes uploaded"), again.output());

    assertArrayEquals(ZLIB, served(archive(ZLIB, ".tar.gz")));
    assertArrayEquals(ZLIB, served(NAME));
    assertArrayEquals(GIT, served(COMMIT));
    assertArrayEquals(TOOL, served("tool-1.0.zip"));
    Processes.Ended listed = farm.thresher("sources", "list");
    assertTrue(listed.output().contains(NAME), listed.output());
    assertTrue(listed.output().contains("3 sources"), listed.output());

    Path out = dir.resolve("out");
    Processes.Ended exported = farm.thresher("sources", "export", out.toString());
    assertEquals(0, exported.exit(), exported.output());
    assertArrayEquals(ZLIB, Files.readAllBytes(out.resolve(NAME)));
    assertTrue(Files.isSymbolicLink(out.resolve(NAME)));
    assertArrayEquals(GIT, Files.readAllBytes(out.resolve(COMMIT)));
    assertArrayEquals(TOOL, Files.readAllBytes(out.resolve(archive(TOOL, ".zip"))));
    Files.delete(out.resolve(archive(TOOL, ".zip")));
    Files.writeString(out.resolve(COMMIT), "OF A commit");
    Processes.Ended mended = farm.thresher("sources", "export", "--verify", out.toString());
    int expected = TOOL.length + GIT.length;
    assertTrue(mended.output().contains(expected + " bytes written"), mended.output());
    assertArrayEquals(GIT, Files.readAllBytes(out.resolve(COMMIT)));
  }

  @Test
  void oneSourceOfAListThatCannotBeHadKeepsNoneOfTheOthersOut() throws Exception {
    byte[] there = "there already".getBytes(StandardCharsets.UTF_8);
    farm.thresher("sources", "add", write(dir.resolve("there-1.tar.gz"), there).toString());
    byte[] here = "on this machine".getBytes(StandardCharsets.UTF_8);
    Path list =
        Files.writeString(
            dir.resolve("list.json"),
            """
            {"version": 1, "sources": [{"hash": "%s", "sources": [
              {"sha256": "%s", "mirror_path": "%s", "name": "there-1.tar.gz", "unsupported": "by hand"},
              {"sha256": "%s", "mirror_path": "%s", "name": "here/here-1.tgz", "file": "%s"},
              {"mirror_path": "_source-cache/svn/trunk/1.tar.gz", "unsupported": "is in Subversion"},
              {"sha256": "%s", "mirror_path": "%s", "urls": ["http://127.0.0.1:1/private"]}]}]}
            """
                .formatted(
                    "a".repeat(32),
                    Digest.of(there).hex(),
                    archive(there, ".tar.gz"),
                    Digest.of(here).hex(),
                    archive(here, ".tgz"),
                    write(dir.resolve("here-1.tgz"), here),
                    "0".repeat(64),
                    "_source-cache/archive/00/" + "0".repeat(64) + ".tgz"));
    Processes.Ended filled = farm.thresher("sources", "fetch", list.toString());
    assertEquals(1, filled.exit(), filled.output());
    assertTrue(filled.output().contains("[=] there-1.tar.gz"), filled.output());
    assertTrue(filled.output().contains("[+] here/here-1.tgz"), filled.output());
    assertTrue(filled.output().contains("is in Subversion"), filled.output());
    assertTrue(filled.output().contains("is not public"), filled.output());
    assertTrue(filled.output().contains("4 sources: 1 added, 1 there already"), filled.output());
    assertArrayEquals(here, served("here/here-1.tgz"));
  }

  @Test
  void whatIsDamagedIsRefusedAndKeepsNothingElseOut() throws Exception {
    Path mirror = dir.resolve("damaged");
    write(mirror.resolve(archive(ZLIB, ".tgz")), TOOL);
    write(mirror.resolve("other/other-2.tar.xz"), "another".getBytes(StandardCharsets.UTF_8));
    Processes.Ended added = farm.thresher("sources", "add", mirror.toString());
    assertEquals(1, added.exit(), added.output());
    assertTrue(added.output().contains("does not have the checksum"), added.output());
    assertTrue(added.output().contains("1 added"), added.output());
    assertEquals(0, farm.thresher("sources", "remove", "other/other-2.tar.xz").exit());
    assertEquals(2, farm.thresher("sources", "remove", "other/other-2.tar.xz").exit());
    assertEquals(0, served("other/other-2.tar.xz").length);
    assertEquals(2, farm.thresher("sources", "add", dir.resolve("nothing").toString()).exit());
  }

  @Test
  void anExportForAGroupIsTheGroups() throws Exception {
    farm.thresher("sources", "add", write(dir.resolve("shared-1.tgz"), TOOL).toString());
    Path out = dir.resolve("shared");
    PosixFileAttributes mine = Files.readAttributes(dir, PosixFileAttributes.class);
    Processes.Ended exported =
        farm.thresher("sources", "export", "--group", mine.group().getName(), out.toString());
    assertEquals(0, exported.exit(), exported.output());
    Path file = out.resolve(archive(TOOL, ".tgz"));
    assertTrue(
        Files.getPosixFilePermissions(file).contains(PosixFilePermission.GROUP_WRITE), "writable");
    int mode = (Integer) Files.getAttribute(out.resolve("_source-cache"), "unix:mode");
    assertEquals(02070, mode & 02070, Integer.toOctalString(mode));
    assertEquals(
        2, farm.thresher("sources", "export", "--group", "no-such-group", out.toString()).exit());
  }
}

package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;
import static build.thresher.deploy.conformance.Subject.refused;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchDirectoryRequest;
import build.bazel.remote.asset.v1.FetchDirectoryResponse;
import build.bazel.remote.asset.v1.PushBlobRequest;
import build.bazel.remote.asset.v1.PushDirectoryRequest;
import build.bazel.remote.asset.v1.Qualifier;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import com.sun.net.httpserver.HttpServer;
import io.grpc.Status.Code;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Remote Asset. Rules about fetching take a web server on the machine that tries the other. */
final class AssetRules {
  private static final String PROTO = "remote_asset.proto, ";

  private AssetRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule(
            "What was pushed for an address is fetched by it, what was not is NOT_FOUND",
            PROTO + "Push.PushBlob",
            AssetRules::pushed),
        new Rule(
            "A directory that was pushed is fetched by its address",
            PROTO + "Push.PushDirectory",
            AssetRules::pushedDirectory),
        new Rule(
            "Qualifiers tell assets of one address apart",
            PROTO + "Qualifier",
            AssetRules::qualifiers),
        new Rule(
            "Content older than accepted is not given out",
            PROTO + "FetchBlobRequest.oldest_content_accepted",
            AssetRules::oldest),
        new Rule(
            "A fetch by no address is INVALID_ARGUMENT",
            PROTO + "FetchBlobRequest.uris: clients MUST supply at least one",
            server ->
                refused(
                    () ->
                        server
                            .assets()
                            .fetchBlob(
                                FetchBlobRequest.newBuilder()
                                    .setInstanceName(server.instance())
                                    .build()),
                    Code.INVALID_ARGUMENT)),
        new Rule(
            "What is fetched is what checksum.sri says, or nothing",
            PROTO + "Fetch: servers MUST ensure that content matches all qualifiers",
            AssetRules::checksum),
        new Rule(
            "An archive is fetched as a directory, or a directory of it",
            PROTO + "Fetch: servers MAY unpack; qualifiers.md, directory",
            AssetRules::archive),
        new Rule(
            "A link of an archive that leads out of it is not kept",
            "bad input",
            AssetRules::escapingLink));
  }

  private static String name(Subject server) {
    return "urn:thresher:conformance:" + server.fresh().toStringUtf8().strip().replace(' ', ':');
  }

  private static FetchBlobResponse fetch(Subject server, String uri, Qualifier... qualifiers) {
    return server
        .assets()
        .fetchBlob(
            FetchBlobRequest.newBuilder()
                .setInstanceName(server.instance())
                .addUris(uri)
                .addAllQualifiers(List.of(qualifiers))
                .build());
  }

  private static Qualifier qualifier(String name, String value) {
    return Qualifier.newBuilder().setName(name).setValue(value).build();
  }

  private static Digest push(Subject server, String uri, Qualifier... qualifiers)
      throws BrokenRuleException, NotOfferedException {
    server.needsResultUpdates();
    Digest digest = server.upload(server.fresh());
    var unused =
        server
            .assetPush()
            .pushBlob(
                PushBlobRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .addUris(uri)
                    .addAllQualifiers(List.of(qualifiers))
                    .setBlobDigest(digest)
                    .build());
    return digest;
  }

  private static void gives(FetchBlobResponse response, Digest digest) throws BrokenRuleException {
    require(response.getStatus().getCode() == 0, "its status is " + response.getStatus());
    require(response.getBlobDigest().equals(digest), "it gives another blob");
  }

  private static void isNotFound(com.google.rpc.Status status) throws BrokenRuleException {
    require(status.getCode() == Code.NOT_FOUND.value(), "its status is " + status);
  }

  private static void pushed(Subject server) throws BrokenRuleException, NotOfferedException {
    String uri = name(server);
    isNotFound(fetch(server, uri).getStatus());
    Digest digest = push(server, uri);
    gives(fetch(server, uri), digest);
  }

  private static void pushedDirectory(Subject server)
      throws BrokenRuleException, NotOfferedException {
    server.needsResultUpdates();
    Digest file = server.upload(server.fresh());
    Digest root =
        server.upload(
            Directory.newBuilder()
                .addFiles(FileNode.newBuilder().setName("f").setDigest(file))
                .build());
    String uri = name(server);
    var unused =
        server
            .assetPush()
            .pushDirectory(
                PushDirectoryRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .addUris(uri)
                    .setRootDirectoryDigest(root)
                    .build());
    FetchDirectoryResponse response = fetchDirectory(server, uri);
    require(response.getStatus().getCode() == 0, "its status is " + response.getStatus());
    require(response.getRootDirectoryDigest().equals(root), "it gives another directory");
  }

  private static FetchDirectoryResponse fetchDirectory(
      Subject server, String uri, Qualifier... qualifiers) {
    return server
        .assets()
        .fetchDirectory(
            FetchDirectoryRequest.newBuilder()
                .setInstanceName(server.instance())
                .addUris(uri)
                .addAllQualifiers(List.of(qualifiers))
                .build());
  }

  private static void qualifiers(Subject server) throws BrokenRuleException, NotOfferedException {
    String uri = name(server);
    Qualifier one = qualifier("vcs.commit", "one");
    Qualifier two = qualifier("vcs.commit", "two");
    Digest ofOne = push(server, uri, one);
    isNotFound(fetch(server, uri, two).getStatus());
    Digest ofTwo = push(server, uri, two);
    gives(fetch(server, uri, one), ofOne);
    gives(fetch(server, uri, two), ofTwo);
  }

  private static void oldest(Subject server) throws BrokenRuleException, NotOfferedException {
    String uri = name(server);
    var unused = push(server, uri);
    FetchBlobResponse response =
        server
            .assets()
            .fetchBlob(
                FetchBlobRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .addUris(uri)
                    // The year 2100.
                    .setOldestContentAccepted(Timestamp.newBuilder().setSeconds(4_102_444_800L))
                    .build());
    isNotFound(response.getStatus());
  }

  private interface WithAddress {
    void run(String uri) throws Exception;
  }

  /** Serves one page on this machine, while it is used. */
  private static void serving(ByteString page, WithAddress use) throws Exception {
    HttpServer web =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    web.createContext(
        "/",
        exchange -> {
          exchange.sendResponseHeaders(200, page.size());
          page.writeTo(exchange.getResponseBody());
          exchange.close();
        });
    web.start();
    try {
      use.run("http://127.0.0.1:" + web.getAddress().getPort() + "/page.zip");
    } finally {
      web.stop(0);
    }
  }

  private static Qualifier checksumOf(ByteString bytes) {
    byte[] hash = build.thresher.cas.api.Digest.of(bytes.toByteArray()).hashBytes();
    return qualifier("checksum.sri", "sha256-" + Base64.getEncoder().encodeToString(hash));
  }

  private static void mayFetch(com.google.rpc.Status status) throws NotOfferedException {
    if (status.getCode() == Code.PERMISSION_DENIED.value()
        || status.getCode() == Code.NOT_FOUND.value()) {
      throw new NotOfferedException("it does not fetch from this machine: " + status.getMessage());
    }
  }

  private static void mayUnpack(FetchDirectoryResponse response) throws NotOfferedException {
    mayFetch(response.getStatus());
    if (response.getStatus().getCode() == 0
        && response.getRootDirectoryDigest().getHash().isEmpty()) {
      throw new NotOfferedException("it says OK and gives no directory");
    }
  }

  private static void checksum(Subject server) throws Exception {
    ByteString page = server.fresh();
    serving(
        page,
        uri -> {
          FetchBlobResponse right = fetch(server, uri, checksumOf(page));
          mayFetch(right.getStatus());
          gives(right, digest(page));
          FetchBlobResponse wrong = fetch(server, uri, checksumOf(server.fresh()));
          require(wrong.getStatus().getCode() != 0, "it took other content than was asked for");
        });
  }

  private static ByteString zip(String... namesAndContents) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      for (int i = 0; i < namesAndContents.length; i += 2) {
        zip.putNextEntry(new ZipEntry(namesAndContents[i]));
        zip.write(namesAndContents[i + 1].getBytes(StandardCharsets.UTF_8));
        zip.closeEntry();
      }
    }
    return ByteString.copyFrom(bytes.toByteArray());
  }

  private static void archive(Subject server) throws Exception {
    String content = server.fresh().toStringUtf8();
    Directory inner =
        Directory.newBuilder()
            .addFiles(
                FileNode.newBuilder()
                    .setName("f")
                    .setDigest(digest(ByteString.copyFromUtf8(content))))
            .build();
    Directory outer =
        Directory.newBuilder()
            .addDirectories(
                DirectoryNode.newBuilder().setName("d").setDigest(digest(inner.toByteString())))
            .build();
    ByteString archive = zip("d/f", content);
    serving(
        archive,
        uri -> {
          FetchDirectoryResponse all = fetchDirectory(server, uri, checksumOf(archive));
          mayUnpack(all);
          require(all.getStatus().getCode() == 0, "its status is " + all.getStatus());
          require(
              all.getRootDirectoryDigest().equals(digest(outer.toByteString())),
              "it gives another directory than the archive's");
          FetchDirectoryResponse part =
              fetchDirectory(server, uri, checksumOf(archive), qualifier("directory", "d"));
          require(
              part.getRootDirectoryDigest().equals(digest(inner.toByteString())),
              "it gives another directory than the archive has at d");
          require(
              server
                  .missing(List.of(digest(inner.toByteString()), inner.getFiles(0).getDigest()))
                  .isEmpty(),
              "what it unpacked is not in its store");
        });
  }

  private static void escapingLink(Subject server) throws Exception {
    byte[] tar = new byte[1536];
    writeLink(tar, server.fresh().toStringUtf8().strip(), "../../../etc/passwd");
    ByteString archive = ByteString.copyFrom(tar);
    serving(
        archive,
        uri -> {
          FetchDirectoryResponse response = fetchDirectory(server, uri, checksumOf(archive));
          mayUnpack(response);
          if (response.getStatus().getCode() == 0) {
            Directory root =
                Directory.parseFrom(server.read(response.getRootDirectoryDigest()).getData());
            require(root.getSymlinksCount() == 0, "it kept a link to ../../../etc/passwd");
          }
        });
  }

  /** The one header of a tar file that holds a symbolic link. */
  private static void writeLink(byte[] tar, String name, String target) {
    put(tar, 0, name);
    put(tar, 100, "0000777");
    put(tar, 108, "0000000");
    put(tar, 116, "0000000");
    put(tar, 124, "00000000000");
    put(tar, 136, "00000000000");
    put(tar, 148, "        ");
    put(tar, 156, "2");
    put(tar, 157, target);
    put(tar, 257, "ustar\00000");
    int sum = 0;
    for (int i = 0; i < 512; i++) {
      sum += tar[i] & 0xff;
    }
    put(tar, 148, String.format("%06o\0", sum));
  }

  private static void put(byte[] tar, int at, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(bytes, 0, tar, at, bytes.length);
  }
}

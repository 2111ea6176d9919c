package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;
import static build.thresher.deploy.conformance.Subject.refused;

import build.bazel.remote.execution.v2.BatchReadBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.BatchUpdateBlobsResponse;
import build.bazel.remote.execution.v2.CacheCapabilities;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FindMissingBlobsRequest;
import build.bazel.remote.execution.v2.GetTreeRequest;
import build.bazel.remote.execution.v2.GetTreeResponse;
import build.bazel.remote.execution.v2.ServerCapabilities;
import build.bazel.semver.SemVer;
import com.google.protobuf.ByteString;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Capabilities and ContentAddressableStorage. */
final class CacheRules {
  private static final String PROTO = "remote_execution.proto, ";
  private static final String UPDATE =
      PROTO + "ContentAddressableStorage.BatchUpdateBlobs: errors of the call and of each blob";
  private static final int LEVELS = 24;

  private CacheRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule(
            "It speaks version 2.0, which clients as old as Bazel 4 ask for",
            PROTO + "ServerCapabilities.low_api_version",
            CacheRules::version),
        new Rule(
            "It knows SHA-256",
            PROTO + "CacheCapabilities.digest_functions",
            server ->
                require(
                    server
                        .capabilities()
                        .getCacheCapabilities()
                        .getDigestFunctionsList()
                        .contains(DigestFunction.Value.SHA256),
                    "SHA256 is not among its digest functions")),
        new Rule(
            "The empty blob is always there",
            PROTO + "ContentAddressableStorage: servers MUST handle the empty blob",
            CacheRules::emptyBlob),
        new Rule(
            "FindMissingBlobs names what is missing and nothing else",
            PROTO + "ContentAddressableStorage.FindMissingBlobs",
            CacheRules::findMissing),
        new Rule(
            "What was uploaded is read back",
            PROTO + "ContentAddressableStorage.BatchReadBlobs",
            CacheRules::roundTrip),
        new Rule(
            "A blob that is missing is NOT_FOUND in an answer that is OK",
            PROTO + "BatchReadBlobsResponse.Response.status",
            server -> {
              int code = server.read(digest(server.fresh())).getStatus().getCode();
              require(code == Code.NOT_FOUND.value(), "its status is " + code);
            }),
        new Rule(
            "Bytes under another's digest are refused, the rest of the batch is stored",
            UPDATE,
            CacheRules::wrongBytes),
        new Rule("A size that lies is refused", UPDATE, CacheRules::wrongSize),
        new Rule(
            "A hash in capital letters is refused or taken for what it is not, never stored",
            PROTO + "Digest.hash: lowercase",
            CacheRules::upperCase),
        new Rule("A malformed digest is INVALID_ARGUMENT", "bad input", CacheRules::malformed),
        new Rule(
            "A batch over the limit is INVALID_ARGUMENT, both ways",
            PROTO + "CacheCapabilities.max_batch_total_size_bytes; BatchReadBlobs: errors",
            CacheRules::tooMuch),
        new Rule(
            "GetTree gives the root and all that is below it",
            PROTO + "ContentAddressableStorage.GetTree",
            CacheRules::tree),
        new Rule(
            "GetTree of a root that is missing is NOT_FOUND",
            PROTO + "ContentAddressableStorage.GetTree: errors",
            server -> refused(() -> count(server, digest(server.fresh())), Code.NOT_FOUND)),
        new Rule(
            "GetTree of a few directories that unfold to millions ends",
            "bad input",
            CacheRules::exponential));
  }

  private static void version(Subject server) throws BrokenRuleException {
    ServerCapabilities capabilities = server.capabilities();
    SemVer low = capabilities.getLowApiVersion();
    SemVer high = capabilities.getHighApiVersion();
    require(
        low.getMajor() == 2 && low.getMinor() == 0,
        "the lowest version is " + low.getMajor() + "." + low.getMinor());
    require(
        high.getMajor() == 2, "the highest version is " + high.getMajor() + "." + high.getMinor());
  }

  private static void emptyBlob(Subject server) throws BrokenRuleException {
    Digest empty = digest(ByteString.EMPTY);
    require(server.has(empty), "it says that the empty blob is missing");
    require(server.read(empty).getStatus().getCode() == 0, "the empty blob cannot be read");
  }

  private static void findMissing(Subject server) throws BrokenRuleException {
    Digest here = server.upload(server.fresh());
    Digest absent = digest(server.fresh());
    List<Digest> missing = server.missing(List.of(here, absent, here));
    require(missing.equals(List.of(absent)), "it says that these are missing: " + missing);
  }

  private static void roundTrip(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh(100_000);
    Digest digest = server.upload(bytes);
    require(server.read(digest).getData().equals(bytes), "other bytes came back");
  }

  private static void wrongBytes(Subject server) throws BrokenRuleException {
    ByteString good = server.fresh();
    ByteString bad = server.fresh();
    Digest lie = digest(server.fresh(bad.size()));
    List<BatchUpdateBlobsResponse.Response> responses =
        server
            .cas()
            .batchUpdateBlobs(
                BatchUpdateBlobsRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .addRequests(one(lie, bad))
                    .addRequests(one(digest(good), good))
                    .build())
            .getResponsesList();
    for (BatchUpdateBlobsResponse.Response response : responses) {
      int expected = response.getDigest().equals(lie) ? Code.INVALID_ARGUMENT.value() : 0;
      require(
          response.getStatus().getCode() == expected,
          "expected code " + expected + " for one of the blobs: " + response.getStatus());
    }
    require(!server.has(lie), "it stored the wrong bytes");
    require(server.has(digest(good)), "it did not store the good blob of the batch");
  }

  private static BatchUpdateBlobsRequest.Request one(Digest digest, ByteString bytes) {
    return BatchUpdateBlobsRequest.Request.newBuilder().setDigest(digest).setData(bytes).build();
  }

  private static void wrongSize(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh();
    Digest lie = digest(bytes).toBuilder().setSizeBytes(bytes.size() + 1).build();
    requireRefused(server, lie, bytes);
    require(!server.has(lie), "it stored a blob under a size that it does not have");
  }

  private static void upperCase(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh();
    Digest digest = digest(bytes);
    requireRefused(
        server,
        digest.toBuilder().setHash(digest.getHash().toUpperCase(Locale.ROOT)).build(),
        bytes);
    require(!server.has(digest), "it stored the blob all the same");
  }

  /** For the blob or for the whole call: the API leaves that open where digests are malformed. */
  private static void requireRefused(Subject server, Digest digest, ByteString bytes)
      throws BrokenRuleException {
    int code;
    try {
      code = server.update(digest, bytes).getStatus().getCode();
    } catch (StatusRuntimeException e) {
      code = e.getStatus().getCode().value();
    }
    require(code == Code.INVALID_ARGUMENT.value(), "the upload ended with code " + code);
  }

  private static void malformed(Subject server) throws BrokenRuleException {
    String hash = digest(server.fresh()).getHash();
    for (Digest bad :
        List.of(
            Digest.newBuilder().setSizeBytes(1).build(),
            Digest.newBuilder().setHash(hash).setSizeBytes(-1).build(),
            Digest.newBuilder().setHash(hash.substring(1) + "g").setSizeBytes(1).build(),
            Digest.newBuilder().setHash("../" + hash.substring(3)).setSizeBytes(1).build())) {
      refused(
          () ->
              server
                  .cas()
                  .findMissingBlobs(
                      FindMissingBlobsRequest.newBuilder()
                          .setInstanceName(server.instance())
                          .addBlobDigests(bad)
                          .build()),
          Code.INVALID_ARGUMENT);
    }
  }

  private static void tooMuch(Subject server) throws BrokenRuleException, NotOfferedException {
    CacheCapabilities cache = server.capabilities().getCacheCapabilities();
    long limit = cache.getMaxBatchTotalSizeBytes();
    if (limit == 0 || limit > 8 << 20) {
      throw new NotOfferedException("its batches have no limit, or a large one");
    }
    BatchUpdateBlobsRequest.Builder update =
        BatchUpdateBlobsRequest.newBuilder().setInstanceName(server.instance());
    BatchReadBlobsRequest.Builder read =
        BatchReadBlobsRequest.newBuilder().setInstanceName(server.instance());
    for (long sum = 0; sum <= limit; sum += limit / 4) {
      ByteString bytes = server.fresh((int) limit / 4);
      update.addRequests(one(digest(bytes), bytes));
      read.addDigests(server.upload(bytes));
    }
    // RESOURCE_EXHAUSTED is what gRPC itself says of messages that are too long.
    refused(
        () -> server.cas().batchUpdateBlobs(update.build()),
        Code.INVALID_ARGUMENT,
        Code.RESOURCE_EXHAUSTED);
    refused(() -> server.cas().batchReadBlobs(read.build()), Code.INVALID_ARGUMENT);
  }

  private static Directory parent(String name, Digest child) {
    return Directory.newBuilder()
        .addDirectories(DirectoryNode.newBuilder().setName(name).setDigest(child))
        .build();
  }

  private static void tree(Subject server) throws BrokenRuleException {
    Digest leaf = server.upload(parent(server.fresh().toStringUtf8().strip(), emptyDirectory()));
    Digest middle = server.upload(parent("middle", leaf));
    Digest root = server.upload(parent("top", middle));
    Set<Digest> seen = new HashSet<>();
    for (Directory directory : walk(server, root)) {
      seen.add(digest(directory.toByteString()));
    }
    require(
        seen.containsAll(List.of(root, middle, leaf)), "some directories are not in the answer");
  }

  private static Digest emptyDirectory() {
    return digest(ByteString.EMPTY);
  }

  private static List<Directory> walk(Subject server, Digest root) {
    List<Directory> found = new ArrayList<>();
    String page = "";
    do {
      Iterator<GetTreeResponse> answers =
          server
              .cas()
              .getTree(
                  GetTreeRequest.newBuilder()
                      .setInstanceName(server.instance())
                      .setRootDigest(root)
                      .setPageSize(2)
                      .setPageToken(page)
                      .build());
      page = "";
      while (answers.hasNext()) {
        GetTreeResponse answer = answers.next();
        found.addAll(answer.getDirectoriesList());
        page = answer.getNextPageToken();
      }
    } while (!page.isEmpty());
    return found;
  }

  private static int count(Subject server, Digest root) {
    return walk(server, root).size();
  }

  private static void exponential(Subject server) throws BrokenRuleException {
    Digest below = server.upload(parent(server.fresh().toStringUtf8().strip(), emptyDirectory()));
    for (int level = 0; level < LEVELS; level++) {
      below =
          server.upload(
              Directory.newBuilder()
                  .addDirectories(DirectoryNode.newBuilder().setName("a").setDigest(below))
                  .addDirectories(DirectoryNode.newBuilder().setName("b").setDigest(below))
                  .build());
    }
    int count = 0;
    Iterator<GetTreeResponse> answers =
        server
            .cas()
            .getTree(
                GetTreeRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .setRootDigest(below)
                    .build());
    while (answers.hasNext()) {
      count += answers.next().getDirectoriesCount();
      require(count < 1 << 16, "it sends the same directories again and again");
    }
  }
}

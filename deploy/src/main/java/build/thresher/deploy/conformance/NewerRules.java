package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;
import static build.thresher.deploy.conformance.Subject.refused;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.BatchReadBlobsRequest;
import build.bazel.remote.execution.v2.BatchReadBlobsResponse;
import build.bazel.remote.execution.v2.BatchUpdateBlobsRequest;
import build.bazel.remote.execution.v2.Command.OutputDirectoryFormat;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.ExecuteOperationMetadata;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.FindMissingBlobsRequest;
import build.bazel.remote.execution.v2.GetTreeRequest;
import build.bazel.remote.execution.v2.OutputDirectory;
import build.bazel.remote.execution.v2.Tree;
import com.google.bytestream.ReadRequest;
import com.google.longrunning.Operation;
import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.UnknownFieldSet;
import io.grpc.Status.Code;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What versions 2.4 to 2.12 of the API added to earlier calls. */
final class NewerRules {
  private static final String PROTO = "remote_execution.proto, ";

  private NewerRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule(
            "A digest function that is named is taken, by every call about blobs",
            PROTO + "FindMissingBlobsRequest.digest_function and those of other requests",
            NewerRules::named),
        new Rule(
            "A digest function that is not offered is refused, not taken for one as long",
            PROTO + "CacheCapabilities.digest_functions; FindMissingBlobsRequest.digest_function",
            NewerRules::notOffered),
        new Rule(
            "A digest function in the name of a blob that is not offered is refused",
            PROTO + "ContentAddressableStorage: {digest_function/} of blobs/",
            NewerRules::notOfferedInName),
        new Rule(
            "Fields that a later version may add are passed over",
            "protobuf: unknown fields; what makes a minor version a minor one",
            NewerRules::unknownFields),
        new Rule(
            "Operations of an action whose digest function was named tell no other",
            PROTO + "ExecuteRequest.digest_function, ExecuteOperationMetadata.digest_function",
            NewerRules::operation),
        new Rule(
            "What is inlined in the response to Execute is what the digest says",
            PROTO + "ExecuteRequest.inline_output_files",
            NewerRules::inlined),
        new Rule(
            "Where an output directory comes in both forms, they agree",
            PROTO + "OutputDirectory.root_directory_digest",
            NewerRules::bothForms),
        new Rule(
            "A Tree that is said to be sorted is: parents first, nothing twice",
            PROTO + "OutputDirectory.is_topologically_sorted",
            NewerRules::sorted));
  }

  private static void named(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh();
    Digest file = digest(bytes);
    int code =
        server
            .cas()
            .batchUpdateBlobs(
                BatchUpdateBlobsRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .setDigestFunction(DigestFunction.Value.SHA256)
                    .addRequests(
                        BatchUpdateBlobsRequest.Request.newBuilder().setDigest(file).setData(bytes))
                    .build())
            .getResponses(0)
            .getStatus()
            .getCode();
    require(code == 0, "an upload's status is " + code);
    require(
        missing(server, file, DigestFunction.Value.SHA256).isEmpty(),
        "what was uploaded is said to be missing");
    BatchReadBlobsResponse.Response read =
        server
            .cas()
            .batchReadBlobs(
                BatchReadBlobsRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .setDigestFunction(DigestFunction.Value.SHA256)
                    .addDigests(file)
                    .build())
            .getResponses(0);
    require(read.getData().equals(bytes), "other bytes came back");
    Directory directory =
        Directory.newBuilder()
            .addDirectories(
                DirectoryNode.newBuilder()
                    .setName("empty")
                    .setDigest(server.upload(Directory.getDefaultInstance())))
            .build();
    int directories =
        server
            .cas()
            .getTree(
                GetTreeRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .setDigestFunction(DigestFunction.Value.SHA256)
                    .setRootDigest(server.upload(directory))
                    .build())
            .next()
            .getDirectoriesCount();
    require(directories > 0, "GetTree gave nothing");
  }

  private static List<Digest> missing(
      Subject server, Digest digest, DigestFunction.Value function) {
    return server
        .cas()
        .findMissingBlobs(
            FindMissingBlobsRequest.newBuilder()
                .setInstanceName(server.instance())
                .setDigestFunction(function)
                .addBlobDigests(digest)
                .build())
        .getMissingBlobDigestsList();
  }

  private static void needsNoBlake3(Subject server) throws NotOfferedException {
    if (server
        .capabilities()
        .getCacheCapabilities()
        .getDigestFunctionsList()
        .contains(DigestFunction.Value.BLAKE3)) {
      throw new NotOfferedException("it knows BLAKE3, by which this is tried");
    }
  }

  private static void notOffered(Subject server) throws Exception {
    needsNoBlake3(server);
    Digest here = server.upload(server.fresh());
    refused(() -> missing(server, here, DigestFunction.Value.BLAKE3), Code.INVALID_ARGUMENT);
  }

  private static void notOfferedInName(Subject server) throws Exception {
    needsNoBlake3(server);
    Digest here = server.upload(server.fresh());
    String name = server.blobName("blobs/blake3/", here);
    refused(
        () -> server.bytes().read(ReadRequest.newBuilder().setResourceName(name).build()).next(),
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND);
  }

  private static void unknownFields(Subject server) throws BrokenRuleException {
    Digest here = server.upload(server.fresh());
    UnknownFieldSet later =
        UnknownFieldSet.newBuilder()
            .addField(1000, UnknownFieldSet.Field.newBuilder().addVarint(1).build())
            .build();
    List<Digest> missing =
        server
            .cas()
            .findMissingBlobs(
                FindMissingBlobsRequest.newBuilder()
                    .setInstanceName(server.instance())
                    .addBlobDigests(here.toBuilder().setUnknownFields(later))
                    .setUnknownFields(later)
                    .build())
            .getMissingBlobDigestsList();
    require(missing.isEmpty(), "it says that these are missing: " + missing);
  }

  private static void operation(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action = actions.make(Actions.shell("true " + actions.unseen()));
    Operation last =
        Actions.last(
            server
                .execution()
                .execute(
                    actions.request(action, false).toBuilder()
                        .setDigestFunction(DigestFunction.Value.SHA256)
                        .build()));
    require(last.getDone(), "the stream ended before the operation");
    DigestFunction.Value said =
        last.getMetadata().unpack(ExecuteOperationMetadata.class).getDigestFunction();
    require(
        said == DigestFunction.Value.SHA256 || said == DigestFunction.Value.UNKNOWN,
        "it tells " + said);
  }

  private static void inlined(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action =
        actions.make(
            Actions.shell("echo in > file; echo out; echo err >&2 " + actions.unseen())
                .addOutputPaths("file"));
    Operation last =
        Actions.last(
            server
                .execution()
                .execute(
                    actions.request(action, false).toBuilder()
                        .setInlineStdout(true)
                        .setInlineStderr(true)
                        .addInlineOutputFiles("file")
                        .build()));
    ActionResult result = last.getResponse().unpack(ExecuteResponse.class).getResult();
    require(result.getOutputFilesCount() == 1, "the file is absent: " + result);
    ByteString contents = result.getOutputFiles(0).getContents();
    require(
        contents.isEmpty() || digest(contents).equals(result.getOutputFiles(0).getDigest()),
        "other contents than the digest's: " + result);
    require(
        actions.printed(result).equals(ByteString.copyFromUtf8("out\n")),
        "stdout is not as printed: " + result);
  }

  /** A directory of three levels, with one directory in it twice. */
  private static OutputDirectory directory(Subject server, OutputDirectoryFormat format)
      throws Exception {
    Actions actions = Actions.thatRun(server);
    String script = "mkdir -p d/a/same d/b/c; echo x > d/a/same/f; cp -r d/a/same d/b/c/other ";
    return actions
        .ran(
            actions.make(
                Actions.shell(script + actions.unseen())
                    .addOutputPaths("d")
                    .setOutputDirectoryFormat(format),
                Actions.NO_INPUTS,
                Action.getDefaultInstance()))
        .getOutputDirectories(0);
  }

  private static void bothForms(Subject server) throws Exception {
    OutputDirectory directory = directory(server, OutputDirectoryFormat.TREE_AND_DIRECTORY);
    if (!directory.hasRootDirectoryDigest() || !directory.hasTreeDigest()) {
      throw new NotOfferedException("it gives one form only");
    }
    Tree tree = Tree.parseFrom(server.read(directory.getTreeDigest()).getData());
    require(
        digest(tree.getRoot().toByteString()).equals(directory.getRootDirectoryDigest()),
        "the root directory is not the Tree's");
  }

  private static void sorted(Subject server) throws Exception {
    OutputDirectory directory = directory(server, OutputDirectoryFormat.TREE_ONLY);
    if (!directory.getIsTopologicallySorted()) {
      throw new NotOfferedException("it does not say so of its trees");
    }
    CodedInputStream records = server.read(directory.getTreeDigest()).getData().newCodedInput();
    Set<Digest> named = new HashSet<>();
    Set<Digest> seen = new HashSet<>();
    for (boolean root = true; !records.isAtEnd(); root = false) {
      int tag = records.readRawByte();
      require(tag == (root ? 0x0a : 0x12), "a record begins with " + tag);
      ByteString record = records.readBytes();
      Digest own = digest(record);
      require(root || named.contains(own), "a directory stands before all that name it");
      require(seen.add(own), "a directory stands there twice");
      Directory parsed = Directory.parseFrom(record);
      parsed.getDirectoriesList().forEach(child -> named.add(child.getDigest()));
    }
    require(seen.size() == 5, "it has " + seen.size() + " directories, not 5");
  }
}

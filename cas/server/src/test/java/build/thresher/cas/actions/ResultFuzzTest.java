package build.thresher.cas.actions;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.OutputDirectory;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.mirror.MemoryBlobStore;
import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.util.List;

/** Results of actions, and the trees that they name, as executors and clients send them. */
class ResultFuzzTest extends HostileBytes {
  private static final Scope SCOPE = Scope.farm("default");

  @Hostile
  void aResultIsRefusedOrAllItNamesIsThere(byte[] bytes) throws IOException {
    ActionResult result;
    try {
      result = ActionResult.parseFrom(bytes);
    } catch (InvalidProtocolBufferException e) {
      return;
    }
    MemoryBlobStore store = new MemoryBlobStore();
    store.putAll(SCOPE, List.of(Blob.of(new byte[0]), Blob.of(new byte[] {'x'})));
    requireAll(store, result);
  }

  @Hostile
  void aTreeIsRefusedOrAllItNamesIsThere(byte[] tree) throws IOException {
    named(tree, OutputDirectory.newBuilder().setTreeDigest(wire(Digest.of(tree))));
  }

  @Hostile
  void aDirectoryIsRefusedOrAllItNamesIsThere(byte[] directory) throws IOException {
    named(
        directory, OutputDirectory.newBuilder().setRootDirectoryDigest(wire(Digest.of(directory))));
  }

  private static void named(byte[] blob, OutputDirectory.Builder by) throws IOException {
    MemoryBlobStore store = new MemoryBlobStore();
    store.putAll(SCOPE, List.of(Blob.of(new byte[0]), Blob.of(new byte[] {'x'}), Blob.of(blob)));
    requireAll(store, ActionResult.newBuilder().addOutputDirectories(by).build());
  }

  private static void requireAll(MemoryBlobStore store, ActionResult result) throws IOException {
    try {
      NamedBlobs.requireAll(store, SCOPE, result);
    } catch (IllegalArgumentException | BlobNotFoundException e) {
      return;
    }
  }

  private static build.bazel.remote.execution.v2.Digest wire(Digest digest) {
    return build.bazel.remote.execution.v2.Digest.newBuilder()
        .setHash(digest.hex())
        .setSizeBytes(digest.sizeBytes())
        .build();
  }
}

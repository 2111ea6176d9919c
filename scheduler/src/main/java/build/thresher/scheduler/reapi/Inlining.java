package build.thresher.scheduler.reapi;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.OutputFile;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.wire.Wire;
import com.google.common.collect.ImmutableSet;
import com.google.protobuf.ByteString;
import java.io.IOException;

/**
 * Puts small outputs into a result that is sent to whoever asked for them, as long as they fit.
 *
 * @param files paths of output files
 */
record Inlining(boolean stdout, boolean stderr, ImmutableSet<String> files) {
  /** All of one result together, far below what a message may hold. */
  private static final long MAX_BYTES = 1L << 20;

  static final Inlining NONE = new Inlining(false, false, ImmutableSet.of());

  static Inlining of(ExecuteRequest request) {
    return new Inlining(
        request.getInlineStdout(),
        request.getInlineStderr(),
        ImmutableSet.copyOf(request.getInlineOutputFilesList()));
  }

  ActionResult into(ActionResult result, BlobStore blobs, Scope scope) throws IOException {
    ActionResult.Builder full = result.toBuilder();
    long room = MAX_BYTES;
    if (stdout && result.hasStdoutDigest() && result.getStdoutRaw().isEmpty()) {
      Digest digest = Wire.digest(result.getStdoutDigest());
      if (digest.sizeBytes() <= room) {
        full.setStdoutRaw(ByteString.copyFrom(blobs.readAll(scope, digest)));
        room -= digest.sizeBytes();
      }
    }
    if (stderr && result.hasStderrDigest() && result.getStderrRaw().isEmpty()) {
      Digest digest = Wire.digest(result.getStderrDigest());
      if (digest.sizeBytes() <= room) {
        full.setStderrRaw(ByteString.copyFrom(blobs.readAll(scope, digest)));
        room -= digest.sizeBytes();
      }
    }
    for (OutputFile.Builder file : full.getOutputFilesBuilderList()) {
      Digest digest = Wire.digest(file.getDigest());
      if (files.contains(file.getPath()) && digest.sizeBytes() <= room) {
        file.setContents(ByteString.copyFrom(blobs.readAll(scope, digest)));
        room -= digest.sizeBytes();
      }
    }
    return full.build();
  }
}

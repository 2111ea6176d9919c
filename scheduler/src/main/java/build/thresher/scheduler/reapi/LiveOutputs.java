package build.thresher.scheduler.reapi;

import build.bazel.remote.execution.v2.ActionResult;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.LiveStreams;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.logs.LogStore;
import build.thresher.scheduler.logs.LogStream;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.History;
import build.thresher.scheduler.shell.UnavailableException;
import build.thresher.scheduler.wire.Wire;
import com.google.protobuf.ByteString;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What actions print, under the names that their operations' metadata gives: {@code
 * <instance>/operations/<id>/streams/stdout}, and {@code stderr}. While the action runs it is read
 * from the live log; once it has ended, from its result, which has the same bytes and all of them.
 * Found as long as the execution is in the history.
 */
public final class LiveOutputs implements LiveStreams {
  private static final String STDOUT = "/streams/stdout";
  private static final String STDERR = "/streams/stderr";

  private final CoreLoop core;
  private final History history;
  private final BlobStore blobs;
  private final LogStore logs;

  public LiveOutputs(CoreLoop core, History history, BlobStore blobs, LogStore logs) {
    this.core = core;
    this.history = history;
    this.blobs = blobs;
    this.logs = logs;
  }

  /** Name of a stream of an execution. */
  static String name(String execution, LogStream stream) {
    return switch (stream) {
      case STDOUT -> execution + STDOUT;
      case STDERR -> execution + STDERR;
      case BUILD -> throw new IllegalArgumentException("an action has no build log");
    };
  }

  /** One of the two streams of an execution. */
  private record Named(String execution, LogStream stream) {
    static Optional<Named> parse(String resource) {
      if (!resource.contains("/operations/")) {
        return Optional.empty();
      }
      if (resource.endsWith(STDOUT)) {
        return Optional.of(new Named(cut(resource, STDOUT), LogStream.STDOUT));
      }
      return resource.endsWith(STDERR)
          ? Optional.of(new Named(cut(resource, STDERR), LogStream.STDERR))
          : Optional.empty();
    }

    private static String cut(String resource, String end) {
      return resource.substring(0, resource.length() - end.length());
    }
  }

  @Override
  public boolean isName(String resource) {
    return Named.parse(resource).isPresent();
  }

  @Override
  public Optional<Chunk> read(String resource, long offset, int maxBytes, Duration patience)
      throws IOException, InterruptedException {
    Named named = Named.parse(resource).orElse(null);
    if (named == null) {
      return Optional.empty();
    }
    if (isRunning(named.execution())) {
      byte[] bytes = logs.read(named.execution(), named.stream(), offset, maxBytes);
      if (bytes.length == 0) {
        logs.await(named.execution(), named.stream(), offset, patience);
      }
      return Optional.of(new Chunk(bytes, false));
    }
    Optional<Change.ExecutionEnded> ended = history.execution(named.execution());
    return ended.isEmpty()
        ? Optional.empty()
        : Optional.of(afterTheEnd(ended.get(), named.stream(), offset, maxBytes));
  }

  private boolean isRunning(String execution) throws IOException, InterruptedException {
    try {
      return core.ask(view -> view.isRunning(execution));
    } catch (UnavailableException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private Chunk afterTheEnd(
      Change.ExecutionEnded ended, LogStream stream, long offset, int maxBytes) throws IOException {
    Printed printed =
        ended.ending().outputs() instanceof ActionOutputs outputs
            ? Printed.of(ActionResult.parseFrom(outputs.actionResult()), stream)
            : null;
    if (printed == null) { // it was cut off: what was seen until then is all there is
      byte[] bytes = logs.read(ended.execution().fence().execution(), stream, offset, maxBytes);
      return new Chunk(bytes, bytes.length < maxBytes);
    }
    if (offset > printed.size()) {
      throw new IllegalArgumentException(
          "the stream has " + printed.size() + " bytes, and " + offset + " is beyond them");
    }
    int length = (int) Math.min(maxBytes, printed.size() - offset);
    Scope scope = Scope.farm(ended.key().instance());
    return new Chunk(printed.read(blobs, scope, offset, length), offset + length == printed.size());
  }

  /** All that an action printed, in its result or as a blob. */
  private record Printed(ByteString raw, @Nullable Digest blob) {
    static Printed of(ActionResult result, LogStream stream) {
      boolean out = stream == LogStream.STDOUT;
      ByteString raw = out ? result.getStdoutRaw() : result.getStderrRaw();
      boolean isBlob = out ? result.hasStdoutDigest() : result.hasStderrDigest();
      return new Printed(
          raw,
          isBlob && raw.isEmpty()
              ? Wire.digest(out ? result.getStdoutDigest() : result.getStderrDigest())
              : null);
    }

    long size() {
      return blob == null ? raw.size() : blob.sizeBytes();
    }

    byte[] read(BlobStore blobs, Scope scope, long offset, int length) throws IOException {
      if (blob == null) {
        return raw.substring((int) offset, (int) offset + length).toByteArray();
      }
      try (InputStream in = blobs.read(scope, blob, offset, length)) {
        return in.readNBytes(length);
      }
    }
  }
}

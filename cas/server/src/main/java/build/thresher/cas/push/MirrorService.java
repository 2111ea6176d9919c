package build.thresher.cas.push;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.mirror.BadSignatureException;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.PushedSpecs.Taken;
import build.thresher.v1.LegacySpec;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PushOutcome;
import build.thresher.v1.PushSpecRequest;
import build.thresher.v1.PushSpecResponse;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code thresher.v1.Mirror} over {@link PushedSpecs}.
 *
 * <p>Its methods block: the server's executor must give each call a (virtual) thread.
 */
public final class MirrorService extends MirrorGrpc.MirrorImplBase {
  private static final Logger log = LoggerFactory.getLogger(MirrorService.class);
  private static final int MAX_SOURCE_LENGTH = 1000;

  private final PushedSpecs pushed;

  public MirrorService(PushedSpecs pushed) {
    this.pushed = pushed;
  }

  @Override
  public void pushSpec(PushSpecRequest request, StreamObserver<PushSpecResponse> observer) {
    try {
      Taken taken = take(request);
      PushSpecResponse response =
          PushSpecResponse.newBuilder()
              .setOutcome(wire(taken.outcome()))
              .setHash(taken.served().hash().text())
              .setArchive(wire(taken.served().archive()))
              .build();
      observer.onNext(response);
      observer.onCompleted();
    } catch (ArchiveRefusedException | IllegalArgumentException e) {
      fail(observer, Status.INVALID_ARGUMENT, e);
    } catch (BadSignatureException e) {
      fail(observer, Status.PERMISSION_DENIED, e);
    } catch (BlobNotFoundException e) {
      fail(observer, Status.FAILED_PRECONDITION, e);
    } catch (IOException e) {
      log.warn("push failed instance={}", request.getInstanceName(), e);
      fail(observer, Status.UNAVAILABLE, e);
    }
  }

  private Taken take(PushSpecRequest request)
      throws ArchiveRefusedException, BadSignatureException, IOException {
    String instance = request.getInstanceName();
    String source = request.getSource();
    if (source.length() > MAX_SOURCE_LENGTH) {
      throw new IllegalArgumentException(
          "the source has " + source.length() + " characters; at most " + MAX_SOURCE_LENGTH);
    }
    return switch (request.getDescriptionCase()) {
      case MANIFEST -> pushed.take(instance, request.getManifest(), source);
      case LEGACY_SPEC -> {
        LegacySpec legacy = request.getLegacySpec();
        Digest archive =
            Digest.parse(legacy.getArchive().getHash(), legacy.getArchive().getSizeBytes());
        yield pushed.takeLegacy(instance, legacy.getSpecFile(), archive, source);
      }
      case DESCRIPTION_NOT_SET ->
          throw new IllegalArgumentException("neither a manifest nor a spec file is given");
    };
  }

  private static PushOutcome wire(PushedSpecs.Outcome outcome) {
    return switch (outcome) {
      case PUBLISHED -> PushOutcome.PUSH_PUBLISHED;
      case IDENTICAL -> PushOutcome.PUSH_IDENTICAL;
      case DIFFERENT -> PushOutcome.PUSH_DIFFERENT;
    };
  }

  private static build.bazel.remote.execution.v2.Digest wire(Digest digest) {
    return build.bazel.remote.execution.v2.Digest.newBuilder()
        .setHash(digest.hex())
        .setSizeBytes(digest.sizeBytes())
        .build();
  }

  private static void fail(StreamObserver<?> observer, Status status, Exception e) {
    observer.onError(status.withDescription(e.getMessage()).asRuntimeException());
  }
}

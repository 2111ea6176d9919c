package build.thresher.cas.push;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.mirror.BadSignatureException;
import build.thresher.cas.mirror.KeyRotation;
import build.thresher.cas.mirror.Pins;
import build.thresher.cas.mirror.Promotion;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.Retention;
import build.thresher.cas.mirror.Views;
import build.thresher.v1.KeyState;
import build.thresher.v1.ListKeysRequest;
import build.thresher.v1.ListKeysResponse;
import build.thresher.v1.ListPinsRequest;
import build.thresher.v1.ListPinsResponse;
import build.thresher.v1.ListPrunedRequest;
import build.thresher.v1.ListViewsRequest;
import build.thresher.v1.ListViewsResponse;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PinStatus;
import build.thresher.v1.PromoteRequest;
import build.thresher.v1.PromotedSpec;
import build.thresher.v1.PruneRequest;
import build.thresher.v1.PruneUpdate;
import build.thresher.v1.PrunedSpec;
import build.thresher.v1.PushOutcome;
import build.thresher.v1.PushSpecsRequest;
import build.thresher.v1.PushSpecsResponse;
import build.thresher.v1.RemovePinRequest;
import build.thresher.v1.RemovePinResponse;
import build.thresher.v1.RemoveViewRequest;
import build.thresher.v1.RemoveViewResponse;
import build.thresher.v1.RestoreRequest;
import build.thresher.v1.RestoreResponse;
import build.thresher.v1.RotateKeyRequest;
import build.thresher.v1.SetPinRequest;
import build.thresher.v1.SetViewRequest;
import build.thresher.v1.SigningKey;
import build.thresher.v1.ViewStatus;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.InstantSource;
import java.util.NoSuchElementException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code thresher.v1.Mirror} over {@link PushedSpecs} and {@link Retention}.
 *
 * <p>Its methods block: the server's executor must give each call a (virtual) thread.
 */
public final class MirrorService extends MirrorGrpc.MirrorImplBase {
  private static final Logger log = LoggerFactory.getLogger(MirrorService.class);

  private final PushCalls pushes;
  private final RetentionCalls kept;
  private final ViewCalls shown;
  private final KeyRotation keys;

  public MirrorService(
      PushedSpecs pushed,
      Retention retention,
      Pins pins,
      Views views,
      Promotion promotion,
      KeyRotation keys,
      InstantSource clock) {
    this.keys = keys;
    this.shown = new ViewCalls(views, promotion);
    this.pushes = new PushCalls(pushed);
    this.kept = new RetentionCalls(retention, pins, clock);
  }

  @Override
  public void pushSpecs(PushSpecsRequest request, StreamObserver<PushSpecsResponse> observer) {
    answer(
        "push", request.getInstanceName(), observer, () -> observer.onNext(pushes.take(request)));
  }

  @Override
  public void prune(PruneRequest request, StreamObserver<PruneUpdate> observer) {
    answer(
        "prune", request.getInstanceName(), observer, () -> kept.prune(request, observer::onNext));
  }

  @Override
  public void listPruned(ListPrunedRequest request, StreamObserver<PrunedSpec> observer) {
    String instance = request.getInstanceName();
    answer("list", instance, observer, () -> kept.listPruned(instance, observer::onNext));
  }

  @Override
  public void restore(RestoreRequest request, StreamObserver<RestoreResponse> observer) {
    answer(
        "restore",
        request.getInstanceName(),
        observer,
        () -> observer.onNext(kept.restore(request)));
  }

  @Override
  public void setPin(SetPinRequest request, StreamObserver<PinStatus> observer) {
    answer("pin", request.getInstanceName(), observer, () -> observer.onNext(kept.setPin(request)));
  }

  @Override
  public void removePin(RemovePinRequest request, StreamObserver<RemovePinResponse> observer) {
    answer(
        "unpin",
        request.getInstanceName(),
        observer,
        () -> {
          kept.removePin(request.getInstanceName(), request.getName());
          observer.onNext(RemovePinResponse.getDefaultInstance());
        });
  }

  @Override
  public void listPins(ListPinsRequest request, StreamObserver<ListPinsResponse> observer) {
    String instance = request.getInstanceName();
    answer("list", instance, observer, () -> observer.onNext(kept.listPins(instance)));
  }

  @Override
  public void setView(SetViewRequest request, StreamObserver<ViewStatus> observer) {
    answer(
        "view", request.getInstanceName(), observer, () -> observer.onNext(shown.setView(request)));
  }

  @Override
  public void removeView(RemoveViewRequest request, StreamObserver<RemoveViewResponse> observer) {
    answer(
        "view",
        request.getInstanceName(),
        observer,
        () -> {
          shown.removeView(request.getInstanceName(), request.getName());
          observer.onNext(RemoveViewResponse.getDefaultInstance());
        });
  }

  @Override
  public void listViews(ListViewsRequest request, StreamObserver<ListViewsResponse> observer) {
    String instance = request.getInstanceName();
    answer("list", instance, observer, () -> observer.onNext(shown.listViews(instance)));
  }

  @Override
  public void promote(PromoteRequest request, StreamObserver<PromotedSpec> observer) {
    answer(
        "promote",
        request.getFromInstance(),
        observer,
        () -> shown.promote(request, observer::onNext));
  }

  @Override
  public void listKeys(ListKeysRequest request, StreamObserver<ListKeysResponse> observer) {
    String instance = request.getInstanceName();
    answer("list", instance, observer, () -> observer.onNext(wire(keys.status(instance))));
  }

  @Override
  public void rotateKey(RotateKeyRequest request, StreamObserver<ListKeysResponse> observer) {
    String instance = request.getInstanceName();
    answer(
        "rotate",
        instance,
        observer,
        () ->
            observer.onNext(
                wire(request.getAnnounceOnly() ? keys.announce(instance) : keys.rotate(instance))));
  }

  private static ListKeysResponse wire(KeyRotation.Status status) {
    ListKeysResponse.Builder response =
        ListKeysResponse.newBuilder().setSignedAnew(status.signedAnew()).setToSign(status.toSign());
    for (KeyRotation.Key key : status.keys()) {
      response.addKeys(
          SigningKey.newBuilder()
              .setFingerprint(key.fingerprint())
              .setType(key.type().word())
              .setState(wire(key.state())));
    }
    return response.build();
  }

  private static KeyState wire(KeyRotation.State state) {
    return switch (state) {
      case SIGNS -> KeyState.KEY_SIGNS;
      case ANNOUNCED -> KeyState.KEY_ANNOUNCED;
      case LEAVES -> KeyState.KEY_LEAVES;
    };
  }

  interface Work {
    void run() throws ArchiveRefusedException, BadSignatureException, IOException;
  }

  private static void answer(String what, String instance, StreamObserver<?> observer, Work work) {
    Status status = statusOf(what, instance, work);
    if (status.isOk()) {
      observer.onCompleted();
    } else {
      observer.onError(status.asRuntimeException());
    }
  }

  /** How the work ended, in the words of the contract. */
  static Status statusOf(String what, String instance, Work work) {
    try {
      work.run();
      return Status.OK;
    } catch (NoSuchElementException e) {
      return Status.NOT_FOUND.withDescription(e.getMessage());
    } catch (ArchiveRefusedException | IllegalArgumentException e) {
      return Status.INVALID_ARGUMENT.withDescription(e.getMessage());
    } catch (BadSignatureException e) {
      return Status.PERMISSION_DENIED.withDescription(e.getMessage());
    } catch (BlobNotFoundException e) {
      return Status.FAILED_PRECONDITION.withDescription(e.getMessage());
    } catch (IOException e) {
      log.warn("{} failed instance={}", what, instance, e);
      return Status.UNAVAILABLE.withDescription(e.getMessage());
    }
  }

  static PushOutcome wire(PushedSpecs.Outcome outcome) {
    return switch (outcome) {
      case PUBLISHED -> PushOutcome.PUSH_PUBLISHED;
      case IDENTICAL -> PushOutcome.PUSH_IDENTICAL;
      case DIFFERENT -> PushOutcome.PUSH_DIFFERENT;
    };
  }
}

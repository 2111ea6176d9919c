package build.thresher.cas.sources;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.AddSourcesRequest;
import build.thresher.v1.AddSourcesResponse;
import build.thresher.v1.AddedSource;
import build.thresher.v1.ListSourcesRequest;
import build.thresher.v1.ListSourcesResponse;
import build.thresher.v1.NamedSource;
import build.thresher.v1.RemoveSourcesRequest;
import build.thresher.v1.RemoveSourcesResponse;
import build.thresher.v1.SourceOutcome;
import build.thresher.v1.SourcesGrpc;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code thresher.v1.Sources} over {@link SourceMirror}.
 *
 * <p>Its methods block: the server's executor must give each call a (virtual) thread.
 */
public final class SourcesService extends SourcesGrpc.SourcesImplBase {
  private static final Logger LOG = LoggerFactory.getLogger(SourcesService.class);
  private static final int MOST = 1000;
  private static final int MOST_NAMES = 20;

  private final SourceMirror mirror;
  private final UnaryOperator<String> instances;

  /**
   * @param instances gives the one name of an instance, or throws IllegalArgumentException
   */
  public SourcesService(SourceMirror mirror, UnaryOperator<String> instances) {
    this.mirror = mirror;
    this.instances = instances;
  }

  private interface Call {
    void run() throws IOException;
  }

  private static void answer(StreamObserver<?> observer, Call call) {
    try {
      call.run();
      observer.onCompleted();
    } catch (IllegalArgumentException e) {
      observer.onError(
          Status.INVALID_ARGUMENT.withDescription(e.getMessage()).asRuntimeException());
    } catch (StoreUnavailableException e) {
      observer.onError(Status.UNAVAILABLE.withDescription(e.getMessage()).asRuntimeException());
    } catch (IOException | RuntimeException e) {
      LOG.error("the source mirror failed", e);
      observer.onError(
          Status.INTERNAL
              .withDescription("the server failed; its log says why")
              .asRuntimeException());
    }
  }

  private Scope scope(String instance) {
    return new Scope(instances.apply(instance), "sources");
  }

  @Override
  public void addSources(AddSourcesRequest request, StreamObserver<AddSourcesResponse> observer) {
    answer(
        observer,
        () -> {
          Scope scope = scope(request.getInstanceName());
          atMost(request.getSourcesCount());
          AddSourcesResponse.Builder response = AddSourcesResponse.newBuilder();
          for (NamedSource source : request.getSourcesList()) {
            response.addSources(add(scope, source));
          }
          observer.onNext(response.build());
        });
  }

  private AddedSource add(Scope scope, NamedSource source) throws IOException {
    AddedSource.Builder answer = AddedSource.newBuilder();
    if (source.getNamesCount() > MOST_NAMES) {
      return answer
          .setOutcome(SourceOutcome.SOURCE_REFUSED)
          .setReason("more than " + MOST_NAMES + " names")
          .build();
    }
    Digest digest;
    try {
      digest = WireDigests.fromWire(source.getDigest());
    } catch (IllegalArgumentException e) {
      return answer
          .setOutcome(SourceOutcome.SOURCE_REFUSED)
          .setReason(String.valueOf(e.getMessage()))
          .build();
    }
    SourceMirror.Added added =
        mirror.add(scope, digest, source.getMirrorPath(), source.getNamesList());
    if (added.outcome() == SourceMirror.Outcome.ADDED) {
      LOG.info("source {} added as {} in {}", digest, source.getMirrorPath(), scope.instance());
    }
    return answer
        .setOutcome(
            switch (added.outcome()) {
              case ADDED -> SourceOutcome.SOURCE_ADDED;
              case IDENTICAL -> SourceOutcome.SOURCE_IDENTICAL;
              case DIFFERENT -> SourceOutcome.SOURCE_DIFFERENT;
              case REFUSED -> SourceOutcome.SOURCE_REFUSED;
            })
        .setReason(added.reason())
        .build();
  }

  @Override
  public void listSources(
      ListSourcesRequest request, StreamObserver<ListSourcesResponse> observer) {
    answer(
        observer,
        () ->
            mirror.list(
                scope(request.getInstanceName()),
                page -> {
                  ListSourcesResponse.Builder response = ListSourcesResponse.newBuilder();
                  for (SourceMirror.Source source : page) {
                    response.addSources(
                        NamedSource.newBuilder()
                            .setDigest(WireDigests.toWire(source.digest()))
                            .setMirrorPath(source.path())
                            .addAllNames(source.names())
                            .setAdded(source.added()));
                  }
                  observer.onNext(response.build());
                }));
  }

  @Override
  public void removeSources(
      RemoveSourcesRequest request, StreamObserver<RemoveSourcesResponse> observer) {
    answer(
        observer,
        () -> {
          Scope scope = scope(request.getInstanceName());
          atMost(request.getPathsCount());
          RemoveSourcesResponse.Builder response = RemoveSourcesResponse.newBuilder();
          for (String path : request.getPathsList()) {
            if (mirror.remove(scope, path)) {
              LOG.info("source {} removed from {}", path, scope.instance());
              response.addRemoved(path);
            }
          }
          observer.onNext(response.build());
        });
  }

  private static void atMost(int count) {
    if (count > MOST) {
      throw new IllegalArgumentException("more than " + MOST + " sources in one call");
    }
  }
}

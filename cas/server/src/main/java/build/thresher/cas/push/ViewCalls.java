package build.thresher.cas.push;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.mirror.Promotion;
import build.thresher.cas.mirror.View;
import build.thresher.cas.mirror.Views;
import build.thresher.v1.ListViewsResponse;
import build.thresher.v1.PromoteRequest;
import build.thresher.v1.PromotedSpec;
import build.thresher.v1.SetViewRequest;
import build.thresher.v1.ViewStatus;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.util.function.Consumer;

/** What is shown of a mirror and where, in the words of the contract. */
final class ViewCalls {
  private final Views views;
  private final Promotion promotion;

  ViewCalls(Views views, Promotion promotion) {
    this.views = views;
    this.promotion = promotion;
  }

  ViewStatus setView(SetViewRequest request) throws IOException {
    View view =
        new View(
            request.getName(),
            request.getHashesList().stream()
                .map(DagHash::new)
                .collect(ImmutableSet.toImmutableSet()),
            ImmutableSet.copyOf(request.getPackagesList()),
            ImmutableSet.copyOf(request.getTargetsList()),
            ImmutableSet.copyOf(request.getClientsList()),
            request.getDescription());
    views.set(request.getInstanceName(), view);
    return wire(request.getInstanceName(), view);
  }

  void removeView(String instance, String name) throws IOException {
    views.remove(instance, name);
  }

  ListViewsResponse listViews(String instance) throws IOException {
    ListViewsResponse.Builder all = ListViewsResponse.newBuilder();
    for (View view : views.of(instance)) {
      all.addViews(wire(instance, view));
    }
    return all.build();
  }

  private ViewStatus wire(String instance, View view) throws IOException {
    return ViewStatus.newBuilder()
        .setName(view.name())
        .setDescription(view.description())
        .setHashes(view.hashes().size())
        .addAllPackages(view.packages())
        .addAllTargets(view.targets())
        .addAllClients(view.clients())
        .setSpecs(views.size(instance, view))
        .build();
  }

  void promote(PromoteRequest request, Consumer<PromotedSpec> out)
      throws ArchiveRefusedException, IOException {
    promotion.promote(
        request.getFromInstance(),
        request.getToInstance(),
        request.getSpecsList(),
        request.getWithBuildDependencies(),
        promoted ->
            out.accept(
                PromotedSpec.newBuilder()
                    .setHash(promoted.served().hash().text())
                    .setName(promoted.served().name())
                    .setVersion(promoted.served().version())
                    .setBytes(
                        promoted.served().archive().sizeBytes()
                            + promoted.served().spec().sizeBytes())
                    .setOutcome(MirrorService.wire(promoted.outcome()))
                    .build()));
  }
}

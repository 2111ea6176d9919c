package build.thresher.cas.push;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.PushedSpecs.Description;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.PushedSpecs.Result;
import build.thresher.cas.mirror.PushedSpecs.SpecFile;
import build.thresher.cas.mirror.PushedSpecs.Taken;
import build.thresher.v1.LegacySpec;
import build.thresher.v1.PushSpecRequest;
import build.thresher.v1.PushSpecResponse;
import build.thresher.v1.PushSpecsRequest;
import build.thresher.v1.PushSpecsResponse;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The push of {@code thresher.v1.Mirror} in its wire form. Threading: any thread; it blocks. */
final class PushCalls {
  private static final int MAX_SOURCE_LENGTH = 1000;
  private static final int MAX_SPECS = 256;

  private final PushedSpecs pushed;

  PushCalls(PushedSpecs pushed) {
    this.pushed = pushed;
  }

  PushSpecsResponse take(PushSpecsRequest request) throws ArchiveRefusedException, IOException {
    String source = request.getSource();
    if (source.length() > MAX_SOURCE_LENGTH) {
      throw new IllegalArgumentException(
          "the source has " + source.length() + " characters; at most " + MAX_SOURCE_LENGTH);
    }
    if (request.getSpecsCount() > MAX_SPECS) {
      throw new IllegalArgumentException(
          request.getSpecsCount() + " specs in one request; at most " + MAX_SPECS);
    }
    List<Description> descriptions = new ArrayList<>();
    for (PushSpecRequest spec : request.getSpecsList()) {
      descriptions.add(description(spec));
    }
    String instance = request.getInstanceName();
    PushSpecsResponse.Builder response = PushSpecsResponse.newBuilder();
    for (Result result : pushed.takeAll(instance, descriptions, source)) {
      PushSpecResponse.Builder one = response.addResultsBuilder();
      Status status = MirrorService.statusOf("push", instance, () -> fill(one, result.get()));
      one.setStatus(StatusProto.fromStatusAndTrailers(status, null));
    }
    return response.build();
  }

  private static Description description(PushSpecRequest spec) {
    return switch (spec.getDescriptionCase()) {
      case MANIFEST -> new ManifestText(spec.getManifest());
      case LEGACY_SPEC -> {
        LegacySpec legacy = spec.getLegacySpec();
        yield new SpecFile(
            legacy.getSpecFile(),
            Digest.parse(legacy.getArchive().getHash(), legacy.getArchive().getSizeBytes()));
      }
      case DESCRIPTION_NOT_SET ->
          throw new IllegalArgumentException("neither a manifest nor a spec file is given");
    };
  }

  private static void fill(PushSpecResponse.Builder result, Taken taken) {
    result
        .setOutcome(MirrorService.wire(taken.outcome()))
        .setHash(taken.served().hash().text())
        .setArchive(WireDigests.toWire(taken.served().archive()));
  }
}

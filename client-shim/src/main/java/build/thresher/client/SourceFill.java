package build.thresher.client;

import build.bazel.remote.asset.v1.FetchBlobRequest;
import build.bazel.remote.asset.v1.FetchBlobResponse;
import build.bazel.remote.asset.v1.FetchGrpc;
import build.bazel.remote.execution.v2.Digest;
import build.thresher.cas.client.Parallel;
import build.thresher.cas.client.SourceQuestion;
import build.thresher.client.sources.LocalSource;
import build.thresher.client.sources.SourceUpload;
import build.thresher.v1.AddSourcesRequest;
import build.thresher.v1.AddedSource;
import build.thresher.v1.NamedSource;
import build.thresher.v1.SourceOutcome;
import build.thresher.v1.SourcesGrpc;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Brings all that Spack would fetch for a DAG into an instance's source mirror, to stay there: what
 * lies on this machine is uploaded, the rest the farm fetches, several at a time. What the mirror
 * has is left alone. One source that fails keeps none of the others out.
 */
final class SourceFill {
  /** Servers of archives are many, and slow. */
  private static final int AT_ONCE = 8;

  private static final long LIMIT_MINUTES = 31;

  /** Of the farm or of who asks it, not of one source. */
  private static final Set<Status.Code> OF_ALL =
      Set.of(Status.Code.UNAVAILABLE, Status.Code.UNAUTHENTICATED, Status.Code.CANCELLED);

  private final String instance;
  private final SourcesGrpc.SourcesBlockingStub sources;
  private final FetchGrpc.FetchBlockingStub fetch;
  private final SourceUpload upload;
  private final Map<String, NamedSource> there = new HashMap<>();

  /**
   * @param there what the mirror has
   */
  SourceFill(Channel channel, String instance, List<NamedSource> there, SourceUpload upload) {
    this.instance = instance;
    this.sources = SourcesGrpc.newBlockingStub(channel);
    this.fetch = FetchGrpc.newBlockingStub(channel);
    this.upload = upload;
    there.forEach(source -> this.there.put(source.getMirrorPath(), source));
  }

  /** Hears of each source as it is done, in one thread. */
  interface Listener {
    void done(String title, SourceOutcome outcome, String reason, long sizeBytes);
  }

  /** Each source once, however many nodes want it. */
  static List<Plan.Source> distinct(List<Plan.Node> nodes) {
    Map<String, Plan.Source> distinct = new LinkedHashMap<>();
    for (Plan.Node node : nodes) {
      for (Plan.Source source : node.sources()) {
        distinct.putIfAbsent(source.mirrorPath() + " " + source.unsupported(), source);
      }
    }
    return List.copyOf(distinct.values());
  }

  /** What people see of it. */
  static String title(Plan.Source source) {
    return source.name() != null ? source.name() : String.valueOf(source.mirrorPath());
  }

  /** Whether the mirror has it under this name, and keeps it. */
  boolean isThere(Plan.Source source) {
    NamedSource has = there.get(String.valueOf(source.mirrorPath()));
    return has != null && has.getAdded() && has.getNamesList().containsAll(names(source));
  }

  /**
   * @return bytes that were uploaded
   */
  long run(List<Plan.Source> wanted, Listener listener) throws IOException {
    List<Plan.Source> toFetch = new ArrayList<>();
    List<LocalSource> toUpload = new ArrayList<>();
    for (Plan.Source source : wanted) {
      NamedSource has = there.get(String.valueOf(source.mirrorPath()));
      if (has != null && isThere(source)) {
        listener.done(
            title(source), SourceOutcome.SOURCE_IDENTICAL, "", has.getDigest().getSizeBytes());
      } else if (has == null && source.unsupported() != null) {
        listener.done(title(source), SourceOutcome.SOURCE_REFUSED, source.unsupported(), 0);
      } else if (has == null && source.file() != null && source.mirrorPath() != null) {
        toUpload.add(new LocalSource(Path.of(source.file()), source.mirrorPath(), names(source)));
      } else {
        toFetch.add(source);
      }
    }
    long sent =
        upload.run(
            toUpload,
            (source, added, size) ->
                listener.done(source.title(), added.getOutcome(), added.getReason(), size));
    List<Parallel.Work<Done>> fetches = new ArrayList<>();
    toFetch.forEach(source -> fetches.add(() -> fetched(source)));
    Parallel.run(
        AT_ONCE,
        fetches,
        done ->
            listener.done(title(done.source()), done.outcome(), done.reason(), done.sizeBytes()));
    return sent;
  }

  private record Done(Plan.Source source, SourceOutcome outcome, String reason, long sizeBytes) {}

  private Done fetched(Plan.Source source) {
    try {
      NamedSource has = there.get(String.valueOf(source.mirrorPath()));
      return has != null ? keep(source, has.getDigest()) : fetchAndKeep(source);
    } catch (StatusRuntimeException e) {
      if (OF_ALL.contains(e.getStatus().getCode())) {
        throw e;
      }
      return refused(source, String.valueOf(e.getStatus().getDescription()));
    }
  }

  private static Done refused(Plan.Source source, String why) {
    return new Done(source, SourceOutcome.SOURCE_REFUSED, why, 0);
  }

  private Done fetchAndKeep(Plan.Source source) {
    FetchBlobResponse response =
        fetch.withDeadlineAfter(LIMIT_MINUTES, TimeUnit.MINUTES).fetchBlob(question(source));
    return response.getStatus().getCode() == 0
        ? keep(source, response.getBlobDigest())
        : refused(source, response.getStatus().getMessage());
  }

  private FetchBlobRequest question(Plan.Source source) {
    Plan.Git git = source.git();
    List<String> urls = git != null ? List.of(git.url()) : source.urls();
    SourceQuestion question =
        new SourceQuestion(
            instance,
            urls == null ? List.of() : urls,
            String.valueOf(source.mirrorPath()),
            source.name() == null ? "" : source.name());
    return git == null
        ? question.archive(String.valueOf(source.sha256()))
        : question.commit(
            git.commit(),
            git.ref(),
            git.allSubmodules() ? List.of("*") : git.submodules(),
            git.removedSubmodules(),
            git.sparsePaths(),
            git.fullHistory());
  }

  /** What was only fetched goes when the store needs room; what was asked for here stays. */
  private Done keep(Plan.Source source, Digest digest) {
    AddedSource added =
        sources
            .addSources(
                AddSourcesRequest.newBuilder()
                    .setInstanceName(instance)
                    .addSources(
                        NamedSource.newBuilder()
                            .setDigest(digest)
                            .setMirrorPath(String.valueOf(source.mirrorPath()))
                            .addAllNames(names(source)))
                    .build())
            .getSources(0);
    return new Done(source, added.getOutcome(), added.getReason(), digest.getSizeBytes());
  }

  private static List<String> names(Plan.Source source) {
    return source.name() == null ? List.of() : List.of(source.name());
  }
}

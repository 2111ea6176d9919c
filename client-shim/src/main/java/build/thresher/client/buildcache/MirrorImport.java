package build.thresher.client.buildcache;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.Parallel;
import build.thresher.client.buildcache.BlobUploads.Uploaded;
import build.thresher.client.buildcache.Mirror.Spec;
import build.thresher.client.buildcache.SpecReader.Described;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PushSpecResponse;
import build.thresher.v1.PushSpecsRequest;
import build.thresher.v1.PushSpecsResponse;
import com.google.common.collect.Lists;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Takes the specs of another mirror into an instance of the farm: uploads the blobs that the farm
 * lacks, then hands over what the other mirror says of the spec. Nothing of the other mirror is
 * changed. What was interrupted is begun again and goes on where it was, because the farm knows
 * what it has.
 *
 * <p>A spec that fails does not keep the others from being taken.
 */
public final class MirrorImport {
  /** So many become visible together. */
  private static final int SPECS_A_CALL = 32;

  /** Descriptions are small, but for those with thousands of nodes; servers take 16 MiB. */
  private static final int BYTES_A_CALL = 8 << 20;

  /** The farm checks some while others are read and uploaded. */
  private static final int CALLS_AT_ONCE = 3;

  private final Mirror mirror;
  private final SpecReader reader;
  private final BlobUploads uploads;
  private final MirrorGrpc.MirrorBlockingStub farm;
  private final String instance;

  /**
   * @param instance of the farm; one that takes what others built
   * @param signatures whether they are handed over; without them the instance has to take unsigned
   *     specs
   */
  public MirrorImport(
      Mirror mirror,
      BlobStore store,
      MirrorGrpc.MirrorBlockingStub farm,
      String instance,
      boolean signatures) {
    this.mirror = mirror;
    this.reader = new SpecReader(mirror, signatures);
    this.uploads = new BlobUploads(mirror, store, new Scope(instance, "import"));
    this.farm = farm;
    this.instance = instance;
  }

  /** What became of a spec. */
  public enum Fate {
    TAKEN,
    ALREADY_THERE,
    /** The farm has another archive for this hash, which stays. */
    DIFFERENT,
    FAILED
  }

  /**
   * @param bytes uploaded for it
   * @param reason why it failed; "" otherwise
   */
  public record Result(Spec spec, Fate fate, long bytes, String reason) {}

  /** Hears of each spec as it is done, one at a time. */
  public interface Listener {
    void done(Result result);
  }

  /**
   * Takes these specs; returns when every one has its result.
   *
   * @param jobs files of the mirror that are read at a time
   * @throws StatusRuntimeException when the farm cannot be reached or refuses the caller
   */
  public void run(List<Spec> specs, int jobs, Listener listener) throws IOException {
    int calls = Math.min(CALLS_AT_ONCE, jobs);
    List<Parallel.Work<List<Result>>> all = new ArrayList<>();
    for (List<Spec> some : Lists.partition(specs, SPECS_A_CALL)) {
      all.add(() -> take(some, jobs / calls));
    }
    Parallel.run(calls, all, results -> results.forEach(listener::done));
  }

  /** One spec, what is known of it, and at last what became of it. */
  private static final class Job {
    final Spec spec;
    Described described = Described.NOTHING;
    long uploadedBytes;
    @Nullable Result result;

    Job(Spec spec) {
      this.spec = spec;
    }

    void end(Fate fate, @Nullable String reason) {
      result = new Result(spec, fate, uploadedBytes, String.valueOf(reason));
    }
  }

  private List<Result> take(List<Spec> specs, int atOnce) throws IOException {
    List<Job> jobs = specs.stream().map(Job::new).toList();
    List<Parallel.Transfer> reads = new ArrayList<>();
    jobs.forEach(job -> reads.add(() -> read(job)));
    Parallel.run(atOnce, reads);
    upload(unfinished(jobs), atOnce);
    List<Job> some = new ArrayList<>();
    long bytes = 0;
    for (Job job : unfinished(jobs)) {
      int size = job.described.message().getSerializedSize();
      if (!some.isEmpty() && bytes + size > BYTES_A_CALL) {
        push(some);
        some.clear();
        bytes = 0;
      }
      some.add(job);
      bytes += size;
    }
    push(some);
    return jobs.stream().map(job -> Objects.requireNonNull(job.result)).toList();
  }

  private static List<Job> unfinished(List<Job> jobs) {
    return jobs.stream().filter(job -> job.result == null).toList();
  }

  private void read(Job job) {
    try {
      job.described = reader.read(job.spec);
    } catch (IOException e) {
      job.end(Fate.FAILED, e.getMessage());
    }
  }

  private void upload(List<Job> jobs, int atOnce) {
    Map<Digest, String> blobs = new LinkedHashMap<>();
    jobs.forEach(job -> blobs.putAll(job.described.blobs()));
    try {
      Uploaded done = uploads.upload(blobs, atOnce);
      for (Job job : jobs) {
        for (Digest digest : job.described.blobs().keySet()) {
          job.uploadedBytes += done.uploaded().remove(digest) ? digest.sizeBytes() : 0;
          IOException failure = done.failures().get(digest);
          if (failure != null) {
            job.end(Fate.FAILED, failure.getMessage());
          }
        }
      }
    } catch (IOException e) {
      jobs.forEach(job -> job.end(Fate.FAILED, e.getMessage()));
    }
  }

  private void push(List<Job> jobs) {
    if (jobs.isEmpty()) {
      return;
    }
    PushSpecsRequest.Builder request =
        PushSpecsRequest.newBuilder().setInstanceName(instance).setSource(mirror.name());
    jobs.forEach(job -> request.addSpecs(job.described.message()));
    try {
      PushSpecsResponse response = farm.pushSpecs(request.build());
      for (int i = 0; i < jobs.size(); i++) {
        answered(jobs.get(i), response.getResults(i));
      }
    } catch (StatusRuntimeException e) {
      if (concernsAll(e.getStatus())) {
        throw e;
      }
      jobs.forEach(job -> refused(job, e.getStatus()));
    }
  }

  private static void answered(Job job, PushSpecResponse result) {
    Status status = StatusProto.toStatusRuntimeException(result.getStatus()).getStatus();
    if (!status.isOk()) {
      refused(job, status);
      return;
    }
    switch (result.getOutcome()) {
      case PUSH_PUBLISHED -> job.end(Fate.TAKEN, "");
      case PUSH_IDENTICAL -> job.end(Fate.ALREADY_THERE, "");
      case PUSH_DIFFERENT -> job.end(Fate.DIFFERENT, "");
      case PUSH_OUTCOME_UNSPECIFIED, UNRECOGNIZED ->
          job.end(Fate.FAILED, "the farm answers in words unknown here");
    }
  }

  private static void refused(Job job, Status status) {
    String said = status.getDescription();
    job.end(Fate.FAILED, said == null ? status.getCode().name() : said);
  }

  private static boolean concernsAll(Status status) {
    return status.getCode() == Status.Code.UNAVAILABLE
        || status.getCode() == Status.Code.UNAUTHENTICATED
        || status.getCode() == Status.Code.UNIMPLEMENTED;
  }
}

package build.thresher.scheduler.farm;

import build.thresher.cas.api.BlobStore;
import build.thresher.scheduler.core.CoreView;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.UnavailableException;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.ExecutorStatus;
import build.thresher.v1.FarmStatus;
import java.io.IOException;
import java.time.Instant;

/** The farm as a person wants to see it: executors, queue, store. Any thread. */
public final class StatusReport {
  private final CoreLoop core;
  private final BlobStore blobs;
  private final FarmStatusSource source;
  private final String installRoot;
  private final String serverVersion;
  private final Instant started;

  /**
   * @param source what the rest of the farm adds
   */
  public StatusReport(
      CoreLoop core,
      BlobStore blobs,
      FarmStatusSource source,
      String installRoot,
      String serverVersion,
      Instant started) {
    this.core = core;
    this.blobs = blobs;
    this.source = source;
    this.installRoot = installRoot;
    this.serverVersion = serverVersion;
    this.started = started;
  }

  FarmStatus status() throws IOException, UnavailableException, InterruptedException {
    CoreView.Counts counts = core.ask(CoreView::counts);
    BlobStore.Statistics held = blobs.statistics();
    FarmStatus.Builder status =
        FarmStatus.newBuilder()
            .setServerVersion(serverVersion)
            .setStarted(Wire.timestamp(started))
            .setWaiting(counts.waiting())
            .setReady(counts.ready())
            .setLeased(counts.leased())
            .setPublishing(counts.publishing())
            .setActiveRequests(counts.requests())
            .setBlobCount(held.blobs())
            .setBlobBytes(held.bytes())
            .setInstallRoot(installRoot)
            .addAllInstances(source.instances());
    for (CoreView.ExecutorView executor : core.ask(CoreView::executors)) {
      status.addExecutors(status(executor));
    }
    return status.build();
  }

  private static ExecutorStatus status(CoreView.ExecutorView executor) {
    return ExecutorStatus.newBuilder()
        .setExecutor(executor.id().name())
        .setSlots(executor.slots())
        .setBusy(executor.busy())
        .setLastSeen(Wire.timestamp(executor.lastSeen()))
        .setOperatingSystem(executor.capabilities().operatingSystem())
        .setTarget(executor.capabilities().target())
        .putAllLabels(executor.capabilities().labels())
        .build();
  }
}

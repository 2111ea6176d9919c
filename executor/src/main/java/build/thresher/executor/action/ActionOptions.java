package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Platform;
import build.thresher.executor.images.ImageOptions;
import java.time.Duration;
import java.util.List;

/**
 * How an executor runs actions.
 *
 * @param properties offered besides those that are measured
 * @param cacheBytes room for files of inputs
 * @param timeout wall time where neither action nor farm say anything
 * @param memoryBytes where the action says nothing; 0: no limit
 * @param processes of one action at the same time, threads included
 * @param diskBytes that one action may write
 * @param files that one action may make
 * @param network whether actions that ask for network get it
 * @param inlineBytes outputs on the screen up to this size are kept in the result itself
 * @param images which container images there may be
 * @param plain whether actions run without a sandbox, see {@link
 *     build.thresher.executor.sandbox.Plain}
 */
public record ActionOptions(
    List<Platform.Property> properties,
    long cacheBytes,
    Duration timeout,
    long memoryBytes,
    long processes,
    long diskBytes,
    long files,
    boolean network,
    int inlineBytes,
    ImageOptions images,
    boolean plain) {
  public ActionOptions {
    properties = List.copyOf(properties);
  }

  /** What actions run in, as the farm and platform properties call it. */
  public String sandbox() {
    return plain ? "plain" : "bubblewrap";
  }

  /** No network, the limits of a build machine. */
  public static ActionOptions defaults() {
    return new ActionOptions(
        List.of(),
        20L << 30,
        Duration.ofHours(1),
        0,
        8192,
        50L << 30,
        5_000_000,
        false,
        4096,
        ImageOptions.none(),
        false);
  }

  /** The same with these offers, so much room for inputs, and network or not. */
  public ActionOptions with(List<Platform.Property> offered, long inputBytes, boolean allowed) {
    return new ActionOptions(
        offered,
        inputBytes,
        timeout,
        memoryBytes,
        processes,
        diskBytes,
        files,
        allowed,
        inlineBytes,
        images,
        plain);
  }

  /** The same with these images. */
  public ActionOptions withImages(ImageOptions allowed) {
    return new ActionOptions(
        properties,
        cacheBytes,
        timeout,
        memoryBytes,
        processes,
        diskBytes,
        files,
        network,
        inlineBytes,
        allowed,
        plain);
  }

  /** The same with a sandbox or without. */
  public ActionOptions withPlain(boolean without) {
    return new ActionOptions(
        properties,
        cacheBytes,
        timeout,
        memoryBytes,
        processes,
        diskBytes,
        files,
        network,
        inlineBytes,
        images,
        without);
  }
}

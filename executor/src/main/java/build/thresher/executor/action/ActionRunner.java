package build.thresher.executor.action;

import build.thresher.cas.api.BlobStore;
import build.thresher.executor.images.Images;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.sandbox.Sandbox;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where actions run: the cache of inputs, the sandbox and the rules that all of them share.
 * Thread-safe.
 */
public final class ActionRunner implements Closeable {
  private static final Logger log = LoggerFactory.getLogger(ActionRunner.class);
  private static final long REMEMBERED_DIRECTORY_BYTES = 64 << 20;

  private final ActionExecution.Surroundings surroundings;

  private ActionRunner(ActionExecution.Surroundings surroundings) {
    this.surroundings = surroundings;
  }

  /**
   * Opens the cache of inputs and finds out how input roots can be made here.
   *
   * @param worker the executor's name, for results
   * @param directory for the cache; kept between starts
   * @param images directory for unpacked container images, which executors may share
   * @param owners whom actions run as
   */
  public static ActionRunner open(
      String worker,
      Path directory,
      Path images,
      BlobStore store,
      Sandbox sandbox,
      Owners owners,
      ActionOptions options,
      InstantSource clock)
      throws IOException {
    FileTrees.createReadable(directory);
    // Without a sandbox, what is shared must not be the actions' own: they could open it.
    Owner cached = options.plain() ? new Owner(-1) : owners.take(directory);
    ContentCache cache =
        new ContentCache(
            directory.resolve("files"), options.cacheBytes(), new FileFetcher(store, cached));
    UntouchedDirectories directories =
        new UntouchedDirectories(new ChangeClock(directory.resolve("changes"))::now);
    InputRoots roots = roots(directory, cache, cached, directories, options);
    log.info(
        "actions: {}; network {}",
        roots.describe(),
        options.plain()
            ? "for all, and no sandbox"
            : options.network() ? "for those that ask for it" : "for none");
    return new ActionRunner(
        new ActionExecution.Surroundings(
            worker,
            store,
            roots,
            new DirectoryMemory(REMEMBERED_DIRECTORY_BYTES),
            sandbox,
            owners,
            directories,
            new Images(
                images,
                store,
                options.images(),
                ActionSandbox.MOUNT_POINTS,
                System.getProperty("os.arch", ""),
                clock),
            options,
            clock));
  }

  private static InputRoots roots(
      Path directory,
      ContentCache cache,
      Owner owner,
      UntouchedDirectories directories,
      ActionOptions options)
      throws IOException {
    if (options.plain()) {
      return new CopiedRoots(cache, directories, directory, "without a sandbox nothing is shared");
    }
    if (owner.uid() < 0) {
      return new CopiedRoots(
          cache, directories, directory, "overlays need an executor that is root");
    }
    Kernel kernel = new Kernel();
    Path scratch = directory.resolve("probe");
    FileTrees.delete(scratch);
    FileTrees.createReadable(scratch);
    try {
      OverlayRoots.probe(kernel, scratch);
    } catch (IOException e) {
      return new CopiedRoots(cache, directories, directory, String.valueOf(e.getMessage()));
    }
    return new FittingRoots(
        new OverlayRoots(
            kernel,
            new RootLayers(directory.resolve("roots"), cache, kernel, owner),
            directories,
            directory.resolveSibling(directory.getFileName() + "-mounts")),
        new CopiedRoots(cache, directories, directory, "they are small"));
  }

  /**
   * An action to run, once; the caller closes it. The slot is the caller's to clean, after that.
   */
  public ActionExecution execution(ActionTask task, ActionSlot slot) {
    return new ActionExecution(surroundings, task, slot);
  }

  /** Clears what an action had in its {@link ActionSlot#OWN}: the next one finds all as new. */
  public void clear(Path path) throws IOException {
    surroundings.directories().clear(path);
  }

  /** Nothing is left of the action that had this directory: its user may be another's. */
  public void giveBack(Path directory) {
    surroundings.owners().giveBack(directory);
  }

  @Override
  public void close() throws IOException {
    surroundings.roots().close();
    surroundings.images().close();
  }
}

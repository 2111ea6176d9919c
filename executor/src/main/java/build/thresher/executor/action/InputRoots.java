package build.thresher.executor.action;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;

/**
 * Puts input roots in place. An action may change its root at will: nothing of it is shared with
 * another action, whatever way the root is made. Thread-safe.
 */
interface InputRoots extends Closeable {

  /** A root in use; closing it leaves nothing behind. */
  interface InputRoot extends Closeable {
    /** The root with all that the action did to it, as the executor sees it. */
    Path path();
  }

  /** Reads the tree of a root that has to be made anew. */
  interface Loader {
    InputTree load() throws IOException;
  }

  /**
   * Makes the root of one action.
   *
   * @param root digest of the tree
   * @param directory the action's own, whose size is watched
   * @param owner whom the action runs as
   * @throws MissingInputsException naming all files that the store lacks
   * @throws RefusedActionException when the tree cannot be a root
   */
  InputRoot prepare(Scope scope, Digest root, Loader loader, Path directory, Owner owner)
      throws IOException;

  /** How it is done, for the executor's first lines of log. */
  String describe();
}

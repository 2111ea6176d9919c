package build.thresher.cas.api;

import java.io.IOException;
import java.util.Optional;

/**
 * Results of actions, by the digest of the action, apart for each instance.
 *
 * <p>Guarantees: a result that is found is complete: every blob that it names, the children of its
 * trees included, is in the store and stays there for at least the store's guaranteed lifetime from
 * then on. A result that lost one of them is absent. What {@link #put} acknowledged is on disk.
 *
 * <p>It does not ask whether the caller may write, and does not judge results: only what should be
 * found again is put here.
 *
 * <p>Threading: all methods may be called from any thread and block.
 */
public interface ActionCache {

  /**
   * The result that was put last.
   *
   * @return a serialised {@code build.bazel.remote.execution.v2.ActionResult}
   */
  Optional<byte[]> find(Scope scope, Digest action) throws IOException;

  /**
   * Remembers a result; it replaces the one before.
   *
   * @param actionResult a serialised {@code build.bazel.remote.execution.v2.ActionResult}
   * @throws BlobNotFoundException when a blob that the result names is not in the store; nothing
   *     was remembered
   * @throws IllegalArgumentException when the bytes are no such message or name a malformed digest
   */
  void put(Scope scope, Digest action, byte[] actionResult) throws IOException;
}

package build.thresher.scheduler.farm;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.scheduler.core.CoreView;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.UnavailableException;
import build.thresher.scheduler.spack.Documents;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.HashSet;
import java.util.Set;

/** Which specs the requests that are not over need, or will. Any thread; blocks. */
public final class Needs {
  private final CoreLoop core;
  private final Documents documents;

  public Needs(CoreLoop core, Documents documents) {
    this.core = core;
    this.documents = documents;
  }

  /**
   * Every node of every document that has work left in this instance.
   *
   * @throws IOException when it cannot be known
   */
  public Set<DagHash> in(String instance) throws IOException {
    Set<DagHash> needed = new HashSet<>();
    for (Digest dag : documentsOf(instance)) {
      try {
        needed.addAll(documents.document(Scope.farm(instance), dag).document().nodes().keySet());
      } catch (SpecFormatException e) {
        throw new IOException("the document " + dag + " no longer parses", e);
      }
    }
    return needed;
  }

  private Set<Digest> documentsOf(String instance) throws IOException {
    try {
      return core.ask(view -> documentsOf(instance, view));
    } catch (UnavailableException e) {
      throw new IOException("the scheduler cannot say what running work needs", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while the scheduler was asked");
    }
  }

  private static Set<Digest> documentsOf(String instance, CoreView view) {
    Set<Digest> found = new HashSet<>();
    for (var definition : view.open()) {
      if (definition.key().instance().equals(instance)
          && definition.work() instanceof SpackWork work) {
        found.add(work.dag());
      }
    }
    return found;
  }
}

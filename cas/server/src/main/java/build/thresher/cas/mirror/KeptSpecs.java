package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What stays in an instance, and because of what. The first reason counts. One thread. */
final class KeptSpecs {
  private final InstanceMirror there;
  private final Closure closure;
  private final boolean builtWith;
  private final Map<DagHash, String> reasons = new HashMap<>();

  KeptSpecs(InstanceMirror there, Closure closure, boolean builtWith) {
    this.there = there;
    this.closure = closure;
    this.builtWith = builtWith;
  }

  /** Keeps a root with all that it needs. */
  void keep(DagHash root, String why) throws IOException {
    if (reasons.putIfAbsent(root, why) != null) {
      return;
    }
    PublishedSpec spec = there.find(root);
    String name = spec == null ? "/" + root.shortText() : RocksSpackMirror.display(spec);
    String because = "needed by " + name + ", " + why;
    Deque<DagHash> open = new ArrayDeque<>();
    open.push(root);
    while (!open.isEmpty()) {
      for (DagHash needed : closure.edges(open.pop(), builtWith)) {
        if (reasons.putIfAbsent(needed, because) == null) {
          open.push(needed);
        }
      }
    }
  }

  /** Null when nothing keeps it. */
  @Nullable String reason(DagHash hash) {
    return reasons.get(hash);
  }
}

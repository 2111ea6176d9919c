package build.thresher.client;

import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.v1.Request;
import com.google.common.collect.ImmutableMap;
import java.util.ArrayList;
import java.util.List;

/**
 * What the nodes that cost nothing are called: a request names them by hash only. Empty where the
 * document is not at hand.
 */
record NodeNames(ImmutableMap<String, String> byHash) {
  static final NodeNames NONE = new NodeNames(ImmutableMap.of());

  static NodeNames of(SpecDocument document) {
    ImmutableMap.Builder<String, String> names = ImmutableMap.builder();
    for (SpecNode node : document.nodes().values()) {
      names.put(node.hash().toString(), Text.clean(node.name()) + "@" + Text.clean(node.version()));
    }
    return new NodeNames(names.buildKeepingLast());
  }

  String summary(Request request) {
    return "==> Request "
        + Text.clean(request.getRequestId())
        + ": "
        + request.getTasksCount()
        + " to build, "
        + request.getCachedCount()
        + " in the mirror, "
        + request.getExternalsCount()
        + " external";
  }

  /** A line each for what is in the mirror and what is external. */
  List<String> lines(Request request) {
    List<String> lines = new ArrayList<>();
    request.getExternalsList().forEach(hash -> add(lines, "[e] ", hash));
    request.getCachedList().forEach(hash -> add(lines, "[b] ", hash));
    return lines;
  }

  private void add(List<String> lines, String mark, String hash) {
    String name = byHash.get(hash);
    if (name != null) {
      lines.add(mark + Text.shortHash(hash) + " " + name);
    }
  }
}

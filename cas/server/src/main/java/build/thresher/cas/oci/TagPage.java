package build.thresher.cas.oci;

import build.thresher.cas.oci.OciException.Code;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Iterator;
import java.util.NavigableSet;
import java.util.Optional;

/**
 * A page of tags, as the specification writes it.
 *
 * @param next value of the Link header, where more follow
 */
record TagPage(String json, Optional<String> next) {
  private static final int MAX_TAGS = 10_000;

  /**
   * @param n what the client asked for; "" for as many as there are in one answer
   */
  static int limit(String n) throws OciException {
    if (n.isEmpty()) {
      return MAX_TAGS;
    }
    if (!n.matches("\\d{1,9}")) {
      throw OciException.invalid(Code.UNSUPPORTED, "n is a number of tags");
    }
    return Math.min(MAX_TAGS, Integer.parseInt(n));
  }

  static TagPage of(String repository, NavigableSet<String> tags, int limit) {
    ObjectNode page = ImageManifest.JSON.createObjectNode();
    page.put("name", repository);
    ArrayNode list = page.putArray("tags");
    Iterator<String> all = tags.iterator();
    String last = "";
    while (list.size() < limit && all.hasNext()) {
      last = all.next();
      list.add(last);
    }
    Optional<String> next =
        limit > 0 && all.hasNext()
            ? Optional.of(
                "</v2/%s/tags/list?n=%d&last=%s>; rel=\"next\"".formatted(repository, limit, last))
            : Optional.empty();
    return new TagPage(page.toString(), next);
  }
}

package build.thresher.cas.client;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** What the Remote Execution API allows as a name inside a directory, and in which order. */
final class TreeNames {
  /** By the bytes of UTF-8, which is the order of code points. */
  static final Comparator<String> CANONICAL_ORDER =
      (a, b) ->
          Arrays.compareUnsigned(
              a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));

  private TreeNames() {}

  /**
   * @throws IllegalArgumentException when the name is none, saying why
   */
  static String check(String name) {
    if (name.isEmpty() || name.equals(".") || name.equals("..")) {
      throw new IllegalArgumentException("'" + name + "' is no name of a directory's entry");
    }
    for (int i = 0; i < name.length(); i++) {
      char c = name.charAt(i);
      if (c == '/' || c == 0) {
        throw new IllegalArgumentException(
            "the name of a directory's entry cannot hold " + (c == 0 ? "NUL" : "'/'"));
      }
      if (c == '\uFFFD') {
        throw new IllegalArgumentException("the file name '" + name + "' is not UTF-8");
      }
    }
    return name;
  }

  /** The components of a relative path. */
  static List<String> split(String path) {
    List<String> names = List.of(path.split("/", -1));
    names.forEach(TreeNames::check);
    return names;
  }
}

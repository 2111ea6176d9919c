package build.thresher.cas.reapi;

import com.google.common.collect.ImmutableList;

/**
 * The instances that a server has, under the names that clients use. The empty name is the first
 * one's, so that a client that names none meets those who name it.
 */
public record InstanceNames(ImmutableList<String> names) {

  public InstanceNames {
    if (names.isEmpty()) {
      throw new IllegalArgumentException("a server has at least one instance");
    }
  }

  /**
   * The one name of an instance.
   *
   * @throws IllegalArgumentException when nobody configured it
   */
  public String resolve(String asked) {
    if (asked.isEmpty()) {
      return names.getFirst();
    }
    if (!names.contains(asked)) {
      throw new IllegalArgumentException(
          "this server has no instance of that name; ask its administrator for the right one");
    }
    return asked;
  }
}

package build.thresher.cas.oci;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * A repository, which is named like its instance or below it.
 *
 * @param name whole name, valid
 * @param instance that it is in
 */
record Repository(String name, String instance) {

  /** The instances that have repositories. */
  static final class Names {
    private final List<String> longestFirst;

    Names(Collection<String> instances) {
      this.longestFirst =
          instances.stream().sorted(Comparator.comparing(String::length).reversed()).toList();
    }

    /** Empty where no instance's name begins that of the repository. */
    Optional<Repository> find(String name) {
      return longestFirst.stream()
          .filter(instance -> name.equals(instance) || name.startsWith(instance + "/"))
          .findFirst()
          .map(instance -> new Repository(name, instance));
    }
  }
}

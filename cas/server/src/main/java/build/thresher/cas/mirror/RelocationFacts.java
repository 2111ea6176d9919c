package build.thresher.cas.mirror;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/**
 * {@code .spack/binary_distribution} of an archive: what Spack rewrites after it has unpacked it.
 * Spack opens the files that stand here for writing, below the prefix and through links, as the
 * user that installs; so each must be an entry of the archive and of the kind that it is said to
 * be.
 */
final class RelocationFacts {
  static final int MAX_BYTES = 64 << 20;

  private static final int MAX_DEPTH = 10;

  private final Map<?, ?> facts;

  private RelocationFacts(Map<?, ?> facts) {
    this.facts = facts;
  }

  static RelocationFacts parse(byte[] yaml) throws BrokenRuleException {
    LoaderOptions limits = new LoaderOptions();
    limits.setCodePointLimit(MAX_BYTES);
    limits.setNestingDepthLimit(MAX_DEPTH);
    limits.setMaxAliasesForCollections(0);
    limits.setAllowDuplicateKeys(false);
    try {
      Object read =
          new Yaml(new SafeConstructor(limits)).load(new String(yaml, StandardCharsets.UTF_8));
      if (read instanceof Map<?, ?> facts) {
        return new RelocationFacts(facts);
      }
    } catch (RuntimeException e) { // of YAML, and of whatever reads its numbers, dates and base64
      throw new BrokenRuleException("has a .spack/binary_distribution that cannot be read");
    }
    throw new BrokenRuleException("has a .spack/binary_distribution that is no mapping");
  }

  /** The root of the install tree that it was built in. */
  String installRoot() throws BrokenRuleException {
    if (facts.get("buildpath") instanceof String root) {
      return root;
    }
    throw new BrokenRuleException("does not say in .spack/binary_distribution where it was built");
  }

  /** Where it was built. */
  void requireBuiltAt(String installRoot, String prefix) throws BrokenRuleException {
    Object root = facts.get("buildpath");
    Object relative = facts.get("relative_prefix");
    if (!installRoot.equals(root) || !prefix.equals(root + "/" + relative)) {
      throw new BrokenRuleException(
          "says in .spack/binary_distribution that it was built at `%s/%s`, but holds %s"
              .formatted(root, relative, prefix));
    }
  }

  /**
   * Every name in this list fulfils a condition.
   *
   * @param list {@code relocate_textfiles}, {@code relocate_binaries} or {@code relocate_links}
   */
  void requireEach(String list, String kind, Predicate<String> holds) throws BrokenRuleException {
    Object names = facts.get(list);
    if (names == null) {
      return;
    }
    if (!(names instanceof List<?> all)) {
      throw new BrokenRuleException(
          "has a .spack/binary_distribution whose " + list + " is no list");
    }
    for (Object name : all) {
      // A name like 12 or 1.0 is read as a number.
      if (!(name instanceof String || name instanceof Number) || !holds.test(name.toString())) {
        throw new BrokenRuleException(
            "wants Spack to rewrite `%s` (%s in .spack/binary_distribution), which is no %s in it"
                .formatted(name, list, kind));
      }
    }
  }
}

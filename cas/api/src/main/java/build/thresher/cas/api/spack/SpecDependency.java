package build.thresher.cas.api.spack;

import java.util.Set;

/**
 * An edge of a concrete DAG.
 *
 * @param types Spack's deptypes: build, link, run, test
 */
public record SpecDependency(String name, DagHash hash, Set<String> types) {

  /** True when the dependency is needed where its dependent is used, not only where it is built. */
  public boolean isLinkOrRun() {
    return types.contains("link") || types.contains("run");
  }
}

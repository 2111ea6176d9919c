package build.thresher.scheduler.core;

/** Whose words a request is in. */
public enum WorkKind {
  /** Nodes of a concrete DAG. */
  SPACK,
  /** One REAPI action. */
  ACTION
}

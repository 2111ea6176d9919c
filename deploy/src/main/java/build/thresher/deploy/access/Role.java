package build.thresher.deploy.access;

/** What a caller may do. A token carries a set of them. */
public enum Role {
  /** Ask for builds, read and write blobs, read logs. */
  CLIENT,
  /** Lease tasks, complete them, read and write blobs. */
  EXECUTOR,
  /** Decide what a mirror keeps, what goes from one to another, and who signs. */
  ADMINISTRATOR,
  /** Nothing but health: no token is asked for. */
  ANYONE
}

package build.thresher.cas.http;

/** Decides whether a request may do what its route needs. Called on every request; must be fast. */
@FunctionalInterface
public interface AccessCheck {

  /** What a route needs. Every route declares one. */
  enum Role {
    HEALTH,
    MIRROR_READ,
    MIRROR_PUSH
  }

  /**
   * @param instance as it stands in the URL; "" where the route belongs to no instance
   */
  boolean allows(Role role, String instance, Requester requester);

  /** Everything is open to whoever can connect. */
  static AccessCheck open() {
    return (role, instance, requester) -> true;
  }
}

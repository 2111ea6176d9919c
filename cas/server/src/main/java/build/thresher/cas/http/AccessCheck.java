package build.thresher.cas.http;

import java.util.Optional;

/** Decides whether a request may do what its route needs. Called on every request; must be fast. */
@FunctionalInterface
public interface AccessCheck {

  /** What a route needs. Every route declares one. */
  enum Role {
    HEALTH,
    MIRROR_READ
  }

  /**
   * @param instance as it stands in the URL; "" where the route belongs to no instance
   * @param bearerToken what the request brought, unchecked
   */
  boolean allows(Role role, String instance, Optional<String> bearerToken);

  /** Reads and health are open to whoever can connect. */
  static AccessCheck open() {
    return (role, instance, token) -> true;
  }
}

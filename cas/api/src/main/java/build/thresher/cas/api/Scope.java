package build.thresher.cas.api;

/**
 * On whose behalf a store is asked: the trust domain and the caller. Every verb takes one, so that
 * possession of a blob can become a matter of the tenant without a new interface; today's stores
 * share all blobs between scopes.
 *
 * @param instance name of the instance, "" for the default one
 * @param principal who asks, for logs and quotas; never a secret
 */
public record Scope(String instance, String principal) {

  /** The farm itself, acting for an instance. */
  public static Scope farm(String instance) {
    return new Scope(instance, "farm");
  }
}

package build.thresher.cas.oci;

import build.thresher.cas.http.AccessCheck;
import build.thresher.cas.http.Credentials;
import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.oci.OciException.Code;
import io.helidon.webserver.http.ServerRequest;
import java.util.Optional;

/**
 * Which repository a request is about, and whether it may. Reading needs what the mirror needs,
 * pushing the right to push, into an instance that takes unsigned specs. Any thread.
 */
final class OciAccess {
  private final Repository.Names names;
  private final MirrorOptions options;
  private final AccessCheck access;

  OciAccess(Repository.Names names, MirrorOptions options, AccessCheck access) {
    this.names = names;
    this.options = options;
    this.access = access;
  }

  /**
   * @param instance "" for any
   */
  boolean mayRead(ServerRequest request, String instance) {
    return access.allows(AccessCheck.Role.MIRROR_READ, instance, Credentials.of(request));
  }

  /** Whoever may do what with it. */
  Repository repository(String name) throws OciException {
    return names
        .find(name)
        .orElseThrow(
            () ->
                OciException.unknown(
                    Code.NAME_UNKNOWN,
                    "no instance of the farm has this name; a repository is named like one or below it"));
  }

  /** One that this request may read. */
  Repository readable(ServerRequest request, String name) throws OciException {
    return allowed(AccessCheck.Role.MIRROR_READ, request, name);
  }

  /** One that this request may push to. */
  Repository writable(ServerRequest request, String name) throws OciException {
    Repository repository = allowed(AccessCheck.Role.MIRROR_PUSH, request, name);
    PushRules rules = options.pushed().get(repository.instance());
    if (rules == null || !rules.unsigned()) {
      throw OciException.denied(
          rules == null
              ? "the instance takes nothing from elsewhere (mirror.pushed in farm.yaml)"
              : "the instance takes signed specs only, and images carry no signature (mirror.unsigned in farm.yaml)");
    }
    return repository;
  }

  /** Whoever may not read learns nothing of what there is. */
  private Repository allowed(AccessCheck.Role role, ServerRequest request, String name)
      throws OciException {
    Optional<Repository> repository = names.find(name);
    String instance = repository.map(Repository::instance).orElse("");
    if (access.allows(role, instance, Credentials.of(request))) {
      return repository(name);
    }
    throw mayRead(request, instance) && Credentials.of(request).token().isPresent()
        ? OciException.denied("this token may read here, but not push")
        : new OciException(
            401, Code.UNAUTHORIZED, "a token of the farm is needed, as the password");
  }
}

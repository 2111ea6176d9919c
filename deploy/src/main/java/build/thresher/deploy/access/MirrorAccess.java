package build.thresher.deploy.access;

import build.thresher.cas.http.AccessCheck;
import build.thresher.cas.http.Requester;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import org.jspecify.annotations.Nullable;

/**
 * Who may do what over HTTP. The farm's token opens everything. An instance with {@link ReadRules}
 * is read by those whom they name; any other by everybody or by nobody else, as configured.
 *
 * @param farm null where the farm asks for no token
 * @param readOpen whether everybody may read what is not private
 * @param privates the private instances
 */
public record MirrorAccess(
    @Nullable Tokens farm, boolean readOpen, ImmutableMap<String, ReadRules> privates)
    implements AccessCheck {

  @Override
  public boolean allows(Role role, String instance, Requester requester) {
    return switch (role) {
      case HEALTH -> true;
      case MIRROR_PUSH -> farm == null || hasFarmsToken(requester);
      case MIRROR_READ -> hasFarmsToken(requester) || mayRead(instance, requester);
    };
  }

  /** Read tokens of an instance, for clients that sign with them. */
  public ImmutableList<byte[]> readSecrets(String instance) {
    ReadRules rules = privates.get(instance);
    return rules == null ? ImmutableList.of() : rules.secrets();
  }

  private boolean hasFarmsToken(Requester requester) {
    return farm != null && requester.token().map(farm::matches).orElse(false);
  }

  private boolean mayRead(String instance, Requester requester) {
    ReadRules rules = privates.get(instance);
    return rules == null ? readOpen || farm == null : rules.allow(requester);
  }
}

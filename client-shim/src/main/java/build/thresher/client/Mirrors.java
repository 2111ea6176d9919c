package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.InstanceStatus;
import java.util.Map;
import java.util.TreeMap;

/** Where Spack reads what an instance of the farm has. */
final class Mirrors {
  private Mirrors() {}

  /**
   * Of one instance.
   *
   * @param instance "" for the farm's first
   */
  static InstanceStatus of(FarmGrpc.FarmBlockingStub farm, String instance) throws ClientException {
    for (InstanceStatus candidate :
        farm.getStatus(GetStatusRequest.getDefaultInstance()).getInstancesList()) {
      if (instance.isEmpty() || instance.equals(candidate.getName())) {
        return candidate;
      }
    }
    throw new ClientException(
        ClientException.REFUSED, "this farm has no instance `" + Text.clean(instance) + "`");
  }

  /** How much an instance holds, and how much of it is stored for it alone or first. */
  static String size(InstanceStatus instance) {
    long added = instance.getAddedBytes();
    return "%s in %d specs, %s stored once%s"
        .formatted(
            Amounts.size(instance.getLogicalBytes()),
            instance.getPublishedSpecs(),
            Amounts.size(instance.getStoredBytes()),
            added == instance.getStoredBytes()
                ? ""
                : ", %s of it for instances before it"
                    .formatted(Amounts.size(instance.getStoredBytes() - added)));
  }

  /** As it stands in every machine-readable answer. */
  static Map<String, Object> object(InstanceStatus instance) {
    Map<String, Object> object = new TreeMap<>();
    object.put("name", instance.getName());
    object.put("url", instance.getMirrorUrl());
    object.put("fingerprint", instance.getSigningKeyFingerprint());
    object.put("specs", instance.getPublishedSpecs());
    object.put("logical_bytes", instance.getLogicalBytes());
    object.put("stored_bytes", instance.getStoredBytes());
    object.put("added_bytes", instance.getAddedBytes());
    return object;
  }
}

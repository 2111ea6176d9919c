package build.thresher.deploy.access;

import com.google.common.collect.ImmutableMap;
import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * The role that each RPC needs. A method that nobody gave a role is a mistake that shows at start:
 * {@link #check} refuses to serve it, so that a new RPC is never open by accident.
 */
public final class AccessPolicy {
  private static final Set<Role> WORK = EnumSet.of(Role.CLIENT, Role.EXECUTOR);
  private static final Set<Role> CLIENT = EnumSet.of(Role.CLIENT);
  private static final Set<Role> EXECUTOR = EnumSet.of(Role.EXECUTOR);
  private static final Set<Role> ADMINISTRATOR = EnumSet.of(Role.ADMINISTRATOR);
  private static final Set<Role> ANYONE = EnumSet.of(Role.ANYONE);

  /** By full method name, or by service where all methods of it need the same. */
  private static final ImmutableMap<String, Set<Role>> TABLE =
      ImmutableMap.<String, Set<Role>>builder()
          .put("thresher.v1.Farm", CLIENT)
          .put("thresher.v1.Executors", EXECUTOR)
          .put("thresher.v1.Mirror", CLIENT)
          .put("thresher.v1.Mirror/Prune", ADMINISTRATOR)
          .put("thresher.v1.Mirror/Promote", ADMINISTRATOR)
          .put("thresher.v1.Mirror/RotateKey", ADMINISTRATOR)
          .put("thresher.v1.Sources", CLIENT)
          .put("thresher.v1.Sources/RemoveSources", ADMINISTRATOR)
          .put("build.bazel.remote.execution.v2.ContentAddressableStorage", WORK)
          .put("build.bazel.remote.execution.v2.ActionCache", WORK)
          .put("build.bazel.remote.execution.v2.Capabilities", WORK)
          .put("build.bazel.remote.execution.v2.Execution", CLIENT)
          .put("google.longrunning.Operations", CLIENT)
          .put("google.bytestream.ByteStream", WORK)
          .put("build.bazel.remote.asset.v1.Fetch", WORK)
          .put("build.bazel.remote.asset.v1.Push", CLIENT)
          .put("grpc.health.v1.Health", ANYONE)
          .buildOrThrow();

  private AccessPolicy() {}

  /** The roles of which a caller of the method needs one. Empty: nobody may call it. */
  static Set<Role> rolesFor(String service, String fullMethod) {
    Set<Role> own = TABLE.get(fullMethod);
    return own != null ? own : TABLE.getOrDefault(service, Set.of());
  }

  /**
   * @throws IllegalStateException naming the methods of these services that have no role
   */
  public static void check(List<ServerServiceDefinition> services) {
    List<String> open = new ArrayList<>();
    for (ServerServiceDefinition service : services) {
      for (ServerMethodDefinition<?, ?> method : service.getMethods()) {
        String name = method.getMethodDescriptor().getFullMethodName();
        if (rolesFor(service.getServiceDescriptor().getName(), name).isEmpty()) {
          open.add(name);
        }
      }
    }
    if (!open.isEmpty()) {
      throw new IllegalStateException("no role is declared for " + String.join(", ", open));
    }
  }
}

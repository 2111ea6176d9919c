package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Platform;
import java.util.ArrayList;
import java.util.List;

/** The platform properties that an executor offers to actions. Stateless. */
public final class Offers {
  private Offers() {}

  /**
   * What is measured, what the executor acts upon whatever the value is, and what is configured.
   *
   * @param architecture as {@code os.arch} names it
   */
  public static List<Platform.Property> of(String architecture, ActionOptions options) {
    List<Platform.Property> offers = new ArrayList<>();
    offers.add(property("OSFamily", "linux"));
    // As the lexicon of platform properties writes them.
    String isa =
        switch (architecture) {
          case "amd64", "x86_64" -> "x86-64";
          case "aarch64", "arm64" -> "aarch64";
          default -> architecture;
        };
    offers.add(property("ISA", isa));
    offers.add(property("Arch", isa));
    offers.add(property("sandbox", options.sandbox()));
    offers.add(property("chrootIntoInputRoot", options.plain() ? "false" : "*"));
    if (!options.plain() && !PlatformProperties.names(options.properties(), ActionSandbox.IMAGE)) {
      offers.add(property(ActionSandbox.IMAGE, "*"));
    }
    Resources.NAMES.forEach(name -> offers.add(property(name, "*")));
    for (String name : ActionSandbox.NETWORK) {
      if (options.plain()) {
        PlatformProperties.YES.forEach(value -> offers.add(property(name, value)));
      } else if (options.network()) {
        offers.add(property(name, "*"));
      } else {
        List.of("off", "false", "none").forEach(value -> offers.add(property(name, value)));
      }
    }
    offers.addAll(options.properties());
    return List.copyOf(offers);
  }

  private static Platform.Property property(String name, String value) {
    return Platform.Property.newBuilder().setName(name).setValue(value).build();
  }
}

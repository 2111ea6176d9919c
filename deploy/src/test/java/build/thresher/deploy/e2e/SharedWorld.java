package build.thresher.deploy.e2e;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** One Spack world for all test classes that only read it: making and solving one takes long. */
final class SharedWorld implements ParameterResolver {
  private static final Namespace NAMESPACE = Namespace.create(SharedWorld.class);

  /** Made when first asked for, removed at the end of the run. */
  private record Made(Path directory, SpackWorld world) implements AutoCloseable {
    @Override
    public void close() throws Exception {
      com.google.common.io.MoreFiles.deleteRecursively(
          directory, com.google.common.io.RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  /** Every package of the world, solved once. */
  static Solved solved(SpackWorld world) throws Exception {
    return world.solve("fl-suite", "fl-slow", "fl-broken", "fl-rogue");
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == SpackWorld.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    return context
        .getRoot()
        .getStore(NAMESPACE)
        .getOrComputeIfAbsent(Made.class, key -> make(), Made.class)
        .world();
  }

  private static Made make() {
    try {
      Path directory = Files.createTempDirectory("thresher-world-");
      return new Made(directory, SpackWorld.make(directory.resolve("world")));
    } catch (RuntimeException e) { // an assumption that does not hold among them
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("no Spack world could be made", e);
    }
  }
}

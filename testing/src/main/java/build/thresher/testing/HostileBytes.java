package build.thresher.testing;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Tests of what reads bytes of strangers. A subclass has a method with {@link Hostile} for each
 * parser, which takes one {@code byte[]}; whatever it throws is a finding, so it catches the
 * refusals that are documented and no more. Honest inputs, and every input that was a finding once,
 * are files in {@code src/test/resources/<package>/<Class>Inputs/<method>}.
 *
 * <p>Each test run gives every method its files, then {@code -Dhostile.inputs=1000} changed ones,
 * the same each time, so that a run tells something of a change; {@code -Dhostile.seed=random}
 * gives others, {@code -Dhostile.seed=N} those that a finding names. An input must be done within
 * {@link #MAX_SECONDS} and without more memory than {@link #maxAllocatedBytes}. Jazzer searches
 * among many more, guided by what they reach: {@code ./thresher fuzz}.
 */
public abstract class HostileBytes {
  private static final int MAX_SECONDS = 20;
  private static final int INPUTS = Integer.getInteger("hostile.inputs", 1000);
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** All that a parser may allocate while it reads an input of this length. */
  protected long maxAllocatedBytes(int length) {
    return (32L << 20) + 1_000L * length;
  }

  @TestFactory
  Stream<DynamicTest> inputs() {
    return Arrays.stream(getClass().getDeclaredMethods())
        .filter(method -> method.isAnnotationPresent(Hostile.class))
        .sorted(Comparator.comparing(Method::getName))
        .map(method -> DynamicTest.dynamicTest(method.getName(), () -> giveAll(method)));
  }

  private void giveAll(Method target) throws Exception {
    target.setAccessible(true);
    String given = System.getProperty("hostile.seed", "1");
    long seed = given.equals("random") ? new SplittableRandom().nextLong() : Long.parseLong(given);
    List<byte[]> files = files(target);
    Run run = new Run(target, files, new Mutator(files, new SplittableRandom(seed)));
    Thread reader = Thread.ofPlatform().daemon().name("hostile-bytes").start(run);
    byte[] before;
    do {
      before = run.input;
      reader.join(MAX_SECONDS * 1_000L);
    } while (reader.isAlive() && run.input != before);
    Throwable finding = run.found;
    if (reader.isAlive()) {
      finding = new IllegalStateException("not done after " + MAX_SECONDS + " s");
      finding.setStackTrace(reader.getStackTrace());
    }
    if (finding != null) {
      throw new AssertionError(told(target, run.input, seed), finding);
    }
  }

  private final class Run implements Runnable {
    private final Method target;
    private final List<byte[]> files;
    private final Mutator mutator;
    volatile byte[] input = new byte[0];
    volatile @Nullable Throwable found;

    Run(Method target, List<byte[]> files, Mutator mutator) {
      this.target = target;
      this.files = files;
      this.mutator = mutator;
    }

    @Override
    public void run() {
      for (int i = 0; i < files.size() + INPUTS && found == null; i++) {
        input = i < files.size() ? files.get(i) : mutator.next();
        found = read(target, input);
      }
    }
  }

  private @Nullable Throwable read(Method target, byte[] input) {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    try {
      target.invoke(this, (Object) input.clone());
    } catch (InvocationTargetException e) {
      return e.getCause();
    } catch (IllegalAccessException e) {
      return e;
    }
    long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
    return allocated <= maxAllocatedBytes(input.length)
        ? null
        : new IllegalStateException(allocated + " bytes allocated");
  }

  private String told(Method target, byte[] input, long seed) throws IOException {
    String name = getClass().getSimpleName() + "Inputs/" + target.getName();
    Path file =
        Path.of("target", "hostile")
            .resolve(name)
            .resolve(HexFormat.of().toHexDigits(Arrays.hashCode(input)));
    Files.createDirectories(file.getParent());
    Files.write(file, input);
    return "%s fails for the %d bytes in %s; the same again: -Dhostile.seed=%d -Dtest=%s; keep it as a file of src/test/resources/…/%s"
        .formatted(target.getName(), input.length, file, seed, getClass().getSimpleName(), name);
  }

  private List<byte[]> files(Method target) throws IOException, URISyntaxException {
    String name = getClass().getSimpleName() + "Inputs/" + target.getName();
    URL dir = getClass().getResource(name);
    if (dir == null) {
      throw new AssertionError("no honest input in " + name);
    }
    URI uri = dir.toURI();
    List<byte[]> inputs = new ArrayList<>();
    try (Stream<Path> files = Files.walk(Path.of(uri))) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        inputs.add(Files.readAllBytes(file));
      }
    }
    return inputs;
  }
}

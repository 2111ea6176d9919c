package build.thresher.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A library that makes calls of a process fail that change files below one directory, as a bad or
 * full disk does. Needs Linux and a C compiler; without one, the test is skipped.
 */
public final class DiskFaults {
  public static final int EIO = 5;
  public static final int ENOSPC = 28;
  public static final int ALL = 1_000_000;

  private static final int SIDE_BY_SIDE = 4;

  private final Path library;
  private final ChildJvm jvm;

  private DiskFaults(Path library, ChildJvm jvm) {
    this.library = library;
    this.jvm = jvm;
  }

  /**
   * Which calls fail.
   *
   * @param call fsync, write, create, rename or grow
   * @param error the number of the error
   * @param after so many calls go well first
   * @param count so many fail then
   */
  public record Plan(String call, int error, int after, int count) {
    @Override
    public String toString() {
      return call + ":" + error + ":" + after + ":" + count;
    }
  }

  /**
   * Each call with each error, after so many calls that went well.
   *
   * @param counts how many then fail
   */
  public static List<Plan> everyCall(List<Integer> afters, List<Integer> counts) {
    List<Plan> plans = new ArrayList<>();
    for (String call : List.of("fsync", "write", "create", "rename", "grow")) {
      for (int error : new int[] {EIO, ENOSPC}) {
        for (int after : afters) {
          for (int count : counts) {
            plans.add(new Plan(call, error, after, count));
          }
        }
      }
    }
    return plans;
  }

  public static DiskFaults compile(Path scratch) throws IOException, InterruptedException {
    Path source = scratch.resolve("faults.c");
    Path library = scratch.resolve("faults.so");
    try (InputStream in = DiskFaults.class.getResourceAsStream("faults.c")) {
      Files.copy(Objects.requireNonNull(in), source);
    }
    boolean compiled = false;
    try {
      compiled =
          new ProcessBuilder(
                      List.of(
                          "cc",
                          "-shared",
                          "-fPIC",
                          "-O2",
                          "-o",
                          library.toString(),
                          source.toString()))
                  .inheritIO()
                  .start()
                  .waitFor()
              == 0;
    } catch (IOException e) {
      System.out.println("no C compiler: " + e.getMessage());
    }
    assumeTrue(compiled, "SKIPPED: calls cannot be made to fail without a C compiler (cc)");
    return new DiskFaults(library, ChildJvm.with(scratch));
  }

  /**
   * What a program said while calls failed.
   *
   * @param errors its standard error; each failure is a line of it that begins with "fault: "
   */
  public record Ran(int exit, List<String> said, String errors) {
    public boolean failed() {
      return errors.contains("fault: ");
    }
  }

  /** What a test does with one plan. */
  @FunctionalInterface
  public interface Trial {
    /**
     * @param scratch an empty directory of this plan's own
     * @return whether a call failed
     */
    boolean of(Plan plan, Path scratch) throws Exception;
  }

  /**
   * Each plan once, some side by side: most of a trial waits for processes to start and for disks.
   *
   * @return in how many of them a call failed
   */
  public int each(List<Plan> plans, Path scratch, Trial trial) throws Exception {
    try (ExecutorService several = Executors.newFixedThreadPool(SIDE_BY_SIDE)) {
      List<Future<Boolean>> all = new ArrayList<>();
      for (Plan plan : plans) {
        Path own = Files.createDirectory(scratch.resolve("plan-" + all.size()));
        all.add(several.submit(() -> trial.of(plan, own)));
      }
      int failed = 0;
      for (int i = 0; i < plans.size(); i++) {
        try {
          failed += all.get(i).get() ? 1 : 0;
        } catch (ExecutionException e) {
          several.shutdownNow();
          throw new AssertionError("with the plan " + plans.get(i), e.getCause());
        }
      }
      System.out.println(plans.size() + " plans of failing calls, in " + failed + " a call failed");
      return failed;
    }
  }

  /**
   * Runs a program of the test's class path to its end.
   *
   * @param scratch where its output is kept
   * @param root where calls fail
   * @param armed nothing fails before this file is there
   */
  public Ran run(
      Class<?> program, List<String> arguments, Path scratch, Path root, Path armed, Plan plan)
      throws IOException, InterruptedException {
    Path out = scratch.resolve("out");
    Path err = scratch.resolve("err");
    ProcessBuilder builder =
        jvm.of(program, arguments).redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().putAll(environment(root, armed, plan));
    int exit = builder.start().waitFor();
    return new Ran(exit, Files.readAllLines(out), Files.readString(err));
  }

  /**
   * What a process needs in its environment. Each failure is a line on its standard error that
   * begins with "fault: ".
   *
   * @param root where calls fail
   * @param armed nothing fails before this file is there
   */
  public Map<String, String> environment(Path root, Path armed, Plan plan) {
    return Map.of(
        "LD_PRELOAD",
        library.toString(),
        "FAULTS_ROOT",
        root.toString(),
        "FAULTS_ARMED",
        armed.toString(),
        "FAULTS_PLAN",
        plan.toString());
  }
}

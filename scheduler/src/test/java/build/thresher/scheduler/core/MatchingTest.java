package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.measured;
import static build.thresher.scheduler.core.CoreDriver.needing;
import static build.thresher.scheduler.core.CoreDriver.needs;
import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Which executor may run what. */
class MatchingTest {
  private static final long GIB = 1L << 30;

  private final CoreDriver d = new CoreDriver();

  private Effect.Grant lease(String executor) {
    return Objects.requireNonNull(d.lease(executor), "a lease");
  }

  private static Definition plain() {
    return needing(task("a", "r"), needs("x86_64_v3"));
  }

  @Test
  void aFailureWithOneCompilerSaysNothingAboutAnother() {
    d.register("old", measured("old gcc", 0));
    d.submit("r", "alice", plain());
    d.fail(lease("old"), FailureClass.RECIPE);
    d.submit("s", "alice", plain());
    assertEquals(RequestState.FAILED, d.finished.get("s"), "the same compiler fails alike");
    d.register("old", measured("new gcc", 0)); // the host was updated
    d.submit("t", "alice", plain());
    assertNotNull(d.lease("old"));
  }

  @Test
  void anExecutionKeepsWhatItsCompilerReallyWas() {
    d.register("e", measured("f00d", 0));
    d.submit("r", "alice", plain());
    Effect.Grant a = lease("e");
    d.register("e", measured("beef", 0));
    d.built(a);
    Effect.Publish publish =
        d.effects.stream()
            .filter(e -> e instanceof Effect.Publish)
            .map(e -> (Effect.Publish) e)
            .findFirst()
            .orElseThrow();
    assertEquals("f00d", publish.execution().environment().fingerprints().get("gcc@12 at /usr"));
    assertNotEquals(
        measured("f00d", 0).environmentFor(needs("x86_64_v3")).executorClass(),
        measured("beef", 0).environmentFor(needs("x86_64_v3")).executorClass());
  }

  private void outOfMemory(Effect.Grant grant, long peak) {
    d.apply(
        new Event.Complete(
            grant.fence(),
            Ending.failure(
                new Failure(FailureClass.OUT_OF_MEMORY, "killed"),
                null,
                new Usage(Duration.ZERO, Duration.ZERO, Duration.ZERO, peak))));
  }

  @Test
  void afterRunningOutOfMemoryATaskGoesWhereThereIsMore() {
    d.register("small", measured("", 4 * GIB));
    d.register("large", measured("", 64 * GIB));
    d.submit("r", "alice", plain());
    outOfMemory(lease("small"), 3 * GIB);
    assertNull(d.lease("small"));
    assertEquals(6 * GIB, lease("large").memoryLimitBytes());
  }

  @Test
  void whereNobodyHasTwiceAsMuchTheLargestIsTried() {
    d.register("small", measured("", 4 * GIB));
    d.register("larger", measured("", 5 * GIB));
    d.submit("r", "alice", plain());
    outOfMemory(lease("small"), 4 * GIB);
    assertNull(d.lease("small"));
    assertEquals(5 * GIB, lease("larger").memoryLimitBytes());
  }

  @Test
  void whereNobodyHasMoreTheTaskFailsAndSaysSo() {
    d.register("small", measured("", 4 * GIB));
    d.submit("r", "alice", plain());
    outOfMemory(lease("small"), 4 * GIB);
    assertNull(d.lease("small"));
    for (int i = 0; i < 7; i++) {
      d.pass(Duration.ofSeconds(10));
      d.lease("small"); // it is still there
    }
    Failure failure = Objects.requireNonNull(d.snapshot("r", "a").ending().failure());
    assertEquals(FailureClass.UNSCHEDULABLE, failure.failureClass());
    assertTrue(failure.message().contains("8192 MiB are wanted"), failure.message());
  }

  @Test
  void whatAProcessorCanDoCountsAndNotItsName() {
    Capabilities able = measured("", 0, "avx2", "avx512f", "sse4_2");
    assertEquals(Optional.empty(), able.lacksFor(needs("icelake", "avx2", "avx512f")));
    String lacks = able.lacksFor(needs("zen4", "avx2", "clzero")).orElseThrow();
    assertTrue(lacks.contains("it lacks clzero"), lacks);
  }

  @Test
  void whereFeaturesAreNotKnownTheNameCounts() {
    assertTrue(measured("", 0).lacksFor(needs("icelake", "avx2")).isPresent());
    assertEquals(Optional.empty(), measured("", 0).lacksFor(needs("zen4", "avx2")));
    assertEquals(Optional.empty(), measured("", 0, "avx2").lacksFor(needs("x86_64_v3")));
  }
}

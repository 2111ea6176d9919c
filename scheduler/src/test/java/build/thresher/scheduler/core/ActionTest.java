package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.action;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** What is different for actions; all else of the life of a task is the same. */
class ActionTest {
  private final CoreDriver d = new CoreDriver();

  private void register(PlatformProperty... offered) {
    d.register("e", offering(CoreDriver.LINUX.sandbox(), offered));
  }

  private static Capabilities offering(String sandbox, PlatformProperty... offered) {
    Capabilities linux = CoreDriver.LINUX;
    return new Capabilities(
        linux.platform(),
        linux.operatingSystem(),
        linux.target(),
        linux.compatibleTargets(),
        linux.externals(),
        linux.labels(),
        sandbox,
        linux.memoryBytes(),
        linux.cpus(),
        ImmutableSet.copyOf(offered),
        ImmutableSet.of());
  }

  private Effect.Grant lease() {
    return Objects.requireNonNull(d.lease("e"), "a lease");
  }

  private static PlatformProperty property(String name, String value) {
    return new PlatformProperty(name, value);
  }

  private boolean publishes() {
    return d.effects.stream().anyMatch(e -> e instanceof Effect.Publish);
  }

  @Test
  void theSameActionRunsOnceForAllWhoAsk() {
    register();
    d.submit("r", "alice", action("a", false));
    d.submit("s", "bob", action("a", false));
    d.ran(lease(), 0);
    assertNull(d.lease("e"));
    assertTrue(publishes());
    assertEquals(TaskState.PUBLISHING, d.stateOf("r", action("a", false).key().hash()));
  }

  @Test
  void anExitCodeThatIsNotZeroIsAResultThatIsNotPublished() {
    register();
    Definition wanted = action("a", false);
    d.submit("r", "alice", wanted);
    d.ran(lease(), 3);
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
    Outputs outputs = d.snapshot("r", wanted.key().hash()).ending().outputs();
    assertEquals(3, assertInstanceOf(ActionOutputs.class, outputs).exitCode());
    assertTrue(!publishes());
    assertTrue(d.remembered.isEmpty());
  }

  @Test
  void aResultThatIsNobodyElsesIsNeitherSharedNorPublished() {
    register();
    Definition mine = action("a", true);
    Definition his = action("a", true, property("any", "x"));
    assertNotEquals(mine.key(), his.key());
    register(property("any", "*"));
    d.submit("r", "alice", mine);
    d.submit("s", "bob", his);
    d.ran(lease(), 0);
    d.ran(lease(), 0);
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("s"));
    assertTrue(!publishes());
  }

  @Test
  void aFailureOfAnActionIsNotRememberedAndItsMissingBlobsReachWhoeverWaits() {
    register();
    Definition wanted = action("a", false);
    d.submit("r", "alice", wanted);
    Failure lost =
        new Failure(
            FailureClass.INPUT,
            "an input is gone",
            false,
            ImmutableList.of(CoreDriver.digest("input")));
    d.apply(new Event.Complete(lease().fence(), Ending.failure(lost)));
    Failure heard = Objects.requireNonNull(d.snapshot("r", wanted.key().hash()).ending().failure());
    assertEquals(ImmutableList.of(CoreDriver.digest("input")), heard.missingBlobs());
    assertEquals(RequestState.FAILED, d.finished.get("r"));
    assertTrue(d.remembered.isEmpty());
    d.submit("s", "alice", wanted);
    assertNotNull(d.lease("e"), "asked again, it runs again");
  }

  @Test
  void aResultThatLostABlobRunsAgain() {
    register();
    d.submit("r", "alice", action("a", false));
    Effect.Grant first = lease();
    d.ran(first, 0);
    d.apply(
        new Event.PublishRefused(
            first.fence(), new Failure(FailureClass.INFRASTRUCTURE, "a blob was lost")));
    Effect.Grant second = lease();
    d.ran(second, 0);
    d.apply(new Event.PublishDone(second.fence()));
    assertEquals(RequestState.SUCCEEDED, d.finished.get("r"));
  }

  @Test
  void propertiesMatchWhateverTheirCaseAndByTheirUsualOtherNames() {
    register(property("OSFamily", "Linux"), property("ISA", "x86-64"), property("Pool", "a"));
    d.submit(
        "r", "alice", action("a", false, property("OSFamily", "linux"), property("Arch", "amd64")));
    assertNotNull(d.lease("e"));
  }

  @Test
  void oneNameMayHaveSeveralValuesAndEachThatIsAskedForMustBeOffered() {
    register(property("gpu", "a100"), property("gpu", "h100"), property("container-image", "*"));
    d.submit(
        "r",
        "alice",
        action(
            "a",
            false,
            property("gpu", "a100"),
            property("gpu", "H100"),
            property("container-image", "docker://anything")));
    assertNotNull(d.lease("e"));
  }

  @Test
  void anActionThatNobodyCanRunFailsAtOnceAndSaysWhy() {
    register(property("OSFamily", "linux"));
    Definition wanted = action("a", false, property("OSFamily", "windows"));
    d.submit("r", "alice", wanted);
    Failure failure =
        Objects.requireNonNull(d.snapshot("r", wanted.key().hash()).ending().failure());
    assertEquals(FailureClass.UNSCHEDULABLE, failure.failureClass());
    assertTrue(failure.message().contains("osfamily=windows, but linux"), () -> failure.message());
  }

  @Test
  void withoutASandboxOnlyActionsOfInstancesThatAllowItRun() {
    Definition wanted = action("a", false);
    d.register("e", offering(Capabilities.PLAIN));
    d.submit("r", "alice", wanted);
    assertNull(d.lease("e"));
    Failure refused =
        Objects.requireNonNull(d.snapshot("r", wanted.key().hash()).ending().failure());
    assertEquals(FailureClass.UNSCHEDULABLE, refused.failureClass());
    assertTrue(refused.message().contains("e: it has no sandbox"), refused.message());

    CoreDriver allowing = new CoreDriver(allowing(wanted.key().instance()));
    allowing.register("e", offering(Capabilities.PLAIN));
    allowing.submit("r", "alice", wanted);
    assertNotNull(allowing.lease("e"));
    allowing.submit("s", "alice", CoreDriver.task("b", "r"));
    assertNull(allowing.lease("e"), "packages want a sandbox whatever the instance");
  }

  private static CoreOptions allowing(String instance) {
    CoreOptions d = CoreOptions.DEFAULTS;
    return new CoreOptions(
        d.leaseTerm(),
        d.executorTimeout(),
        d.schedulingGrace(),
        d.maxAttempts(),
        d.failureTtl(),
        d.maxTasksPerClient(),
        d.maxTasks(),
        ImmutableSet.of(instance));
  }
}

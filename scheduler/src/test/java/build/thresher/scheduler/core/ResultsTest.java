package build.thresher.scheduler.core;

import static build.thresher.scheduler.core.CoreDriver.task;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What has run is published, once, or it has failed. */
class ResultsTest {
  private final CoreDriver d = new CoreDriver();

  @BeforeEach
  void oneExecutor() {
    d.register("e");
  }

  @Test
  void aRefusedArchiveFailsTheTaskAndIsRemembered() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant a = d.next("e");
    d.built(a);
    d.apply(
        new Event.PublishRefused(
            a.fence(), new Failure(FailureClass.INPUT, "an entry outside its prefix")));
    assertEquals(TaskState.FAILED, d.stateOf("r", "a"));
    assertEquals(1, d.remembered.size());
  }

  @Test
  void whatCouldNotBePublishedNowIsPublishedLater() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant a = d.next("e");
    d.built(a);
    d.apply(new Event.PublishFailed(a.fence(), "no room"));
    d.effects.clear();
    d.pass(Duration.ofSeconds(3));
    assertTrue(d.effects.stream().anyMatch(Effect.Publish.class::isInstance));
    d.apply(new Event.PublishDone(a.fence()));
    assertEquals(TaskState.SUCCEEDED, d.stateOf("r", "a"));
  }

  @Test
  void completingTwiceIsCompletingOnce() {
    d.submit("r", "alice", task("a", "r"));
    Effect.Grant a = d.next("e");
    d.built(a);
    assertInstanceOf(Reply.Done.class, d.built(a));
    long publishes = d.effects.stream().filter(Effect.Publish.class::isInstance).count();
    assertEquals(1, publishes);
  }
}

package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assumptions.abort;

import build.thresher.deploy.conformance.Conformance;
import build.thresher.deploy.conformance.NotOfferedException;
import build.thresher.deploy.conformance.Subject;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Every rule of the Remote Execution API that {@code thresher conformance} knows, on a farm. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ConformanceTest {
  private final FarmUnderTest farm;
  private final ManagedChannel channel;

  ConformanceTest(@TempDir Path directory) throws Exception {
    farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            "access.client_results=true",
            "sources.allow_private_addresses=true");
    channel = farm.connect();
  }

  @AfterAll
  void stop() throws Exception {
    channel.shutdownNow();
    farm.close();
  }

  @TestFactory
  Stream<DynamicTest> everyRuleIsKept() {
    Subject subject = new Subject(channel, "", RandomGenerator.getDefault());
    return Conformance.rules().stream()
        .map(
            rule ->
                DynamicTest.dynamicTest(
                    rule.name(),
                    () -> {
                      try {
                        rule.check().on(subject);
                      } catch (NotOfferedException e) {
                        abort(e.getMessage());
                      }
                    }));
  }
}

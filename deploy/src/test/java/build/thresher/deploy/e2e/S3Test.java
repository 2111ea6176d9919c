package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Unmodified Spack releases with their boto3, which push to the farm as to a bucket and read from
 * it.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(900)
class S3Test {
  private FarmUnderTest farm;

  @BeforeAll
  void start(@TempDir Path farmDirectory) throws Exception {
    farm =
        FarmUnderTest.start(
            farmDirectory.resolve("farm"),
            "mirror.pushed=[review, older, copy]",
            "mirror.unsigned=[review, older, copy]",
            "executor.local=false");
  }

  @AfterAll
  void stop() throws Exception {
    farm.close();
  }

  private String endpoint() {
    return "http://" + farm.httpAddress() + "/s3";
  }

  private void goesRound(SpackWorld world, Path directory, String bucket) throws Exception {
    Processes.Ended boto = world.spack("python", "-c", "import boto3");
    assumeTrue(boto.exit() == 0, "SKIPPED: Spack's Python has no boto3 (pip install boto3)");
    List<String> mirror =
        List.of(
            "--s3-endpoint-url",
            endpoint(),
            "--s3-access-key-id",
            "me",
            "--s3-access-key-secret-variable",
            "FARM_TOKEN",
            "farm",
            "s3://" + bucket);
    // Where the command `aws` is there, Spack lists with that, which knows nothing of the mirror's
    // options.
    Map<String, String> environment =
        Map.of(
            "AWS_ENDPOINT_URL", endpoint(),
            "AWS_ACCESS_KEY_ID", "me",
            "AWS_SECRET_ACCESS_KEY", Files.readString(farm.tokenFile()).strip(),
            "AWS_DEFAULT_REGION", "us-east-1",
            "AWS_EC2_METADATA_DISABLED", "true");
    new PushedAround(farm, world, directory, environment)
        .goes(mirror, "http://" + farm.httpAddress() + "/mirror/" + bucket);
  }

  @Test
  void theSpackAtHandPushesListsAndInstalls(@TempDir Path directory) throws Exception {
    goesRound(SpackWorld.make(directory.resolve("world")), directory, "review");
  }

  @Test
  @Tag("long")
  void anotherSpackPushesListsAndInstalls(@TempDir Path directory) throws Exception {
    goesRound(SpackWorld.makeOfAnotherSpack(directory.resolve("world")), directory, "older");
  }
}

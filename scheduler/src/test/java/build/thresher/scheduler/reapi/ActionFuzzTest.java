package build.thresher.scheduler.reapi;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Directory;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.MemoryBlobs;
import build.thresher.scheduler.wire.RecentMessages;
import build.thresher.scheduler.wire.Wire;
import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** Actions, commands and input roots of strangers, and names of operations. */
class ActionFuzzTest extends HostileBytes {
  private static final Scope SCOPE = Scope.farm("default");
  private static final Duration LONGEST = Duration.ofHours(1);
  private static final Command HONEST_COMMAND =
      Command.newBuilder().addArguments("/bin/true").addOutputPaths("out/a").build();

  @Hostile
  void anActionIsRefusedOrMayRun(byte[] action) throws IOException {
    MemoryBlobs blobs = new MemoryBlobs();
    blobs.add(HONEST_COMMAND.toByteArray());
    check(blobs, blobs.add(action));
  }

  @Hostile
  void aCommandIsRefusedOrItsPathsStayBelowTheInputRoot(byte[] command) throws IOException {
    MemoryBlobs blobs = new MemoryBlobs();
    Digest action = action(blobs, blobs.add(command), blobs.add(new byte[0]));
    if (check(blobs, action)) {
      Command accepted = Command.parseFrom(command);
      accepted.getOutputPathsList().forEach(ActionFuzzTest::assertBelow);
      assertBelow(accepted.getWorkingDirectory());
    }
  }

  @Hostile
  void aDirectoryIsRefusedOrItsNamesAreNames(byte[] directory) throws IOException {
    MemoryBlobs blobs = new MemoryBlobs();
    blobs.add(new byte[] {'x'});
    Digest action = action(blobs, blobs.add(HONEST_COMMAND.toByteArray()), blobs.add(directory));
    if (check(blobs, action)) {
      Directory accepted = Directory.parseFrom(directory);
      accepted.getFilesList().forEach(f -> assertName(f.getName()));
      accepted.getDirectoriesList().forEach(d -> assertName(d.getName()));
      accepted.getSymlinksList().forEach(l -> assertName(l.getName()));
    }
  }

  @Hostile
  void aNameOfAnOperationIsRefusedOrNamesARequest(byte[] utf8) {
    OperationTexts.requestId(new String(utf8, StandardCharsets.UTF_8))
        .ifPresent(id -> assertFalse(id.contains("/")));
  }

  private static Digest action(MemoryBlobs blobs, Digest command, Digest root) {
    return blobs.add(
        Action.newBuilder()
            .setCommandDigest(Wire.digest(command))
            .setInputRootDigest(Wire.digest(root))
            .build()
            .toByteArray());
  }

  private static boolean check(MemoryBlobs blobs, Digest action) throws IOException {
    try {
      Actions.Checked checked =
          new Actions(blobs, new RecentMessages(blobs, 0), LONGEST).check(SCOPE, action);
      assertFalse(checked.timeout().isNegative());
      assertTrue(checked.timeout().compareTo(LONGEST) <= 0);
      return true;
    } catch (ActionRefused e) {
      return false;
    }
  }

  @Hostile
  void whatACallSaysOfItselfIsShortAndOfOneLine(byte[] header) {
    String name = Invocation.describe(header);
    assertFalse(name.isEmpty());
    assertTrue(name.length() <= Invocation.MAX_NAME, name);
    assertTrue(name.chars().noneMatch(Character::isISOControl), name);
  }

  private static void assertBelow(String path) {
    assertFalse(path.startsWith("/") || path.indexOf('\0') >= 0, path);
    for (String part : path.split("/", -1)) {
      assertFalse(part.equals("..") || part.equals("."), path);
    }
  }

  private static void assertName(String name) {
    assertFalse(name.isEmpty() || name.contains("/") || name.indexOf('\0') >= 0, name);
    assertFalse(name.equals(".") || name.equals(".."), name);
  }
}

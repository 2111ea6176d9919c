package build.thresher.executor.outputs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.executor.sandbox.KillSwitch;
import java.io.FileNotFoundException;
import java.io.IOException;
import org.junit.jupiter.api.Test;

final class PatienceTest {
  private final KillSwitch kill = new KillSwitch();
  private int attempts;

  @Test
  void aStoreThatComesBackGetsTheUpload() throws Exception {
    assertEquals(3, Patience.whileUnavailable(kill, () -> awayBefore(3)));
  }

  @Test
  void aKilledBuildIsNotUploadedAgain() {
    kill.kill();
    assertThrows(
        StoreUnavailableException.class,
        () -> Patience.whileUnavailable(kill, () -> awayBefore(2)));
    assertEquals(1, attempts);
  }

  @Test
  void whatTheStoreIsNotToBlameForEndsAtOnce() {
    assertThrows(
        FileNotFoundException.class, () -> Patience.whileUnavailable(kill, this::fileGone));
    assertEquals(1, attempts);
  }

  private int awayBefore(int attempt) throws IOException {
    attempts++;
    if (attempts < attempt) {
      throw new StoreUnavailableException("away", null);
    }
    return attempts;
  }

  private int fileGone() throws IOException {
    attempts++;
    throw new FileNotFoundException("gone");
  }
}

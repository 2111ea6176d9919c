package build.thresher.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class TerminalProgressTest {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final AtomicLong now = new AtomicLong();
  private final TerminalProgress progress =
      new TerminalProgress(
          new PrintStream(bytes, true, StandardCharsets.UTF_8), NodeNames.NONE, now::get, () -> 30);

  @Test
  void whatRunsIsDrawnAnewAndWhatEndedStays() {
    Task running = Farmed.task(TaskState.TASK_LEASED, "a phase with a very long name indeed");
    progress.accepted(Farmed.request(RequestState.REQUEST_ACTIVE, running));
    taken();
    now.addAndGet(4_000_000_000L);
    progress.redraw();
    assertEquals(
        "\u001b[2A\r\u001b[J[ ] abcdefg zlib@1.3 a phase \n0 of 1 done, 1 building\n", taken());

    progress.task(Farmed.task(TaskState.TASK_SUCCEEDED, ""));

    assertEquals("\u001b[2A\r\u001b[J[+] abcdefg zlib@1.3 (4s)\n", taken());
    progress.redraw();
    assertEquals("", taken());
  }

  @Test
  void controlCharactersOfABuildDoNotReachTheTerminal() {
    progress.task(Farmed.failed("\u001b]0;title\u0007 \u009b2J \u202e"));

    assertTrue(taken().chars().allMatch(c -> c == '\n' || (c >= ' ' && c <= '~')));
  }

  private String taken() {
    String text = bytes.toString(StandardCharsets.UTF_8);
    bytes.reset();
    return text;
  }
}

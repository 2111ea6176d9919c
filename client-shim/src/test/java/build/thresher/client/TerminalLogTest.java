package build.thresher.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class TerminalLogTest {
  @Test
  void textLinesAndColoursPass() throws Exception {
    for (String text :
        new String[] {
          "plain\n", "a\tb\r\n", "\u001b[1;31merror:\u001b[0m é ü § 漢 😀\n", "\u001b[m"
        }) {
      assertEquals(text, shown(text));
    }
  }

  @Test
  void whatATerminalWouldObeyDoesNot() throws Exception {
    assertEquals("?]0;title?", shown("\u001b]0;title\u0007"));
    assertEquals("?]52;c;AAAA?\\", shown("\u001b]52;c;AAAA\u001b\\"));
    assertEquals("?[2J?[10;1H?[?25l", shown("\u001b[2J\u001b[10;1H\u001b[?25l"));
    assertEquals("?2J", shown("\u009b2J"));
    assertEquals("??[31mx?c", shown("\u001b\u0000[31mx\u001bc"));
    assertEquals("?\u001b[1mx", shown("\u001b\u001b[1mx"));
    assertEquals("?[" + "1;".repeat(16) + "m", shown("\u001b[" + "1;".repeat(16) + "m"));
  }

  private static String shown(String text) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (OutputStream log = new TerminalLog(bytes)) {
      log.write(text.getBytes(StandardCharsets.UTF_8));
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}

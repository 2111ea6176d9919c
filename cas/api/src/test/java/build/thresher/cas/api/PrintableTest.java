package build.thresher.cas.api;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class PrintableTest {
  @Test
  void whatATerminalObeysOrHidesIsReplaced() {
    for (String unfit :
        new String[] {
          "\0", "\n", "\r", "\u001b", "\u007f", "\u0085", "\u009b", "\u202e", "\u2066", "\u200b",
          "\ufeff", "\u2028", "\u2029", "\ud800"
        }) {
      assertEquals(
          "a?b", Printable.of("a" + unfit + "b", 10), "%04x".formatted((int) unfit.charAt(0)));
    }
  }

  @Test
  void namesOfAllLanguagesStayAndLongOnesAreCut() {
    String names = "naïve größe 名前 имя 🌾 a\u00a0b";
    assertEquals(names, Printable.of(names, 100));
    assertEquals("abc…", Printable.of("abcdef", 3));
  }

  @Test
  void aCutInTheMiddleOfACharacterLeavesNoHalf() {
    assertEquals("a?…", Printable.of("a🌾b", 2));
  }
}

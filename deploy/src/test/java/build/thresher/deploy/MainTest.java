package build.thresher.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class MainTest {
  private record Ran(int exitCode, String out, String err) {}

  private static synchronized Ran run(String... arguments) {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    ByteArrayOutputStream complained = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
    try {
      int exitCode = Main.run(arguments);
      return new Ran(
          exitCode,
          printed.toString(StandardCharsets.UTF_8),
          complained.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }

  private static List<String> commands() {
    return commandsIn(run("help"));
  }

  private static List<String> commandsIn(Ran help) {
    return help.out()
        .lines()
        .dropWhile(line -> !line.startsWith("Commands:"))
        .filter(line -> line.matches("  [a-z]+ .*"))
        .map(line -> line.trim().split(" ", 2)[0])
        .toList();
  }

  @Test
  void everyCommandExplainsItselfUnderItsName() {
    List<String> commands = commands();
    assertTrue(commands.containsAll(List.of("serve", "demo", "build", "status", "mirror")));
    for (String command : commands) {
      for (Ran ran : List.of(run(command, "--help"), run("help", command))) {
        assertEquals(0, ran.exitCode(), ran.err());
        assertTrue(ran.out().contains("Usage: thresher " + command), ran.out());
        for (String below : commandsIn(ran)) {
          Ran help = run(command, below, "--help");
          assertEquals(0, help.exitCode(), command + " " + below + ": " + help.err());
        }
      }
    }
  }

  @Test
  void aWrongNameIsAnsweredWithThoseThatItCouldBe() {
    Ran ran = run("statsu");
    assertEquals(2, ran.exitCode());
    assertTrue(ran.err().contains("thresher status"), ran.err());
  }

  @Test
  void noCommandAtAllIsAnsweredWithAllOfThem() {
    Ran ran = run();
    assertEquals(2, ran.exitCode());
    assertTrue(ran.err().contains("serve"), ran.err());
  }

  @Test
  void completionKnowsAllCommands() {
    String script = run("completion", "bash").out();
    for (String command : commands()) {
      assertTrue(script.contains(command), command);
    }
  }
}

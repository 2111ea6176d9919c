package build.thresher.executor.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Users of the host, claimed. Processes of their own are tested with whole executors. */
final class BuildUsersTest {
  private final Path directory;
  private final Path passwd;

  BuildUsersTest(@TempDir Path temporary) throws Exception {
    directory = temporary.resolve("locks");
    passwd =
        Files.writeString(
            temporary.resolve("passwd"), "root:x:0:0:\nann:x:103:103:Ann:/home/ann:/bin/sh\n");
  }

  private BuildUsers claim(int builds, int actions) throws Exception {
    return BuildUsers.claim(directory, passwd, 100, builds, actions);
  }

  @Test
  void whatOneHasAnotherDoesNotGet() throws Exception {
    try (BuildUsers first = claim(1, 1);
        BuildUsers second = claim(0, 2)) {
      assertEquals("100 to 101", first.toString());
      assertEquals("104 to 105", second.toString());
      assertEquals(100, first.ofSlot(0));
      assertEquals(List.of(101), first.ofActions());
      assertEquals(List.of(104, 105), second.ofActions());
    }
  }

  @Test
  void accountsOfTheHostArePassedOver() throws Exception {
    try (BuildUsers users = claim(3, 1)) {
      assertEquals("104 to 107", users.toString());
    }
  }

  @Test
  void whatIsGivenBackCanBeHadAgain() throws Exception {
    claim(1, 1).close();
    try (BuildUsers users = claim(1, 1)) {
      assertEquals("100 to 101", users.toString());
    }
  }
}

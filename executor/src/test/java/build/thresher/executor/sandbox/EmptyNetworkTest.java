package build.thresher.executor.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.inputs.FileTrees;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands without network: one may have the network of an earlier one that never used it. */
final class EmptyNetworkTest {
  private static final String WHICH = "readlink /proc/self/ns/net";

  /** A server and its client, on a port that is not reused while the kernel waits for packets. */
  private static final String CONNECTION =
      """
      python3 -c "
      import socket
      server = socket.socket()
      server.bind(('127.0.0.1', 7777))
      server.listen()
      client = socket.create_connection(('127.0.0.1', 7777))
      accepted = server.accept()[0]
      accepted.close()
      client.recv(1)
      client.close()
      print('connected')
      "
      """;

  private final Path temporary;
  private Sandbox sandbox;
  private Path own;

  EmptyNetworkTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void prepare() throws Exception {
    assumeTrue(TestSandbox.ROOT, "an ordinary user may not make networks for others");
    sandbox = TestSandbox.open(temporary);
    own = TestSandbox.writable(temporary.resolve("own"));
  }

  @AfterEach
  void close() throws Exception {
    if (sandbox != null) {
      sandbox.close();
    }
    FileTrees.delete(temporary.resolve("etc"));
  }

  private String run(String script, boolean network) throws Exception {
    return TestSandbox.run(sandbox, own, "/tmp", script, network);
  }

  private String run(String script) throws Exception {
    return run(script, false);
  }

  private void assumeNetworksAreKept() throws Exception {
    assumeTrue(
        run(WHICH).equals(run(WHICH)),
        "without control groups nobody knows that a command's processes are gone, and each has a"
            + " network of its own");
  }

  @Test
  void itIsNeverThatOfTheHost() throws Exception {
    String host = Files.readSymbolicLink(Path.of("/proc/self/ns/net")).toString();
    for (int i = 0; i < 5; i++) {
      assertNotEquals(host, run(WHICH));
      assertEquals(host, run(WHICH, true));
    }
  }

  /** Were it the same one, the port would be taken by what is left of the connection before. */
  @Test
  void aConnectionIsMetByNobody() throws Exception {
    for (int i = 0; i < 3; i++) {
      assertEquals("connected", run(CONNECTION));
    }
  }

  @Test
  void whoeverUsedItHadItLast() throws Exception {
    assumeNetworksAreKept();
    String before = run(WHICH);
    assertEquals("connected", run(CONNECTION));
    assertNotEquals(before, run(WHICH));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('::1', 9))",
        "socket.socket().connect_ex(('127.0.0.1', 9))",
        "socket.socket().connect_ex(('192.0.2.1', 9))",
        "socket.socket(type=socket.SOCK_DGRAM).connect_ex(('192.0.2.1', 9))",
        "socket.socket(socket.AF_INET6).connect_ex(('2001:db8::1', 9))",
      })
  void whatTheKernelCountsIsUse(String use) throws Exception {
    assumeNetworksAreKept();
    String before = run(WHICH);
    run("python3 -c \"import socket; " + use + "\"");
    assertNotEquals(before, run(WHICH));
  }

  @Test
  void whatEndsWithItsProcessIsNone() throws Exception {
    assumeNetworksAreKept();
    String before = run(WHICH);
    String listens =
        "import socket; socket.create_server(('127.0.0.1', 7777));"
            + " socket.socket(socket.AF_UNIX).bind(chr(0) + 'name'); print('bound')";
    assertEquals("bound", run("python3 -c \"" + listens + "\""));
    assertEquals(before, run(WHICH));
    assertEquals("bound", run("python3 -c \"" + listens + "\""));
  }

  @Test
  void twoCommandsHaveTwo() throws Exception {
    String waits =
        WHICH
            + "; mktemp /tmp/XXXXXX > /tmp/last; while [ $(ls /tmp | wc -l) -lt 3 ]; do sleep 0.01; done";
    FutureTask<String> other = new FutureTask<>(() -> run(waits));
    Thread.ofVirtual().start(other);
    assertNotEquals(run(waits), other.get());
  }

  /** It is out of use when nobody is left, not when its command has ended. */
  @Test
  void whoStaysBehindTheCommandIsGoneBeforeTheNext() throws Exception {
    for (int i = 0; i < 5; i++) {
      run(
          "setsid python3 -c \"import socket,time; socket.create_server(('127.0.0.1', 7777)); time.sleep(99)\" & sleep 0.1");
      assertEquals("connected", run(CONNECTION));
    }
  }
}

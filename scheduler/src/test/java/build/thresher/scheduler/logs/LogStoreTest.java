package build.thresher.scheduler.logs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogStoreTest {
  @TempDir Path directory = Path.of("");

  @Test
  void logsDoNotTouchTheDisksReserveAndStopNoBuild() throws Exception {
    byte[] data = new byte[100_000];
    assertEquals(data.length, append(Long.MAX_VALUE, data), "a build would wait");
    assertArrayEquals(new byte[0], read(Long.MAX_VALUE));
    assertEquals(data.length, append(0, data));
    assertArrayEquals(data, read(0));
  }

  private long append(long reserve, byte[] data) throws Exception {
    return new LogStore(directory, reserve)
        .append("default/operations/1", LogStream.BUILD, 0, data);
  }

  private byte[] read(long reserve) throws Exception {
    return new LogStore(directory, reserve)
        .read("default/operations/1", LogStream.BUILD, 0, 1_000_000);
  }
}

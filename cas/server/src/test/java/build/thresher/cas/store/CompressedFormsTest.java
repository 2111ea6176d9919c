package build.thresher.cas.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.store.CompressedForms.Form;
import build.thresher.cas.store.CompressedForms.Recorder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompressedFormsTest {
  private static final int FORM_BYTES = 100_000;

  @TempDir private Path temp;

  private static Digest blob(int number) {
    return new Digest(number, 0, 0, 0, 1 << 20);
  }

  /** What stands for a form here: nothing looks into it. */
  private static byte[] form(int number) {
    byte[] bytes = new byte[FORM_BYTES];
    new Random(number).nextBytes(bytes);
    return bytes;
  }

  private static void keep(CompressedForms forms, int number) {
    try (Recorder recorder = forms.record(blob(number))) {
      ByteBuffer bytes = ByteBuffer.wrap(form(number));
      recorder.write(bytes.slice(0, 70_000));
      recorder.write(bytes.slice(70_000, FORM_BYTES - 70_000));
      recorder.keep();
    }
  }

  private static byte @Nullable [] read(CompressedForms forms, int number) throws IOException {
    Form form = forms.read(blob(number));
    if (form == null) {
      return null;
    }
    try (InputStream in = form.bytes()) {
      return in.readAllBytes();
    }
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(temp)) {
      return files.toList();
    }
  }

  @Test
  void whatWasKeptIsReadUntilTheNextStart() throws IOException {
    CompressedForms forms = CompressedForms.open(temp, 1 << 20);
    keep(forms, 1);
    keep(forms, 1);
    assertArrayEquals(form(1), read(forms, 1));
    assertNull(read(forms, 2));
    assertEquals(1, files().size());
    assertNull(read(CompressedForms.open(temp, 1 << 20), 1));
    assertEquals(List.of(), files());
  }

  @Test
  void theLeastRecentlyReadGiveWay() throws IOException {
    CompressedForms forms = CompressedForms.open(temp, 4 * FORM_BYTES);
    for (int i = 1; i <= 4; i++) {
      keep(forms, i);
    }
    assertNotNull(read(forms, 1));
    keep(forms, 5);
    assertNull(read(forms, 2));
    assertArrayEquals(form(1), read(forms, 1));
    assertArrayEquals(form(5), read(forms, 5));
    assertEquals(4, files().size());
  }

  @Test
  void whatIsReadIsReadToItsEndWhenItGivesWay() throws IOException {
    CompressedForms forms = CompressedForms.open(temp, 4 * FORM_BYTES);
    keep(forms, 0);
    Form open = forms.read(blob(0));
    assertNotNull(open);
    for (int i = 1; i <= 4; i++) {
      keep(forms, i);
    }
    assertNull(read(forms, 0));
    try (InputStream in = open.bytes()) {
      assertArrayEquals(form(0), in.readAllBytes());
    }
  }

  @Test
  void whatIsNotWholeNotSmallerOrTooLargeIsNotKept() throws IOException {
    CompressedForms forms = CompressedForms.open(temp, 4 * FORM_BYTES);
    try (Recorder recorder = forms.record(blob(1))) {
      recorder.write(ByteBuffer.wrap(form(1)));
    }
    try (Recorder recorder = forms.record(blob(2))) {
      recorder.write(ByteBuffer.wrap(new byte[FORM_BYTES + 1]));
      recorder.keep();
    }
    Digest small = new Digest(3, 0, 0, 0, FORM_BYTES);
    try (Recorder recorder = forms.record(small)) {
      recorder.write(ByteBuffer.wrap(new byte[10]));
      recorder.keep();
    }
    Digest incompressible = new Digest(4, 0, 0, 0, 300_000);
    CompressedForms large = CompressedForms.open(temp, 1L << 30);
    try (Recorder recorder = large.record(incompressible)) {
      recorder.write(ByteBuffer.wrap(new byte[300_000]));
      recorder.keep();
    }
    assertNull(read(forms, 1));
    assertNull(read(forms, 2));
    assertNull(forms.read(small));
    assertNull(large.read(incompressible));
    assertEquals(List.of(), files());
  }

  @Test
  void aDamagedFormIsNoticedAndForgotten() throws IOException {
    CompressedForms forms = CompressedForms.open(temp, 1 << 20);
    keep(forms, 1);
    byte[] damaged = form(1);
    damaged[80_000]++;
    Files.write(files().getFirst(), damaged);
    assertThrows(StoreUnavailableException.class, () -> read(forms, 1));
    assertNull(read(forms, 1));
    keep(forms, 1);
    Files.delete(files().getFirst());
    assertNull(read(forms, 1));
    keep(forms, 1);
    assertArrayEquals(form(1), read(forms, 1));
  }
}

package build.thresher.client;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;

/**
 * What a build printed, on its way to a terminal: text, line breaks and colours pass, everything
 * else that a terminal would obey (titles, its clipboard, moving over what stands there) is shown
 * as a question mark. For terminals that speak UTF-8. Not threadsafe.
 */
final class TerminalLog extends FilterOutputStream {
  private static final int ESCAPE = 0x1b;
  private static final int LONGEST_COLOUR = 32;

  /** First byte of U+0080 to U+00BF in UTF-8, of which the lower half are controls. */
  private static final int LEADS_CONTROL = 0xc2;

  private final byte[] colour = new byte[LONGEST_COLOUR];
  private int held;

  TerminalLog(OutputStream terminal) {
    super(terminal);
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    for (int i = offset; i < offset + length; i++) {
      write(bytes[i]);
    }
  }

  @Override
  public void write(int b) throws IOException {
    int c = b & 0xff;
    if (held > 0) {
      hold(c);
    } else if (c == ESCAPE || c == LEADS_CONTROL) {
      colour[held++] = (byte) c;
    } else {
      out.write(isText(c) ? c : '?');
    }
  }

  private static boolean isText(int c) {
    return (c >= ' ' && c != 0x7f) || c == '\n' || c == '\r' || c == '\t';
  }

  /** The next byte of what may become a colour, or a character of two bytes. */
  private void hold(int c) throws IOException {
    if (colour[0] == (byte) LEADS_CONTROL) {
      held = 0;
      if (c >= 0xa0 && c <= 0xbf) {
        out.write(LEADS_CONTROL);
        out.write(c);
      } else {
        out.write('?');
        if (c < 0x80 || c > 0xbf) {
          write(c);
        }
      }
      return;
    }
    boolean goesOn = held == 1 ? c == '[' : (c >= '0' && c <= '9') || c == ';';
    if (c == 'm' && held > 1) {
      colour[held++] = (byte) c;
      out.write(colour, 0, held);
      held = 0;
    } else if (goesOn && held < LONGEST_COLOUR - 1) {
      colour[held++] = (byte) c;
    } else {
      int shown = held;
      held = 0;
      out.write('?');
      for (int i = 1; i < shown; i++) {
        out.write(colour[i]);
      }
      write(c);
    }
  }
}

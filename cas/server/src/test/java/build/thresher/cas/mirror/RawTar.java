package build.thresher.cas.mirror;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.GZIPOutputStream;

/** A tar file as blocks, to change one thing of what a real writer wrote. */
final class RawTar {
  private static final int BLOCK = 512;

  final List<Member> members = new ArrayList<>();
  byte[] end = new byte[2 * BLOCK];

  /** One header with its content; PAX headers are members of their own. */
  static final class Member {
    final byte[] header;
    byte[] content;
    boolean fixChecksum = true;

    Member(byte[] header, byte[] content) {
      this.header = header;
      this.content = content;
    }

    static Member of(char type, String name, String link, byte[] content) {
      Member m = new Member(new byte[BLOCK], content);
      m.text(0, 100, name).text(100, 8, "0000755").text(108, 8, "0000000");
      m.text(116, 8, "0000000").text(124, 12, "%011o".formatted(content.length));
      m.text(136, 12, "00000000000").type(type).text(157, 100, link);
      m.text(257, 8, "ustar\00000");
      return m;
    }

    static Member pax(String... records) {
      StringBuilder all = new StringBuilder();
      for (String record : records) {
        int length = record.getBytes(StandardCharsets.UTF_8).length + 2;
        int total = length + Integer.toString(length).length();
        total = length + Integer.toString(total).length();
        all.append(total).append(' ').append(record).append('\n');
      }
      return of('x', "././@PaxHeader", "", all.toString().getBytes(StandardCharsets.UTF_8));
    }

    static Member gnuLong(char type, String text) {
      Member m = of(type, "././@LongLink", "", (text + "\0").getBytes(StandardCharsets.UTF_8));
      return m.text(257, 8, "ustar  ");
    }

    char type() {
      return (char) header[156];
    }

    Member type(char type) {
      header[156] = (byte) type;
      return this;
    }

    Member text(int offset, int length, String text) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      Arrays.fill(header, offset, offset + length, (byte) 0);
      System.arraycopy(bytes, 0, header, offset, Math.min(bytes.length, length));
      return this;
    }

    Member mode(String octal) {
      return text(100, 8, octal);
    }

    Member content(String text) {
      content = text.getBytes(StandardCharsets.UTF_8);
      return text(124, 12, "%011o".formatted(content.length));
    }

    String paxPath() {
      String text = new String(content, StandardCharsets.UTF_8);
      return text.replaceFirst("(?s).*?path=([^\n]*)\n.*", "$1");
    }
  }

  static RawTar parse(byte[] tar) {
    RawTar raw = new RawTar();
    int at = 0;
    while (tar[at] != 0) {
      byte[] header = Arrays.copyOfRange(tar, at, at + BLOCK);
      int size =
          Integer.parseInt(new String(header, 124, 11, StandardCharsets.US_ASCII).strip(), 8);
      at += BLOCK;
      raw.members.add(new Member(header, Arrays.copyOfRange(tar, at, at + size)));
      at += (size + BLOCK - 1) / BLOCK * BLOCK;
    }
    raw.end = Arrays.copyOfRange(tar, at, tar.length);
    return raw;
  }

  /** The member that holds the entry of this path: its name may stand in a PAX header before. */
  Member find(String path) {
    for (int i = 0; i < members.size(); i++) {
      Member m = members.get(i);
      if (m.type() == 'x') {
        if (strip(m.paxPath()).equals(path)) {
          return members.get(i + 1);
        }
      } else if (strip(new String(m.header, 0, 100, StandardCharsets.UTF_8)).equals(path)) {
        return m;
      }
    }
    throw new IllegalArgumentException("no entry " + path);
  }

  private static String strip(String name) {
    int nul = name.indexOf('\0');
    String text = nul < 0 ? name : name.substring(0, nul);
    return text.endsWith("/") ? text.substring(0, text.length() - 1) : text;
  }

  RawTar change(String path, Consumer<Member> change) {
    change.accept(find(path));
    return this;
  }

  RawTar append(Member... more) {
    members.addAll(List.of(more));
    return this;
  }

  /** An entry whose name may be long. */
  RawTar append(char type, String path, String link) {
    return append(
        link.isEmpty()
            ? Member.pax("path=" + path)
            : Member.pax("path=" + path, "linkpath=" + link),
        Member.of(type, "x", "", new byte[0]));
  }

  byte[] tar() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (Member m : members) {
      if (m.fixChecksum) {
        Arrays.fill(m.header, 148, 156, (byte) ' ');
        int sum = 0;
        for (byte b : m.header) {
          sum += b & 0xff;
        }
        m.text(148, 8, "%06o\0 ".formatted(sum));
      }
      out.writeBytes(m.header);
      out.writeBytes(m.content);
      out.writeBytes(new byte[-m.content.length & (BLOCK - 1)]);
    }
    out.writeBytes(end);
    return out.toByteArray();
  }

  static byte[] gzip(byte[] bytes) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream z = new GZIPOutputStream(out)) {
      z.write(bytes);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    return out.toByteArray();
  }
}

package build.thresher.cas.reapi;

import com.google.protobuf.ByteOutput;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * The bytes of a message where they lie. A ByteString's own buffers are read-only, and what hashes
 * and checks them copies each 4 KiB of a buffer whose array it cannot see; so these show theirs,
 * and whoever takes them changes nothing.
 */
final class Parts extends ByteOutput {
  private final List<ByteBuffer> parts = new ArrayList<>(1);

  private Parts() {}

  static List<ByteBuffer> of(ByteString bytes) throws IOException {
    Parts all = new Parts();
    UnsafeByteOperations.unsafeWriteTo(bytes, all);
    return all.parts;
  }

  @Override
  public void write(byte value) {
    parts.add(ByteBuffer.wrap(new byte[] {value}));
  }

  /** The array is the caller's, who may use it again. */
  @Override
  public void write(byte[] value, int offset, int length) {
    parts.add(ByteBuffer.wrap(value.clone(), offset, length));
  }

  @Override
  public void writeLazy(byte[] value, int offset, int length) {
    parts.add(ByteBuffer.wrap(value, offset, length));
  }

  @Override
  public void write(ByteBuffer value) {
    parts.add(ByteBuffer.allocate(value.remaining()).put(value).flip());
  }

  @Override
  public void writeLazy(ByteBuffer value) {
    parts.add(value);
  }
}

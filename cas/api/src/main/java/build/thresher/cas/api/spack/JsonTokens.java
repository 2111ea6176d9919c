package build.thresher.cas.api.spack;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The tokens of a document, one after the other, as this package needs them; what is not what it
 * should be is refused in words that name it.
 */
final class JsonTokens implements AutoCloseable {
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(64)
                  .maxStringLength(1 << 20)
                  .maxNameLength(4096)
                  .build())
          .build();

  private final byte[] json;
  private final JsonParser parser;

  JsonTokens(byte[] json) throws IOException {
    this.json = json;
    this.parser = JSON.createParser(json);
  }

  /** The token at hand. */
  @Nullable JsonToken current() {
    return parser.currentToken();
  }

  /** Goes to the next token; null after the last one. */
  @Nullable JsonToken next() throws IOException {
    return parser.nextToken();
  }

  /** Goes to the next member of an object; false at its end. */
  boolean nextField() throws IOException {
    return parser.nextToken() == JsonToken.FIELD_NAME;
  }

  /** Name of the member at hand. */
  String field() throws IOException {
    return parser.currentName();
  }

  /** Of the token at hand. */
  String text() throws IOException {
    return parser.getText();
  }

  /** Where the token at hand begins. */
  int start() {
    return Math.toIntExact(parser.currentTokenLocation().getByteOffset());
  }

  /** Where what was read so far ends. */
  int end() {
    return Math.toIntExact(parser.currentLocation().getByteOffset());
  }

  /**
   * The bytes between two offsets without the white space between tokens: what Python's {@code
   * json.dumps(separators=(",", ":"))} writes, because Spack wrote the strings and numbers the same
   * way before.
   */
  byte[] compact(int start, int end) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(end - start);
    boolean inString = false;
    for (int i = start; i < end; i++) {
      byte b = json[i];
      if (inString) {
        out.write(b);
        if (b == '\\') {
          out.write(json[++i]);
        } else if (b == '"') {
          inString = false;
        }
      } else if (b != ' ' && b != '\n' && b != '\r' && b != '\t') {
        out.write(b);
        inString = b == '"';
      }
    }
    return out.toByteArray();
  }

  /** Passes over the value of the member at hand. */
  void skipValue() throws IOException {
    parser.nextToken();
    parser.skipChildren();
    parser.finishToken();
  }

  String string() throws IOException, SpecFormatException {
    String field = parser.currentName();
    expect(parser.nextToken(), JsonToken.VALUE_STRING, "`" + field + "`");
    return parser.getText();
  }

  @Nullable String stringOrNull() throws IOException, SpecFormatException {
    String field = parser.currentName();
    JsonToken token = parser.nextToken();
    if (token == JsonToken.VALUE_NULL) {
      return null;
    }
    expect(token, JsonToken.VALUE_STRING, "`" + field + "`");
    return parser.getText();
  }

  int integer() throws IOException, SpecFormatException {
    String field = parser.currentName();
    expect(parser.nextToken(), JsonToken.VALUE_NUMBER_INT, "`" + field + "`");
    return parser.getIntValue();
  }

  static DagHash hash(String text) throws SpecFormatException {
    try {
      return new DagHash(text);
    } catch (IllegalArgumentException e) {
      throw new SpecFormatException(e.getMessage() == null ? "malformed hash" : e.getMessage());
    }
  }

  void expect(@Nullable JsonToken actual, JsonToken wanted, String what)
      throws SpecFormatException {
    if (actual != wanted) {
      throw new SpecFormatException(
          what
              + " should be "
              + wanted.name().toLowerCase(Locale.ROOT).replace('_', ' ')
              + ", at byte "
              + parser.currentTokenLocation().getByteOffset());
    }
  }

  @Override
  public void close() throws IOException {
    parser.close();
  }
}

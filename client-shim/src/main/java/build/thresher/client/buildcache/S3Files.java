package build.thresher.client.buildcache;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;

/**
 * A mirror in a bucket. Where and as whom to ask is in the variables of the environment that other
 * S3 clients read: {@code AWS_ACCESS_KEY_ID}, {@code AWS_SECRET_ACCESS_KEY}, {@code
 * AWS_SESSION_TOKEN}, {@code AWS_REGION}, and for another server than Amazon's {@code
 * AWS_ENDPOINT_URL} or Spack's {@code S3_ENDPOINT_URL}. Without a key it asks as nobody.
 */
final class S3Files implements MirrorFiles {
  private static final int MAX_LISTING_BYTES = 16 << 20;

  private final String name;
  private final String prefix;
  private final HttpFiles bucket;

  private S3Files(String name, String prefix, HttpFiles bucket) {
    this.name = name;
    this.prefix = prefix;
    this.bucket = bucket;
  }

  /**
   * @param where {@code s3://BUCKET} or {@code s3://BUCKET/PREFIX}
   */
  static S3Files at(String where, Map<String, String> environment, InstantSource clock)
      throws IOException {
    String rest = where.substring("s3://".length()).replaceFirst("/+$", "");
    int slash = rest.indexOf('/');
    String bucket = slash < 0 ? rest : rest.substring(0, slash);
    String prefix = slash < 0 ? "" : rest.substring(slash + 1) + "/";
    if (!bucket.matches("[A-Za-z0-9][A-Za-z0-9._-]*")) {
      throw new IOException("`" + where + "` names no bucket; write s3://BUCKET/PREFIX");
    }
    String region = first(environment, "us-east-1", "AWS_REGION", "AWS_DEFAULT_REGION");
    String endpoint =
        first(environment, "", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT_URL");
    String top =
        endpoint.isEmpty()
            ? "https://" + bucket + ".s3." + region + ".amazonaws.com/"
            : endpoint.replaceFirst("/+$", "") + "/" + bucket + "/";
    String key = first(environment, "", "AWS_ACCESS_KEY_ID");
    String secret = first(environment, "", "AWS_SECRET_ACCESS_KEY");
    String session = first(environment, "", "AWS_SESSION_TOKEN");
    HttpFiles.Authentication authentication =
        key.isEmpty() || secret.isEmpty()
            ? HttpFiles.Authentication.NONE
            : new S3Signature(key, secret, session, region, clock);
    return new S3Files(where, prefix, new HttpFiles(URI.create(top), authentication));
  }

  private static String first(Map<String, String> environment, String none, String... names) {
    for (String each : names) {
      String value = environment.getOrDefault(each, "");
      if (!value.isEmpty()) {
        return value;
      }
    }
    return none;
  }

  @Override
  public Optional<byte[]> read(String path, int maxBytes) throws IOException {
    return bucket.read(prefix + path, maxBytes);
  }

  @Override
  public Optional<InputStream> open(String path) throws IOException {
    return bucket.open(prefix + path);
  }

  @Override
  public OptionalLong size(String path) throws IOException {
    return bucket.size(prefix + path);
  }

  @Override
  public Optional<List<String>> list(String directory) throws IOException {
    List<String> paths = new ArrayList<>();
    String token = "";
    do {
      String query =
          (token.isEmpty() ? "" : "continuation-token=" + HttpFiles.encoded(token, "") + "&")
              + "list-type=2&prefix="
              + HttpFiles.encoded(prefix + directory + "/", "");
      byte[] page =
          bucket
              .query("", query, MAX_LISTING_BYTES)
              .orElseThrow(
                  () ->
                      new IOException(
                          name
                              + " cannot be listed: there is no such bucket, or it is not for you"));
      token = keys(page, paths);
    } while (!token.isEmpty());
    return Optional.of(paths);
  }

  /** Adds what a page lists; returns the token of the next page, "" after the last. */
  String keys(byte[] page, List<String> paths) throws IOException {
    XMLInputFactory factory = XMLInputFactory.newFactory();
    factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
    factory.setProperty(XMLInputFactory.IS_SUPPORTING_EXTERNAL_ENTITIES, false);
    String next = "";
    try {
      XMLStreamReader xml = factory.createXMLStreamReader(new ByteArrayInputStream(page));
      while (xml.hasNext()) {
        if (xml.next() == XMLStreamConstants.START_ELEMENT) {
          switch (xml.getLocalName()) {
            case "Key" -> {
              String key = xml.getElementText();
              if (key.startsWith(prefix)) {
                paths.add(key.substring(prefix.length()));
              }
            }
            case "NextContinuationToken" -> next = xml.getElementText();
            default -> {}
          }
        }
      }
      return next;
    } catch (XMLStreamException | RuntimeException e) {
      // For some malformed documents the reader has no words of its own.
      throw new IOException(name + " answers something else than a list of keys", e);
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public void close() {
    bucket.close();
  }
}

package build.thresher.cas.oci;

import build.thresher.cas.api.Digest;
import build.thresher.cas.http.ServedBytes;
import build.thresher.cas.mirror.Served;
import build.thresher.cas.oci.OciException.Code;
import io.helidon.http.HeaderName;
import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.util.NavigableSet;
import java.util.Optional;

/** Manifests, the tags that name them, and what is about them. Any thread. */
final class ManifestRequests {
  private static final HeaderName SUBJECT = HeaderNames.create("OCI-Subject");
  private static final HeaderName FILTERS = HeaderNames.create("OCI-Filters-Applied");
  private static final int MAX_MANIFEST_BYTES = 4 << 20;

  private final Images images;
  private final ServedBytes bytes;

  ManifestRequests(Images images, ServedBytes bytes) {
    this.images = images;
    this.bytes = bytes;
  }

  void tags(ServerRequest request, ServerResponse response, Repository repository)
      throws OciException, IOException {
    String last = request.query().first("last").orElse("");
    int limit = TagPage.limit(request.query().first("n").orElse(""));
    NavigableSet<String> all = images.tags(repository).tailSet(last, false);
    TagPage page = TagPage.of(repository.name(), all, limit);
    page.next().ifPresent(next -> response.header(HeaderNames.LINK, next));
    OciReplies.json(response, page.json());
  }

  void get(ServerRequest request, ServerResponse response, Repository repository, String reference)
      throws OciException, IOException {
    Optional<Served.Document> found =
        reference.contains(":")
            ? images.manifest(repository, OciPath.requireDigest(reference), true)
            : images.tagged(repository, OciPath.requireTag(reference));
    OciReplies.send(
        bytes,
        request,
        response,
        repository,
        found.orElseThrow(
            () -> OciException.unknown(Code.MANIFEST_UNKNOWN, "there is no such manifest")));
  }

  void put(ServerRequest request, ServerResponse response, Repository repository, String reference)
      throws OciException, IOException {
    byte[] text;
    try (InputStream in = OciReplies.body(request)) {
      text = in.readNBytes(MAX_MANIFEST_BYTES + 1);
    }
    if (text.length > MAX_MANIFEST_BYTES) {
      throw new OciException(
          413, Code.MANIFEST_INVALID, "a manifest has at most " + MAX_MANIFEST_BYTES + " bytes");
    }
    String type = request.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
    Images.Stored stored =
        images.put(repository, reference, type.replaceFirst(";.*", "").strip(), text);
    stored.subject().ifPresent(s -> response.header(SUBJECT, OciPath.text(s.digest())));
    OciReplies.created(response, repository, "manifests", stored.digest());
  }

  void referrers(
      ServerRequest request, ServerResponse response, Repository repository, Digest subject)
      throws IOException {
    Optional<String> type = request.query().first("artifactType").asOptional();
    type.ifPresent(filter -> response.header(FILTERS, "artifactType"));
    OciReplies.send(
        bytes, request, response, repository, images.referrers(repository, subject, type));
  }
}

package build.thresher.cas.oci;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.http.ServedBytes;
import build.thresher.cas.mirror.Served;
import io.helidon.http.HeaderName;
import io.helidon.http.HeaderNames;
import io.helidon.http.Status;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;

/** What requests and answers of the specification have in common. */
final class OciReplies {
  private static final HeaderName CONTENT_DIGEST = HeaderNames.create("Docker-Content-Digest");

  private OciReplies() {}

  static void json(ServerResponse response, String text) {
    response.header(HeaderNames.CACHE_CONTROL, "no-store");
    response.header(HeaderNames.CONTENT_TYPE, "application/json").send(text);
  }

  /**
   * @param location below the repository
   */
  static void created(
      ServerResponse response, Repository repository, String location, Digest digest) {
    response.header(CONTENT_DIGEST, OciPath.text(digest));
    response.header(
        HeaderNames.LOCATION,
        "/v2/" + repository.name() + "/" + location + "/" + OciPath.text(digest));
    response.status(Status.CREATED_201).send();
  }

  static void send(
      ServedBytes bytes,
      ServerRequest request,
      ServerResponse response,
      Repository repository,
      Served served)
      throws IOException {
    response.header(CONTENT_DIGEST, OciPath.text(served.digest()));
    bytes.send(request, response, Scope.farm(repository.instance()), served);
  }

  static InputStream body(ServerRequest request) {
    return request.content().hasEntity()
        ? request.content().inputStream()
        : InputStream.nullInputStream();
  }
}

package build.thresher.cas.oci;

import build.thresher.cas.api.Digest;
import build.thresher.cas.mirror.Served;
import build.thresher.cas.oci.BlobUploads.Upload;
import build.thresher.cas.oci.OciException.Code;
import io.helidon.http.HeaderName;
import io.helidon.http.HeaderNames;
import io.helidon.http.Method;
import io.helidon.http.Status;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How blobs come in: in one request, in chunks, or from another repository. Bodies are streamed;
 * what comes in chunks lies in a file until it is whole. Any thread.
 */
final class UploadRequests {
  private static final HeaderName UPLOAD_ID = HeaderNames.create("Docker-Upload-UUID");
  private static final Pattern CHUNK =
      Pattern.compile("(?:bytes )?(\\d{1,15})-(\\d{1,15})(?:/.*)?");

  private final OciAccess access;
  private final Repositories repositories;
  private final BlobUploads uploads;

  UploadRequests(OciAccess access, Repositories repositories, BlobUploads uploads) {
    this.access = access;
    this.repositories = repositories;
    this.uploads = uploads;
  }

  /** An upload begins, or is over at once: a blob in one request, or one of another repository. */
  void begin(ServerRequest request, ServerResponse response, Repository repository)
      throws OciException, IOException {
    Optional<String> whole = request.query().first("digest").asOptional();
    Optional<String> mount = request.query().first("mount").asOptional();
    if (whole.isPresent()) {
      Digest digest = OciPath.requireDigest(whole.get());
      long length = length(request);
      if (length < 0) {
        throw OciException.invalid(Code.SIZE_INVALID, "the length of the body is not given");
      }
      store(request, repository, digest, length);
      OciReplies.created(response, repository, "blobs", digest);
      return;
    }
    if (mount.isPresent()) {
      Digest digest = OciPath.requireDigest(mount.get());
      String from = request.query().first("from").orElse(repository.name());
      Repository other = access.readable(request, OciPath.requireName(from));
      Optional<Served.StoredBlob> there = repositories.find(other.instance(), digest);
      if (there.isPresent()) {
        repositories.mount(repository.instance(), there.get().digest());
        OciReplies.created(response, repository, "blobs", digest);
        return;
      }
    }
    String id = uploads.begin(repository.name());
    progress(response, repository, id, 0, Status.ACCEPTED_202);
  }

  /** The next request of one that began; whoever knows its id may send it. */
  void goOn(ServerRequest request, ServerResponse response, Repository repository, String id)
      throws OciException, IOException {
    try (Upload upload = uploads.enter(repository.name(), id)) {
      goOn(request, response, repository, upload);
    }
  }

  private void goOn(
      ServerRequest request, ServerResponse response, Repository repository, Upload upload)
      throws OciException, IOException {
    Method method = request.prologue().method();
    if (method.equals(Method.GET)) {
      progress(response, repository, upload.id(), upload.received(), Status.NO_CONTENT_204);
    } else if (method.equals(Method.PATCH)) {
      append(request, upload);
      progress(response, repository, upload.id(), upload.received(), Status.ACCEPTED_202);
    } else if (method.equals(Method.PUT)) {
      Digest digest = OciPath.requireDigest(request.query().first("digest").orElse(""));
      complete(request, repository, upload, digest);
      OciReplies.created(response, repository, "blobs", digest);
    } else if (method.equals(Method.DELETE)) {
      upload.end();
      response.status(Status.NO_CONTENT_204).send();
    } else {
      throw OciException.method();
    }
  }

  private static void append(ServerRequest request, Upload upload)
      throws OciException, IOException {
    Optional<String> range = request.headers().first(HeaderNames.CONTENT_RANGE);
    OptionalLong from = OptionalLong.empty();
    if (range.isPresent()) {
      Matcher m = CHUNK.matcher(range.get());
      if (!m.matches()) {
        throw OciException.invalid(Code.BLOB_UPLOAD_INVALID, "Content-Range is no range");
      }
      from = OptionalLong.of(Long.parseLong(m.group(1)));
      long length = length(request);
      if (length >= 0 && Long.parseLong(m.group(2)) != from.getAsLong() + length - 1) {
        throw OciException.invalid(
            Code.SIZE_INVALID, "Content-Range and Content-Length do not agree");
      }
    }
    try (InputStream in = OciReplies.body(request)) {
      upload.append(in, from);
    }
  }

  private void complete(ServerRequest request, Repository repository, Upload upload, Digest digest)
      throws OciException, IOException {
    if (upload.received() == 0 && length(request) > 0) {
      store(request, repository, digest, length(request));
    } else {
      if (length(request) != 0) {
        append(request, upload);
      }
      try (InputStream in = upload.read()) {
        repositories.store(
            repository.instance(), Digest.fromHash(digest.hashBytes(), upload.received()), in);
      }
    }
    upload.end();
  }

  private void store(ServerRequest request, Repository repository, Digest digest, long length)
      throws OciException, IOException {
    try (InputStream in = OciReplies.body(request)) {
      repositories.store(repository.instance(), Digest.fromHash(digest.hashBytes(), length), in);
    }
  }

  /** Of the body in bytes; -1 where only its end will tell. */
  private static long length(ServerRequest request) {
    return request
        .headers()
        .contentLength()
        .orElse(request.headers().contains(HeaderNames.TRANSFER_ENCODING) ? -1 : 0);
  }

  private static void progress(
      ServerResponse response, Repository repository, String id, long received, Status status) {
    response.header(HeaderNames.LOCATION, "/v2/" + repository.name() + "/blobs/uploads/" + id);
    response.header(HeaderNames.RANGE, "0-" + Math.max(0, received - 1));
    response.header(UPLOAD_ID, id);
    response.status(status).send();
  }
}

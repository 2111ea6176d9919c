package build.thresher.scheduler.farm;

import build.thresher.scheduler.core.ClientName;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.shell.Caller;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.spack.SubmissionRefused;
import build.thresher.scheduler.spack.Submissions;
import build.thresher.v1.ExecuteRequest;
import io.grpc.Status;
import java.time.InstantSource;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Execute calls until their request is on disk, or refused. Any thread; blocks. */
final class Acceptance {
  private static final Logger log = LoggerFactory.getLogger(Acceptance.class);
  private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._-]{1,128}");
  private static final int MAX_CLIENT_NAME = 200;

  private final Requests requests;
  private final Submissions submissions;
  private final Instances instances;
  private final InstantSource wall;
  private final Supplier<String> ids;

  /**
   * @param ids for requests whose client chose none
   */
  Acceptance(
      Requests requests,
      Submissions submissions,
      Instances instances,
      InstantSource wall,
      Supplier<String> ids) {
    this.requests = requests;
    this.submissions = submissions;
    this.instances = instances;
    this.wall = wall;
    this.ids = ids;
  }

  /** Stores the request, unless it is known, and returns its id. */
  String accept(ExecuteRequest request) throws Exception {
    String instance = instances.resolve(request.getInstanceName());
    String id = request.getRequestId().isEmpty() ? ids.get() : request.getRequestId();
    if (!REQUEST_ID.matcher(id).matches()) {
      throw FarmService.invalid("a request_id is 1 to 128 of A-Z a-z 0-9 . _ -");
    }
    if (requests.find(id).isPresent()) {
      return id;
    }
    String client =
        Caller.nameOr(request.getClient().isEmpty() ? ClientName.ANONYMOUS : request.getClient());
    if (client.length() > MAX_CLIENT_NAME) {
      throw FarmService.invalid(
          "`client` has " + client.length() + " characters; at most " + MAX_CLIENT_NAME);
    }
    Event.Submit submit;
    try {
      submit = submissions.prepare(request, id, instance, client, wall.instant());
    } catch (SubmissionRefused e) {
      throw status(e).asException();
    }
    Reply reply = requests.submit(submit);
    if (reply instanceof Reply.OverLimit over) {
      throw Status.RESOURCE_EXHAUSTED.withDescription(over.message()).asException();
    }
    log.info(
        "accepted request {} of {}: {} roots, {} tasks, {} cached",
        id,
        client,
        submit.head().roots().size(),
        submit.tasks().size(),
        submit.head().cached().size());
    return id;
  }

  private static Status status(SubmissionRefused e) {
    Status status =
        switch (e.kind()) {
          case INVALID -> Status.INVALID_ARGUMENT;
          case MISSING_BLOBS -> Status.FAILED_PRECONDITION;
          case UNKNOWN_INSTANCE -> Status.NOT_FOUND;
          case OVER_LIMIT -> Status.RESOURCE_EXHAUSTED;
        };
    return status.withDescription(e.getMessage());
  }
}

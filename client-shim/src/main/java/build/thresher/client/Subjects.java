package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.GetRequestRequest;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.ListRequestsResponse;
import build.thresher.v1.Request;
import build.thresher.v1.Task;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Finds what people mean: requests by id or the beginning of one, nodes by {@code /hash} or the
 * beginning of one. The farm knows whole names only, so beginnings are looked up among its newest
 * requests.
 */
final class Subjects {
  private static final int REQUESTS_LOOKED_AT = 1000;

  /** With details of each, which are one call a request. */
  private static final int REQUESTS_SEARCHED_FOR_NODES = 100;

  private static final int HASH_LENGTH = 32;

  private final FarmGrpc.FarmBlockingStub farm;
  private final String instance;

  Subjects(FarmGrpc.FarmBlockingStub farm, String instance) {
    this.farm = farm;
    this.instance = instance;
  }

  /** One request with all its tasks. */
  Request request(String given) throws ClientException {
    try {
      return farm.getRequest(GetRequestRequest.newBuilder().setRequestId(given).build());
    } catch (StatusRuntimeException e) {
      Status.Code code = e.getStatus().getCode();
      if (code != Status.Code.NOT_FOUND && code != Status.Code.INVALID_ARGUMENT) {
        throw e;
      }
    }
    List<Request> matching =
        list(false, REQUESTS_LOOKED_AT).stream()
            .filter(request -> request.getRequestId().startsWith(given))
            .toList();
    if (matching.size() != 1) {
      throw new ClientException(
          ClientException.USAGE,
          (matching.isEmpty()
                  ? "the farm knows no request `" + Text.clean(given) + "`"
                  : matching.size() + " requests begin with `" + Text.clean(given) + "`")
              + "; `"
              + Text.command("requests")
              + "` lists them");
    }
    return farm.getRequest(
        GetRequestRequest.newBuilder().setRequestId(matching.getFirst().getRequestId()).build());
  }

  /** Active requests that hold a node, newest first. */
  List<Request> holding(String slashHash) throws ClientException {
    String prefix = prefix(slashHash);
    List<Request> holding = new ArrayList<>();
    for (Request request : detailed(true)) {
      if (request.getTasksList().stream().anyMatch(task -> task.getHash().startsWith(prefix))) {
        holding.add(request);
      }
    }
    return holding;
  }

  /** The whole DAG hash of a node. */
  String hash(String slashHash) throws ClientException {
    if (slashHash.length() == 1 + HASH_LENGTH) {
      return Hashes.parse(slashHash);
    }
    String prefix = prefix(slashHash);
    TreeMap<String, Task> found = new TreeMap<>();
    for (Request request : detailed(false)) {
      for (Task task : request.getTasksList()) {
        if (task.getHash().startsWith(prefix)) {
          found.put(task.getHash(), task);
        }
      }
    }
    if (found.size() != 1) {
      throw new ClientException(
          ClientException.USAGE,
          found.isEmpty()
              ? "no request of late has built a node /" + prefix + "; give all 32 characters"
              : "/" + prefix + " is the beginning of several: " + names(found));
    }
    return found.firstKey();
  }

  private static String names(Map<String, Task> found) {
    return String.join(", ", found.values().stream().map(Text::spec).toList());
  }

  private static String prefix(String slashHash) throws ClientException {
    String prefix = slashHash.substring(1);
    if (!prefix.matches("[a-z2-7]{1,32}")) {
      throw new ClientException(
          ClientException.USAGE,
          "`"
              + Text.clean(slashHash)
              + "` is not / and a DAG hash or its beginning (base32, at most 32 characters)");
    }
    return prefix;
  }

  private List<Request> detailed(boolean activeOnly) {
    List<Request> detailed = new ArrayList<>();
    for (Request request : list(activeOnly, REQUESTS_SEARCHED_FOR_NODES)) {
      try {
        detailed.add(
            farm.getRequest(
                GetRequestRequest.newBuilder().setRequestId(request.getRequestId()).build()));
      } catch (StatusRuntimeException e) {
        if (e.getStatus().getCode() != Status.Code.NOT_FOUND) { // its time ran out meanwhile
          throw e;
        }
      }
    }
    return detailed;
  }

  private List<Request> list(boolean activeOnly, int atMost) {
    ListRequestsResponse answer =
        farm.listRequests(
            ListRequestsRequest.newBuilder()
                .setInstanceName(instance)
                .setActiveOnly(activeOnly)
                .setPageSize(atMost)
                .build());
    return answer.getRequestsList();
  }
}

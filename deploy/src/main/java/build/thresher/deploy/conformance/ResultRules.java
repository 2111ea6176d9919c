package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;
import static build.thresher.deploy.conformance.Subject.refused;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.ExecuteResponse;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.util.List;

/** ActionCache: which results are kept, and for whom. */
final class ResultRules {
  private static final String PROTO = "remote_execution.proto, ";

  private ResultRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule(
            "A result that nobody has put is NOT_FOUND",
            PROTO + "ActionCache.GetActionResult: errors",
            server ->
                refused(() -> new Actions(server).cached(digest(server.fresh())), Code.NOT_FOUND)),
        new Rule(
            "A result that was put is found",
            PROTO + "ActionCache.UpdateActionResult",
            ResultRules::update),
        new Rule(
            "A result whose blobs are not all there is not found",
            PROTO + "ActionCache: completeness of what GetActionResult returns",
            ResultRules::incomplete),
        new Rule(
            "An action runs; its result says what it did, and is found again",
            PROTO + "Execution.Execute; ExecuteResponse.cached_result",
            ResultRules::runs),
        new Rule(
            "An exit code is a result, and is not cached",
            PROTO + "ExecuteResponse.status; ActionCache: failed actions",
            ResultRules::exitCode),
        new Rule(
            "do_not_cache keeps the result out of the cache",
            PROTO + "Action.do_not_cache",
            ResultRules::notCached),
        new Rule(
            "skip_cache_lookup runs what is cached again",
            PROTO + "ExecuteRequest.skip_cache_lookup",
            ResultRules::again));
  }

  private static void update(Subject server) throws BrokenRuleException, NotOfferedException {
    server.needsResultUpdates();
    Actions actions = new Actions(server);
    Digest output = server.upload(server.fresh());
    Digest action = actions.make(Actions.shell(server.fresh().toStringUtf8()));
    actions.put(action, output);
    require(
        actions.cached(action).getOutputFiles(0).getDigest().equals(output),
        "another result came back");
  }

  private static void incomplete(Subject server) throws BrokenRuleException, NotOfferedException {
    server.needsResultUpdates();
    Actions actions = new Actions(server);
    Digest action = actions.make(Actions.shell(server.fresh().toStringUtf8()));
    try {
      actions.put(action, digest(server.fresh()));
    } catch (StatusRuntimeException e) {
      return; // refused at once: as good
    }
    refused(() -> actions.cached(action), Code.NOT_FOUND);
  }

  private static void runs(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action = actions.make(Actions.shell("echo it ran " + actions.unseen()));
    ActionResult result = actions.ran(action);
    require(result.getExitCode() == 0, "the exit code is " + result.getExitCode());
    require(actions.printed(result).toStringUtf8().equals("it ran\n"), "it printed something else");
    ExecuteResponse second = actions.execute(action, false);
    require(second.getCachedResult(), "the second run was not taken from the cache");
    require(
        actions.printed(actions.cached(action)).equals(actions.printed(result)),
        "the action cache has another result");
  }

  private static void exitCode(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action = actions.make(Actions.shell("exit 3 " + actions.unseen()));
    require(actions.ran(action).getExitCode() == 3, "the exit code is not 3");
    refused(() -> actions.cached(action), Code.NOT_FOUND);
  }

  private static void notCached(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action =
        actions.make(
            Actions.shell("true " + actions.unseen()),
            Actions.NO_INPUTS,
            Action.newBuilder().setDoNotCache(true).build());
    actions.ran(action);
    refused(() -> actions.cached(action), Code.NOT_FOUND);
    require(!actions.execute(action, false).getCachedResult(), "the second run was cached");
  }

  private static void again(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest action = actions.make(Actions.shell("date +%N; true " + actions.unseen()));
    actions.ran(action);
    require(
        !actions.execute(action, true).getCachedResult(),
        "it answered from the cache all the same");
  }
}

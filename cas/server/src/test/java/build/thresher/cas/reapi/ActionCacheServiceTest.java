package build.thresher.cas.reapi;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.ActionCacheGrpc;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.CapabilitiesGrpc;
import build.bazel.remote.execution.v2.GetActionResultRequest;
import build.bazel.remote.execution.v2.GetCapabilitiesRequest;
import build.bazel.remote.execution.v2.UpdateActionResultRequest;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

final class ActionCacheServiceTest {
  private static final Scope SCOPE = new Scope(ReapiServer.INSTANCE, "test");
  private static final Digest ACTION = Digest.of("an action".getBytes(UTF_8));

  @TempDir Path temp;
  private RocksBlobStore store;
  private ReapiServer server;
  private ActionCacheGrpc.ActionCacheBlockingStub cache;

  @BeforeEach
  void open() throws IOException {
    store =
        RocksBlobStore.open(
            temp.resolve("store"),
            StoreOptions.DEFAULTS.withReserveBytes(0).withLargeBlobBytes(128 << 10),
            InstantSource.system());
    server = new ReapiServer(store);
    server.updatesAllowed = true;
    cache = ActionCacheGrpc.newBlockingStub(server.channel);
  }

  @AfterEach
  void close() throws IOException {
    server.close();
    store.close();
  }

  private static GetActionResultRequest.Builder get() {
    return GetActionResultRequest.newBuilder()
        .setInstanceName(ReapiServer.INSTANCE)
        .setActionDigest(WireDigests.toWire(ACTION));
  }

  private static UpdateActionResultRequest.Builder update(ActionResult result) {
    return UpdateActionResultRequest.newBuilder()
        .setInstanceName(ReapiServer.INSTANCE)
        .setActionDigest(WireDigests.toWire(ACTION))
        .setActionResult(result);
  }

  private static String refused(Status.Code code, Executable call) {
    StatusRuntimeException e = assertThrows(StatusRuntimeException.class, call);
    assertEquals(code, e.getStatus().getCode(), e.toString());
    return String.valueOf(e.getStatus().getDescription());
  }

  @Test
  void aResultComesBackAndTheDefaultInstanceIsTheFirstOne() {
    refused(Status.Code.NOT_FOUND, () -> cache.getActionResult(get().build()));
    ActionResult result = ActionResult.newBuilder().setExitCode(3).build();
    assertEquals(result, cache.updateActionResult(update(result).build()));
    assertEquals(result, cache.getActionResult(get().build()));
    assertEquals(result, cache.getActionResult(get().setInstanceName("").build()));
    refused(
        Status.Code.NOT_FOUND, () -> cache.getActionResult(get().setInstanceName("other").build()));
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> cache.getActionResult(get().setInstanceName("elsewhere").build()));
  }

  @Test
  void whoMayNotWriteResultsIsToldWhatToSetAndTheCapabilitiesSaySo() {
    assertTrue(updateEnabled());
    server.updatesAllowed = false;
    assertFalse(updateEnabled());
    String told =
        refused(
            Status.Code.PERMISSION_DENIED,
            () -> cache.updateActionResult(update(ActionResult.getDefaultInstance()).build()));
    assertTrue(told.contains("set the key"), told);
    refused(Status.Code.NOT_FOUND, () -> cache.getActionResult(get().build()));
  }

  private boolean updateEnabled() {
    return CapabilitiesGrpc.newBlockingStub(server.channel)
        .getCapabilities(GetCapabilitiesRequest.getDefaultInstance())
        .getCacheCapabilities()
        .getActionCacheUpdateCapabilities()
        .getUpdateEnabled();
  }

  @Test
  void aResultWithAMissingBlobOrAMalformedDigestIsRefused() {
    ActionResult.Builder missing = ActionResult.newBuilder();
    missing.addOutputFilesBuilder().setDigest(WireDigests.toWire(ACTION));
    String told =
        refused(
            Status.Code.FAILED_PRECONDITION,
            () -> cache.updateActionResult(update(missing.build()).build()));
    assertTrue(told.contains(ACTION.hex()), told);
    ActionResult.Builder malformed = ActionResult.newBuilder();
    malformed.addOutputFilesBuilder().getDigestBuilder().setHash("../../etc/passwd");
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> cache.updateActionResult(update(malformed.build()).build()));
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> cache.updateActionResult(update(missing.build()).clearActionResult().build()));
    refused(
        Status.Code.INVALID_ARGUMENT,
        () -> cache.getActionResult(get().clearActionDigest().build()));
  }

  @Test
  void whatIsAskedForInlineComesInlineWhileTheAnswerStaysSmall() throws Exception {
    Digest small = store.put(SCOPE, "said".getBytes(UTF_8));
    Digest large = store.put(SCOPE, new byte[3_500_000]);
    ActionResult.Builder stored = ActionResult.newBuilder();
    stored.setStdoutDigest(WireDigests.toWire(small)).setStderrDigest(WireDigests.toWire(large));
    stored.addOutputFilesBuilder().setPath("a").setDigest(WireDigests.toWire(small));
    stored.addOutputFilesBuilder().setPath("b").setDigest(WireDigests.toWire(small));
    cache.updateActionResult(update(stored.build()).build());
    assertEquals(stored.build(), cache.getActionResult(get().build()));
    ActionResult inline =
        cache.getActionResult(
            get()
                .setInlineStdout(true)
                .setInlineStderr(true)
                .addInlineOutputFiles("b")
                .addInlineOutputFiles("c")
                .build());
    assertEquals("said", inline.getStdoutRaw().toStringUtf8());
    assertTrue(inline.getStderrRaw().isEmpty());
    assertEquals(WireDigests.toWire(large), inline.getStderrDigest());
    assertTrue(inline.getOutputFiles(0).getContents().isEmpty());
    assertEquals("said", inline.getOutputFiles(1).getContents().toStringUtf8());
  }

  @Test
  void aResultThatLostABlobIsNotFound() throws Exception {
    Digest blob = store.put(SCOPE, "output".getBytes(UTF_8));
    ActionResult.Builder result = ActionResult.newBuilder();
    result.addOutputFilesBuilder().setPath("a").setDigest(WireDigests.toWire(blob));
    cache.updateActionResult(update(result.build()).build());
    assertTrue(store.delete(SCOPE, blob));
    refused(Status.Code.NOT_FOUND, () -> cache.getActionResult(get().build()));
  }
}

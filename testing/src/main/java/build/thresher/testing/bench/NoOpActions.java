package build.thresher.testing.bench;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import com.google.longrunning.Operation;
import com.google.protobuf.Message;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Distinct actions that run nothing, and a client who has so many of them run at once. */
public final class NoOpActions {
  private final List<byte[]> blobs = new ArrayList<>();
  private final List<ExecuteRequest> requests = new ArrayList<>();

  /**
   * @param salt makes them distinct from those of other runs
   */
  public NoOpActions(int count, String salt) {
    Digest root = add(Directory.getDefaultInstance());
    for (int i = 0; i < count; i++) {
      Command command =
          Command.newBuilder().addArguments("/bin/true").addArguments(salt + "." + i).build();
      Action action =
          Action.newBuilder().setCommandDigest(add(command)).setInputRootDigest(root).build();
      requests.add(ExecuteRequest.newBuilder().setActionDigest(add(action)).build());
    }
  }

  private Digest add(Message message) {
    byte[] bytes = message.toByteArray();
    blobs.add(bytes);
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(bytes);
      return Digest.newBuilder()
          .setHash(HexFormat.of().formatHex(hash))
          .setSizeBytes(bytes.length)
          .build();
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  /** What must be in the store before. */
  public List<byte[]> blobs() {
    return blobs;
  }

  /** Returns when all have ended. */
  public void run(Peers peers, int atOnce) throws InterruptedException {
    ExecutionGrpc.ExecutionStub client = ExecutionGrpc.newStub(peers.connect());
    Semaphore room = new Semaphore(atOnce);
    for (ExecuteRequest request : requests) {
      room.acquire();
      client.execute(
          request,
          peers.<Operation>each(
              operation -> {
                if (operation.getDone()) {
                  room.release();
                }
              }));
    }
    if (!room.tryAcquire(atOnce, 60, TimeUnit.SECONDS)) {
      throw new AssertionError("not all actions ended");
    }
  }
}

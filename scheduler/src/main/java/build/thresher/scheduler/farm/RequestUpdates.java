package build.thresher.scheduler.farm;

import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.shell.StreamWriter;
import build.thresher.scheduler.wire.Snapshots;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.Heartbeat;
import build.thresher.v1.Request;

/** What happens to a request, told to its client in the words of the contract. */
final class RequestUpdates implements Requests.Follower {
  private final StreamWriter<ExecuteUpdate> answers;
  private boolean accepted;

  RequestUpdates(StreamWriter<ExecuteUpdate> answers) {
    this.answers = answers;
  }

  @Override
  public void joined(RequestSnapshot request) throws Exception {
    if (accepted) {
      for (TaskSnapshot task : request.tasks()) {
        changed(task);
      }
    } else {
      accepted = true;
      answers.send(ExecuteUpdate.newBuilder().setAccepted(Snapshots.request(request)).build());
    }
  }

  @Override
  public void changed(TaskSnapshot task) throws Exception {
    answers.send(ExecuteUpdate.newBuilder().setTask(Snapshots.task(task)).build());
  }

  @Override
  public void idle() throws Exception {
    answers.send(ExecuteUpdate.newBuilder().setHeartbeat(Heartbeat.getDefaultInstance()).build());
  }

  @Override
  public void finished(RequestSnapshot request) throws Exception {
    Request state = Snapshots.request(request);
    if (!accepted) {
      answers.send(ExecuteUpdate.newBuilder().setAccepted(state).build());
    }
    answers.send(ExecuteUpdate.newBuilder().setFinished(state).build());
  }
}

package build.thresher.executor.core;

import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.v1.Fence;

/** One execution that this executor holds. The phase is written by one thread, read by any. */
final class RunningLease {
  private final Fence fence;
  private final String hash;
  private final KillSwitch kill = new KillSwitch();
  private Ending ending = Ending.OWN;
  private volatile String phase = "starting";

  /** Why the build ends. */
  enum Ending {
    /** By itself. */
    OWN,
    /** The server gave the execution to somebody else, or ended it: nothing is reported. */
    LOST,
    /** This executor stops: reported as a fault of the farm. */
    STOPPED
  }

  RunningLease(Fence fence, String hash) {
    this.fence = fence;
    this.hash = hash;
  }

  Fence fence() {
    return fence;
  }

  /** DAG hash, for lines of log. */
  String hash() {
    return hash;
  }

  /** Kills the build. The first reason counts, but a lost lease is lost whatever went before. */
  synchronized void end(Ending why) {
    if (why == Ending.LOST || ending == Ending.OWN) {
      ending = why;
    }
    kill.kill();
  }

  synchronized Ending ending() {
    return ending;
  }

  KillSwitch killSwitch() {
    return kill;
  }

  String phase() {
    return phase;
  }

  void phase(String name) {
    phase = name;
  }
}

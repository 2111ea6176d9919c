package build.thresher.scheduler.farm;

import build.thresher.v1.InstanceStatus;
import java.util.List;

/** What the rest of the farm knows about its instances: where the mirror is, who signs. */
public interface FarmStatusSource {
  /** Answered from memory. */
  List<InstanceStatus> instances();
}

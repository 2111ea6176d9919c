package build.thresher.scheduler.store;

import java.nio.file.Path;

class MemoryTaskStoreTest extends TaskStoreContract {
  @Override
  TaskStore create(Path directory) {
    return new MemoryTaskStore();
  }
}

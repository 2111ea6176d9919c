/* Answers every sync at once, without one: what acknowledging from memory would cost. Loaded with LD_PRELOAD. */
int fsync(int fd) { return fd < 0 ? -1 : 0; }
int fdatasync(int fd) { return fd < 0 ? -1 : 0; }

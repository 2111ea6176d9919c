/*
 * Makes calls fail that change files below one directory, as a bad or full disk does. Loaded with LD_PRELOAD.
 *
 *   FAULTS_ROOT   absolute path of the directory; everything outside is left alone
 *   FAULTS_ARMED  a file: nothing fails before it is there
 *   FAULTS_PLAN   CALL:ERRNO:AFTER:COUNT, for example fsync:5:3:1: the fourth fsync fails with EIO, and no other
 *
 * Calls are write, fsync, create, rename and grow. Each failure is a line on standard error. RocksDB's text log is left
 * alone: nothing depends on it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX], call_name[16];
static int error_number;
static long after, count;
static atomic_long seen;
static atomic_int armed;

__attribute__((constructor)) static void begin(void) {
  const char *where = getenv("FAULTS_ROOT"), *plan = getenv("FAULTS_PLAN");
  if (!where || !plan || strlen(where) >= PATH_MAX) return;
  if (sscanf(plan, "%15[^:]:%d:%ld:%ld", call_name, &error_number, &after, &count) != 4) abort();
  strcpy(root, where);
}

static int is_armed(void) {
  if (!*root) return 0;
  if (!atomic_load(&armed)) {
    const char *file = getenv("FAULTS_ARMED");
    if (!file || syscall(SYS_faccessat, AT_FDCWD, file, F_OK)) return 0;
    atomic_store(&armed, 1);
  }
  return 1;
}

/* True when this call is to fail; errno says how. */
static int fails_at(const char *name, const char *path) {
  size_t length = strlen(path);
  if (strncmp(path, root, strlen(root)) || (length > 4 && !strcmp(path + length - 4, "/LOG"))) return 0;
  long turn = atomic_fetch_add(&seen, 1);
  if (turn < after || turn >= after + count) return 0;
  char line[PATH_MAX + 64];
  int n = snprintf(line, sizeof line, "fault: %s of %s\n", name, path);
  syscall(SYS_write, 2, line, n);
  errno = error_number;
  return 1;
}

static int fails(const char *name, int fd) {
  if (strcmp(name, call_name) || !is_armed()) return 0;
  char self[64], path[PATH_MAX];
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, self, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return fails_at(name, path);
}

ssize_t write(int fd, const void *bytes, size_t n) { return fails("write", fd) ? -1 : syscall(SYS_write, fd, bytes, n); }
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
  return fails("write", fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, n, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) { return pwrite(fd, bytes, n, at); }
ssize_t writev(int fd, const struct iovec *data, int parts) {
  return fails("write", fd) ? -1 : syscall(SYS_writev, fd, data, parts);
}

int fsync(int fd) { return fails("fsync", fd) ? -1 : (int) syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fails("fsync", fd) ? -1 : (int) syscall(SYS_fdatasync, fd); }

int ftruncate(int fd, off_t size) { return fails("grow", fd) ? -1 : (int) syscall(SYS_ftruncate, fd, size); }
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }
int fallocate(int fd, int mode, off_t at, off_t size) {
  return fails("grow", fd) ? -1 : (int) syscall(SYS_fallocate, fd, mode, at, size);
}
int fallocate64(int fd, int mode, off64_t at, off64_t size) { return fallocate(fd, mode, at, size); }

static int opened(const char *path, int flags, mode_t mode) {
  if (flags & O_CREAT && !strcmp(call_name, "create") && is_armed() && fails_at("create", path)) return -1;
  return (int) syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list va; va_start(va, flags); mode = va_arg(va, mode_t); va_end(va); }
int open(const char *path, int flags, ...) { MODE(flags) return opened(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(path, flags | O_LARGEFILE, mode); }

int rename(const char *from, const char *to) {
  if (!strcmp(call_name, "rename") && is_armed() && fails_at("rename", to)) return -1;
  return (int) syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

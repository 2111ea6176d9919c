/*
 * Records what a process does to the files below one directory, in order, so that a test can say what would be left of
 * them if the power had been cut at any moment. Loaded with LD_PRELOAD.
 *
 *   RECORDER_ROOT  absolute path of the directory; everything outside is left alone
 *   RECORDER_LOG   where the records go
 *
 * A record is a header of seven 64-bit numbers in the machine's order (kind, CLOCK_MONOTONIC in ns, file, offset,
 * length of data, length of path, length of second path), then the data and the paths. A file is named by its inode;
 * the reader knows when an inode is used anew, because a record of its creation comes first.
 *
 * Writes and changes of names are recorded under the lock under which they happen, so their order is the true one.
 * A sync is recorded when it begins and again when it has ended: what was written before its beginning is on disk after
 * its end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
  CREATE = 1, WRITE = 2, TRUNCATE = 3, RENAME = 4, UNLINK = 5, MKDIR = 6, RMDIR = 7, LINK = 8,
  SYNC_BEGIN = 9, SYNC_END = 10, UNSUPPORTED = 11
};

/* Of one write; with three more it is what the kernel takes. */
#define MOST_PARTS 1021

static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* By file descriptor: 0 where it is not ours, else inode; sequential writes to it append. */
#define MAX_FD 65536
static uint64_t file_of[MAX_FD];

#define REAL(name) ((__typeof__(&name)) real(#name))

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) {
    fprintf(stderr, "recorder: no %s\n", name);
    abort();
  }
  return found;
}

static int inside(const char *path) {
  return log_fd >= 0 && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static uint64_t inode(int fd) {
  struct stat st;
  return fstat(fd, &st) ? 0 : (uint64_t) st.st_ino;
}

static uint64_t ours(int fd) { return fd >= 0 && fd < MAX_FD ? file_of[fd] : 0; }

/* The absolute path, without following a last link; 0 when it is not below the root. */
static int absolute(int at, const char *path, char *out) {
  if (log_fd < 0 || !path) return 0;
  if (path[0] == '/') {
    if (strlen(path) >= PATH_MAX) return 0;
    strcpy(out, path);
  } else {
    char base[PATH_MAX];
    if (at == AT_FDCWD) {
      if (!getcwd(base, sizeof base)) return 0;
    } else {
      char self[64];
      snprintf(self, sizeof self, "/proc/self/fd/%d", at);
      ssize_t n = readlink(self, base, sizeof base - 1);
      if (n < 0) return 0;
      base[n] = 0;
    }
    if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
  }
  return inside(out);
}

/* At once: a process that this one starts may add to the same file, and does not know of the lock. */
static void put(struct iovec *parts, int count) {
  while (count) {
    ssize_t n = syscall(SYS_writev, log_fd, parts, count);
    if (n < 0 && errno != EINTR) abort();
    for (; n > 0 && count && (size_t) n >= parts->iov_len; parts++, count--) n -= (ssize_t) parts->iov_len;
    if (n > 0) {
      parts->iov_base = (char *) parts->iov_base + n;
      parts->iov_len -= (size_t) n;
    }
    while (count && !parts->iov_len) parts++, count--;
  }
}

/* Under the lock. */
static void record(enum kind kind, uint64_t file, int64_t offset, const struct iovec *data, int parts, size_t count,
                   const char *path, const char *second) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  size_t p = path ? strlen(path) : 0, s = second ? strlen(second) : 0;
  int64_t header[7] = {kind, now.tv_sec * 1000000000LL + now.tv_nsec, (int64_t) file, offset, (int64_t) count,
                       (int64_t) p, (int64_t) s};
  struct iovec all[MOST_PARTS + 3] = {{header, sizeof header}};
  int used = 1;
  if (parts > MOST_PARTS) abort();
  for (int i = 0; i < parts && count; i++) {
    size_t n = data[i].iov_len < count ? data[i].iov_len : count;
    all[used++] = (struct iovec) {data[i].iov_base, n};
    count -= n;
  }
  all[used++] = (struct iovec) {(void *) path, p};
  all[used++] = (struct iovec) {(void *) second, s};
  put(all, used);
}

__attribute__((constructor)) static void begin(void) {
  const char *where = getenv("RECORDER_ROOT"), *log = getenv("RECORDER_LOG");
  if (!where || !log || !realpath(where, root)) return;
  root_length = strlen(root);
  log_fd = (int) syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat st;
  if (log_fd >= 0 && !stat(root, &st)) record(MKDIR, (uint64_t) st.st_ino, 0, 0, 0, 0, root, 0);
}

static void enter(void) { pthread_mutex_lock(&lock); }

static void leave(void) {
  int saved = errno;
  pthread_mutex_unlock(&lock);
  errno = saved;
}

/* Files */

static int opened(int at, const char *path, int flags, mode_t mode) {
  char full[PATH_MAX];
  if (!absolute(at, path, full)) {
    int fd = (int) syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < MAX_FD) file_of[fd] = 0;
    return fd;
  }
  enter();
  int existed = !faccessat(at, path, F_OK, AT_SYMLINK_NOFOLLOW);
  int fd = (int) syscall(SYS_openat, at, path, flags, mode);
  if (fd >= 0 && fd < MAX_FD) {
    file_of[fd] = inode(fd);
    if (!existed) record(CREATE, file_of[fd], 0, 0, 0, 0, full, 0);
    else if (flags & O_TRUNC) record(TRUNCATE, file_of[fd], 0, 0, 0, 0, 0, 0);
  }
  leave();
  return fd;
}

#define MODE(flags, last) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list va; va_start(va, last); mode = va_arg(va, mode_t); va_end(va); }

int open(const char *path, int flags, ...) { MODE(flags, flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) {
  MODE(flags, flags) return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int at, const char *path, int flags, ...) { MODE(flags, flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) {
  MODE(flags, flags) return opened(at, path, flags | O_LARGEFILE, mode);
}
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
  if (fd >= 0 && fd < MAX_FD) file_of[fd] = 0;
  return REAL(close)(fd);
}

int dup(int fd) {
  int copy = REAL(dup)(fd);
  if (copy >= 0 && copy < MAX_FD) file_of[copy] = ours(fd);
  return copy;
}

int dup2(int fd, int to) {
  int copy = REAL(dup2)(fd, to);
  if (copy >= 0 && copy < MAX_FD) file_of[copy] = ours(fd);
  return copy;
}

/* Data. `at` < 0: where the descriptor stands. */

static ssize_t written(int fd, const struct iovec *data, int parts, off_t at) {
  enter();
  off_t offset = at;
  if (at < 0) {
    struct stat st;
    offset = fcntl(fd, F_GETFL) & O_APPEND && !fstat(fd, &st) ? st.st_size : lseek(fd, 0, SEEK_CUR);
  }
  ssize_t n = at < 0 ? syscall(SYS_writev, fd, data, parts) : syscall(SYS_pwritev, fd, data, parts, at, 0);
  if (n > 0) record(WRITE, ours(fd), offset, data, parts, (size_t) n, 0, 0);
  leave();
  return n;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  struct iovec one = {(void *) bytes, count};
  return ours(fd) ? written(fd, &one, 1, -1) : syscall(SYS_write, fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  struct iovec one = {(void *) bytes, count};
  return ours(fd) ? written(fd, &one, 1, at) : syscall(SYS_pwrite64, fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return pwrite(fd, bytes, count, at); }
ssize_t writev(int fd, const struct iovec *data, int parts) {
  return ours(fd) ? written(fd, data, parts, -1) : syscall(SYS_writev, fd, data, parts);
}
ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t at) {
  return ours(fd) ? written(fd, data, parts, at) : syscall(SYS_pwritev, fd, data, parts, at, 0);
}
ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t at) { return pwritev(fd, data, parts, at); }

int ftruncate(int fd, off_t size) {
  if (!ours(fd)) return (int) syscall(SYS_ftruncate, fd, size);
  enter();
  int result = (int) syscall(SYS_ftruncate, fd, size);
  if (!result) record(TRUNCATE, ours(fd), size, 0, 0, 0, 0, 0);
  leave();
  return result;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

/* Ways of changing a file that nobody here uses; the test fails if that changes. */

static void unsupported(const char *what) {
  enter();
  record(UNSUPPORTED, 0, 0, 0, 0, 0, what, 0);
  leave();
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  if (fd >= 0 && ours(fd) && flags & MAP_SHARED && protection & PROT_WRITE) unsupported("mmap for writing");
  return (void *) syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
  return mmap(at, length, protection, flags, fd, offset);
}
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
  if (ours(to)) { errno = ENOSYS; return -1; } /* the caller then reads and writes */
  return syscall(SYS_copy_file_range, from, from_at, to, to_at, count, flags);
}
ssize_t sendfile(int to, int from, off_t *at, size_t count) {
  if (ours(to)) { errno = EINVAL; return -1; }
  return syscall(SYS_sendfile, to, from, at, count);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t count) { return sendfile(to, from, at, count); }

/* Names */

static int renamed(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  char a[PATH_MAX], b[PATH_MAX];
  int source = absolute(from_at, from, a), target = absolute(to_at, to, b);
  if (!source && !target) return (int) syscall(SYS_renameat2, from_at, from, to_at, to, flags);
  enter();
  int result = (int) syscall(SYS_renameat2, from_at, from, to_at, to, flags);
  if (!result) record(source && target ? RENAME : UNSUPPORTED, 0, 0, 0, 0, 0, a, b);
  leave();
  return result;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int fa, const char *from, int ta, const char *to) { return renamed(fa, from, ta, to, 0); }
int renameat2(int fa, const char *from, int ta, const char *to, unsigned flags) {
  return renamed(fa, from, ta, to, flags);
}

static int linked(int fa, const char *from, int ta, const char *to, int flags) {
  char a[PATH_MAX], b[PATH_MAX];
  int source = absolute(fa, from, a), target = absolute(ta, to, b);
  if (!source && !target) return (int) syscall(SYS_linkat, fa, from, ta, to, flags);
  enter();
  int result = (int) syscall(SYS_linkat, fa, from, ta, to, flags);
  if (!result) record(source && target ? LINK : UNSUPPORTED, 0, 0, 0, 0, 0, a, b);
  leave();
  return result;
}
int link(const char *from, const char *to) { return linked(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int fa, const char *from, int ta, const char *to, int flags) { return linked(fa, from, ta, to, flags); }

static int removed(int at, const char *path, int flags) {
  char full[PATH_MAX];
  if (!absolute(at, path, full)) return (int) syscall(SYS_unlinkat, at, path, flags);
  enter();
  int result = (int) syscall(SYS_unlinkat, at, path, flags);
  if (!result) record(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, 0, 0, 0, full, 0);
  leave();
  return result;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return removed(at, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  int result = unlink(path);
  return result && (errno == EISDIR || errno == EPERM) ? rmdir(path) : result;
}

int mkdirat(int at, const char *path, mode_t mode) {
  char full[PATH_MAX];
  if (!absolute(at, path, full)) return (int) syscall(SYS_mkdirat, at, path, mode);
  enter();
  int result = (int) syscall(SYS_mkdirat, at, path, mode);
  if (!result) {
    struct stat st;
    record(MKDIR, stat(full, &st) ? 0 : (uint64_t) st.st_ino, 0, 0, 0, 0, full, 0);
  }
  leave();
  return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* Syncs */

static int synced(int fd, long call) {
  uint64_t file = ours(fd);
  if (!file) return (int) syscall(call, fd);
  enter();
  record(SYNC_BEGIN, file, fd, 0, 0, 0, 0, 0);
  leave();
  int result = (int) syscall(call, fd);
  if (!result) {
    enter();
    record(SYNC_END, file, fd, 0, 0, 0, 0, 0);
    leave();
  }
  return result;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* Preloaded into the program under test (LD_PRELOAD): writes down each system call that writes or
 * arranges files below a folder, and makes one of them fail.
 *
 *   SHIM_ROOT   the folder; other files are left alone
 *   SHIM_LOG    the file to write the calls into
 *   SHIM_CALLS  the calls of which one fails, their names between spaces
 *   SHIM_AT     which of them, from 0
 *   SHIM_ERROR  the number of its error; -1 for half of a write
 *
 * A record of the log is a line of fields between tabs, and after a write its bytes:
 *
 *   call  result  inode  offset  bytes  path  second path
 *
 * The result is 0, or the error number; a call that was made to fail has "!" before it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *root, *calls;
static int log_file = -1;
static long at = -1, seen;
static int error;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    root = getenv("SHIM_ROOT");
    calls = getenv("SHIM_CALLS");
    const char *number = getenv("SHIM_AT"), *code = getenv("SHIM_ERROR"), *path = getenv("SHIM_LOG");
    if (calls && number && code) {
        at = atol(number);
        error = atoi(code);
    }
    if (root && path)
        log_file = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Whether a path is the folder or lies below it. */
static int inside(const char *path) {
    size_t n = root ? strlen(root) : 0;
    return n && path && !strncmp(path, root, n) && (path[n] == 0 || path[n] == '/');
}

/* The path behind a descriptor, if it lies in the folder. */
static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return inside(path);
}

/* The error that this call is to fail with, or 0. */
static int fault(const char *call, size_t bytes) {
    if (at < 0 || (error < 0 && bytes < 2)) return 0;
    size_t n = strlen(call);
    for (const char *name = calls; (name = strstr(name, call)); name += n)
        if ((name == calls || name[-1] == ' ') && (name[n] == 0 || name[n] == ' '))
            return seen++ == at ? error : 0;
    return 0;
}

static void record(const char *call, int injected, int result, unsigned long inode, long offset,
                   const void *data, size_t bytes, const char *path, const char *second) {
    if (log_file < 0) return;
    char line[2 * PATH_MAX + 200];
    int n = snprintf(line, sizeof line, "%s\t%s%d\t%lu\t%ld\t%zu\t%s\t%s\n", call,
                     injected ? "!" : "", result, inode, offset, data ? bytes : 0, path,
                     second ? second : "");
    struct iovec parts[2] = {{line, (size_t)n}, {(void *)data, data ? bytes : 0}};
    (void)!REAL(writev)(log_file, parts, 2);
}

static unsigned long inode_of(int fd) {
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_ino;
}

/* Runs a call that returns a negative number on failure: fails it, or makes it and records it. */
#define CALL(name, bytes, inode, path, second, real)                          \
    do {                                                                      \
        pthread_mutex_lock(&lock);                                            \
        int injected = fault(name, bytes), result = -1, code = injected;      \
        if (!injected) { result = real; code = result < 0 ? errno : 0; }      \
        record(name, injected, code, inode, 0, NULL, 0, path, second);        \
        pthread_mutex_unlock(&lock);                                          \
        if (result < 0) errno = code;                                         \
        return result;                                                        \
    } while (0)

static int opened(const char *path, int flags, mode_t mode, __typeof__(&open) real) {
    if (!inside(path) || (flags & O_ACCMODE) == O_RDONLY) return real(path, flags, mode);
    struct stat status;
    const char *name = lstat(path, &status) ? "create" : "open";
    CALL(name, 0, result < 0 ? 0 : inode_of(result), path, flags & O_TRUNC ? "truncated" : NULL,
         real(path, flags, mode));
}

#define MODE                                                                  \
    mode_t mode = 0;                                                          \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                    \
        va_list arguments;                                                    \
        va_start(arguments, flags);                                           \
        mode = va_arg(arguments, mode_t);                                     \
        va_end(arguments);                                                    \
    }

int open(const char *path, int flags, ...) {
    MODE return opened(path, flags, mode, REAL(open));
}

int open64(const char *path, int flags, ...) {
    MODE return opened(path, flags, mode, REAL(open64));
}

ssize_t write(int fd, const void *data, size_t bytes) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(write)(fd, data, bytes);
    pthread_mutex_lock(&lock);
    int injected = fault("write", bytes), code = injected;
    long offset = lseek(fd, 0, SEEK_CUR);
    ssize_t result = -1;
    if (injected <= 0) {
        result = REAL(write)(fd, data, injected ? bytes / 2 : bytes);
        code = result < 0 ? errno : 0;
    }
    record("write", injected, code, inode_of(fd), offset, result < 0 ? NULL : data,
           result < 0 ? 0 : (size_t)result, path, NULL);
    pthread_mutex_unlock(&lock);
    if (result < 0) errno = code;
    return result;
}

/* The program writes in no other way; a test asks for this. */
static ssize_t unexpected(const char *call, int fd) {
    char path[PATH_MAX];
    if (path_of(fd, path)) {
        fprintf(stderr, "shim: %s on %s is not known\n", call, path);
        _exit(97);
    }
    return 0;
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    unexpected("writev", fd);
    return REAL(writev)(fd, parts, n);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
    unexpected("pwrite64", fd);
    return REAL(pwrite64)(fd, data, bytes, offset);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags) {
    unexpected("copy_file_range", out);
    return REAL(copy_file_range)(in, from, out, to, n, flags);
}

int fsync(int fd) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(fsync)(fd);
    CALL("fsync", 0, inode_of(fd), path, NULL, REAL(fsync)(fd));
}

int fdatasync(int fd) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(fdatasync)(fd);
    CALL("fsync", 0, inode_of(fd), path, NULL, REAL(fdatasync)(fd));
}

static int cut(int fd, off64_t length) {
    char path[PATH_MAX], size[32];
    if (!path_of(fd, path)) return REAL(ftruncate64)(fd, length);
    snprintf(size, sizeof size, "%lld", (long long)length);
    CALL("ftruncate", 0, inode_of(fd), path, size, REAL(ftruncate64)(fd, length));
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }

int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

int rename(const char *from, const char *to) {
    if (!inside(from) && !inside(to)) return REAL(rename)(from, to);
    CALL("rename", 0, 0, from, to, REAL(rename)(from, to));
}

int link(const char *from, const char *to) {
    if (!inside(to)) return REAL(link)(from, to);
    CALL("link", 0, 0, from, to, REAL(link)(from, to));
}

int mkdir(const char *path, mode_t mode) {
    if (!inside(path)) return REAL(mkdir)(path, mode);
    CALL("mkdir", 0, 0, path, NULL, REAL(mkdir)(path, mode));
}

int unlink(const char *path) {
    if (!inside(path)) return REAL(unlink)(path);
    CALL("unlink", 0, 0, path, NULL, REAL(unlink)(path));
}

int rmdir(const char *path) {
    if (!inside(path)) return REAL(rmdir)(path);
    CALL("rmdir", 0, 0, path, NULL, REAL(rmdir)(path));
}

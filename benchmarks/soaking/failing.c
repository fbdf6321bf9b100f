/* System calls that fail on request: preloaded into the process that is tested.

   cc -shared -fPIC -O1 -o failing.so failing.c -ldl

   SOAK_ROOT   only calls on files below this directory count
   SOAK_CALL   the call that fails; without it none does
   SOAK_ERRNO  the error, as a number
   SOAK_FROM   the first of those calls that fails, from 1; all later ones do, too
   SOAK_ONCE   if set, only that one
   SOAK_LOG    a file that gets a line a counted call: its name, and `!` behind it where it was made to fail

   An interposer and not strace: which calls are meant is told by the path, which strace knows for exact names only,
   and the count runs over all threads of the process. */

#define _GNU_SOURCE
#include <dlfcn.h>
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
#include <unistd.h>

static atomic_int calls;

static int below_root(const char *path) {
    const char *root = getenv("SOAK_ROOT");
    return root && strncmp(path, root, strlen(root)) == 0;
}

static int of_descriptor(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below_root(path);
}

static int of_path(int directory, const char *path) {
    if (path && path[0] == '/') return below_root(path);
    return directory == AT_FDCWD ? 0 : of_descriptor(directory);
}

static void say(const char *call, int failed) {
    const char *log = getenv("SOAK_LOG");
    char line[64];
    if (!log) return;
    /* By raw system calls, which nobody interposes. */
    long fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return;
    int length = snprintf(line, sizeof line, "%s%s\n", call, failed ? "!" : "");
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
}

/* Whether this call, which is ours to count, has to fail; errno is set then. */
static int fails(const char *call, int ours) {
    const char *wanted = getenv("SOAK_CALL"), *from = getenv("SOAK_FROM"), *error = getenv("SOAK_ERRNO");
    int saved = errno, failed = 0;
    if (!ours) return 0;
    if (wanted && from && error && strcmp(call, wanted) == 0) {
        int number = atomic_fetch_add(&calls, 1) + 1, first = atoi(from);
        failed = getenv("SOAK_ONCE") ? number == first : number >= first;
    }
    say(call, failed);
    errno = failed ? atoi(error) : saved;
    return failed;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                                        \
    int name(const char *path, int flags, ...) {                          \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        mode_t mode = mode_of(flags, rest);                               \
        va_end(rest);                                                     \
        if (fails("openat", of_path(AT_FDCWD, path))) return -1;          \
        return NEXT(name)(path, flags, mode);                             \
    }
#define OPENAT(name)                                                      \
    int name(int directory, const char *path, int flags, ...) {           \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        mode_t mode = mode_of(flags, rest);                               \
        va_end(rest);                                                     \
        if (fails("openat", of_path(directory, path))) return -1;         \
        return NEXT(name)(directory, path, flags, mode);                  \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size) {
    if (fails("write", of_descriptor(fd))) return -1;
    return NEXT(write)(fd, data, size);
}

#define PWRITE(name, offset_t)                                            \
    ssize_t name(int fd, const void *data, size_t size, offset_t at) {    \
        if (fails("pwrite64", of_descriptor(fd))) return -1;              \
        return NEXT(name)(fd, data, size, at);                            \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define ON_DESCRIPTOR(name)                                               \
    int name(int fd) {                                                    \
        if (fails(#name, of_descriptor(fd))) return -1;                   \
        return NEXT(name)(fd);                                            \
    }
ON_DESCRIPTOR(fsync)
ON_DESCRIPTOR(fdatasync)
ON_DESCRIPTOR(syncfs)

#define TRUNCATE(name, size_type)                                         \
    int name(int fd, size_type size) {                                    \
        if (fails("ftruncate", of_descriptor(fd))) return -1;             \
        return NEXT(name)(fd, size);                                      \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int linkat(int from, const char *old, int to, const char *new, int flags) {
    if (fails("linkat", of_path(to, new))) return -1;
    return NEXT(linkat)(from, old, to, new, flags);
}

int link(const char *old, const char *new) {
    if (fails("linkat", of_path(AT_FDCWD, new))) return -1;
    return NEXT(link)(old, new);
}

int renameat(int from, const char *old, int to, const char *new) {
    if (fails("renameat", of_path(to, new))) return -1;
    return NEXT(renameat)(from, old, to, new);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    if (fails("renameat2", of_path(to, new))) return -1;
    return NEXT(renameat2)(from, old, to, new, flags);
}

int mkdirat(int directory, const char *path, mode_t mode) {
    if (fails("mkdirat", of_path(directory, path))) return -1;
    return NEXT(mkdirat)(directory, path, mode);
}

int mkdir(const char *path, mode_t mode) {
    if (fails("mkdirat", of_path(AT_FDCWD, path))) return -1;
    return NEXT(mkdir)(path, mode);
}

int unlinkat(int directory, const char *path, int flags) {
    if (fails("unlinkat", of_path(directory, path))) return -1;
    return NEXT(unlinkat)(directory, path, flags);
}

int unlink(const char *path) {
    if (fails("unlinkat", of_path(AT_FDCWD, path))) return -1;
    return NEXT(unlink)(path);
}

int rmdir(const char *path) {
    if (fails("unlinkat", of_path(AT_FDCWD, path))) return -1;
    return NEXT(rmdir)(path);
}

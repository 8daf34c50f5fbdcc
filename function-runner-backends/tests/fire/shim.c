// Stands between a program and its files: fails a chosen call, or writes down what reaches the disk. Sets its wall clock
// too.
//
// Preloaded (LD_PRELOAD) into a child process of the fire tests; see shim.rs for how it is built and told.
// Only files under one folder are touched: FIRE_FOLDER, an absolute path without a slash at its end.
// FIRE_CONTROL names a file of eight 64-bit numbers that the tests change while the program runs:
//
//   0  the errno that a call is to fail with; 0: none fails
//   1  which call: 1 is the next one of the chosen kinds; counted down
//   2  1: that call and all after it fail; 0: that one alone
//   3  the kinds of calls that count: 1 write, 2 sync, 4 truncate, 8 open
//   4  1: a write that fails has written half of its bytes before
//   5  how many calls of the chosen kinds there were: counted up
//   6  how many calls were failed: counted up
//   7  how many seconds the wall clock is ahead of the machine's
//
// FIRE_RECORD names a file to which every write, sync, truncate, creation and removal is appended, in the
// order in which they were done: the header below, the path within the folder, the bytes.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNC = 2, TRUNCATE = 4, OPEN = 8, UNLINK = 16, SYNC_FOLDER = 32 };
enum control { ERRNO, COUNTDOWN, STICKY, KINDS, TORN, SEEN, FAILED, AHEAD, CONTROLS };

struct header {
    uint32_t magic; // FIRE_MAGIC
    uint32_t kind;
    uint64_t offset; // of a write; the length to which a file is cut
    uint32_t path;   // bytes of the path that follows, and of the data behind it
    uint32_t data;
};

#define FIRE_MAGIC 0x65726966u
#define FILES 4096

static char folder[4096];
static size_t folder_length;
static volatile int64_t *control;
static int record = -1;
static char *paths[FILES]; // of every open file under the folder, by its number
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *name = getenv("FIRE_FOLDER");
    if (!name || strlen(name) >= sizeof folder) return;
    strcpy(folder, name);
    folder_length = strlen(folder);
    const char *shared = getenv("FIRE_CONTROL");
    if (shared) {
        int file = real_open(shared, O_RDWR | O_CLOEXEC);
        void *map = file < 0 ? MAP_FAILED
                             : mmap(0, CONTROLS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (map == MAP_FAILED) abort();
        control = map;
        real_close(file);
    }
    const char *log = getenv("FIRE_RECORD");
    if (log) {
        record = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (record < 0) abort();
    }
}

// A library's own constructor may come after the first call of another's.
__attribute__((constructor)) static void start(void) { pthread_once(&once, begin); }

static void enter(void) {
    pthread_once(&once, begin);
    pthread_mutex_lock(&lock);
}

static int leave(int result, int error) {
    pthread_mutex_unlock(&lock);
    if (error) errno = error;
    return result;
}

// The path behind the folder; the folder itself is "".
static const char *within(const char *path) {
    if (!folder_length || !path || strncmp(path, folder, folder_length)) return NULL;
    if (path[folder_length] == 0) return "";
    return path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static const char *name_of(int file) { return file >= 0 && file < FILES ? paths[file] : NULL; }

// The shared memory of SQLite: it is lost with the power, and its size is all that is ever written to it.
static int is_shared(const char *path) {
    size_t length = strlen(path);
    return length >= 4 && !strcmp(path + length - 4, "-shm");
}

// The errno that this call is to fail with, or 0.
static int fault(const char *path, int64_t kind) {
    if (!control || !*path || !(control[KINDS] & kind)) return 0;
    __atomic_add_fetch(&control[SEEN], 1, __ATOMIC_SEQ_CST);
    int64_t error = __atomic_load_n(&control[ERRNO], __ATOMIC_SEQ_CST);
    if (!error) return 0;
    int64_t left = __atomic_sub_fetch(&control[COUNTDOWN], 1, __ATOMIC_SEQ_CST);
    if (left > 0 || (left < 0 && !control[STICKY])) return 0;
    __atomic_add_fetch(&control[FAILED], 1, __ATOMIC_SEQ_CST);
    return (int)error;
}

static void note(enum kind kind, const char *path, uint64_t offset, const void *data, size_t length) {
    if (record < 0 || is_shared(path)) return;
    struct header header = {FIRE_MAGIC, kind, offset, (uint32_t)strlen(path), (uint32_t)length};
    size_t size = sizeof header + header.path + header.data;
    char *bytes = malloc(size);
    if (!bytes) abort();
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + sizeof header, path, header.path);
    if (length) memcpy(bytes + sizeof header + header.path, data, length);
    if (real_write(record, bytes, size) != (ssize_t)size) abort();
    free(bytes);
}

static int opened(const char *path, int flags, mode_t mode, int at, int is_at) {
    enter();
    const char *name = within(path);
    int is_new = name && *name && (flags & O_CREAT) && access(path, F_OK) != 0;
    int error = name ? fault(name, OPEN) : 0;
    if (error) return leave(-1, error);
    int file = is_at ? real_openat(at, path, flags, mode) : real_open(path, flags, mode);
    int failed = file < 0 ? errno : 0;
    if (file >= 0 && file < FILES) {
        free(paths[file]);
        paths[file] = name ? strdup(name) : NULL;
        if (is_new) note(OPEN, name, 0, NULL, 0);
        if (name && *name && !is_new && (flags & O_TRUNC)) note(TRUNCATE, name, 0, NULL, 0);
    }
    return leave(file, failed);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode, 0, 0);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode, 0, 0);
}

int openat(int at, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode, at, 1);
}

int openat64(int at, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode, at, 1);
}

int close(int file) {
    pthread_once(&once, begin);
    if (!name_of(file)) return real_close(file);
    enter();
    free(paths[file]);
    paths[file] = NULL;
    int result = real_close(file);
    return leave(result, result ? errno : 0);
}

// A write at this offset, or where the file stands (-1), which for a file that is appended to is its end.
static ssize_t written(int file, const void *data, size_t length, off_t offset) {
    enter();
    const char *path = name_of(file);
    int error = path ? fault(path, WRITE) : 0;
    size_t all = length;
    if (error && control[TORN]) length /= 2;
    ssize_t done = 0;
    if (!error || length < all) {
        done = offset < 0 ? real_write(file, data, length) : real_pwrite(file, data, length, offset);
        int failed = done < 0 ? errno : 0;
        if (failed) return leave(-1, failed);
        off_t at = offset < 0 ? lseek(file, 0, SEEK_CUR) - done : offset;
        if (path) note(WRITE, path, (uint64_t)at, data, (size_t)done);
    }
    if (error) return leave(-1, error);
    pthread_mutex_unlock(&lock);
    return done;
}

// Files outside of the folder take no lock: a signal handler may write to its pipe.
ssize_t write(int file, const void *data, size_t length) {
    pthread_once(&once, begin);
    return name_of(file) ? written(file, data, length, -1) : real_write(file, data, length);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t offset) {
    pthread_once(&once, begin);
    return name_of(file) ? written(file, data, length, offset) : real_pwrite(file, data, length, offset);
}

ssize_t pwrite64(int file, const void *data, size_t length, off_t offset) {
    return pwrite(file, data, length, offset);
}

static int synced(int file, int (*real)(int)) {
    enter();
    const char *path = name_of(file);
    int error = path ? fault(path, SYNC) : 0;
    if (error) return leave(-1, error);
    int result = real(file);
    int failed = result ? errno : 0;
    if (path && !failed) note(*path ? SYNC : SYNC_FOLDER, path, 0, NULL, 0);
    return leave(result, failed);
}

int fsync(int file) {
    pthread_once(&once, begin);
    return name_of(file) ? synced(file, real_fsync) : real_fsync(file);
}

int fdatasync(int file) {
    pthread_once(&once, begin);
    return name_of(file) ? synced(file, real_fdatasync) : real_fdatasync(file);
}

static int cut(int file, off_t length) {
    enter();
    const char *path = name_of(file);
    int error = path ? fault(path, TRUNCATE) : 0;
    if (error) return leave(-1, error);
    int result = real_ftruncate(file, length);
    int failed = result ? errno : 0;
    if (path && !failed) note(TRUNCATE, path, (uint64_t)length, NULL, 0);
    return leave(result, failed);
}

int ftruncate(int file, off_t length) {
    pthread_once(&once, begin);
    return name_of(file) ? cut(file, length) : real_ftruncate(file, length);
}

int ftruncate64(int file, off_t length) { return ftruncate(file, length); }

int unlink(const char *path) {
    enter();
    const char *name = within(path);
    int result = real_unlink(path);
    int failed = result ? errno : 0;
    if (name && !failed) note(UNLINK, name, 0, NULL, 0);
    return leave(result, failed);
}

// A wall clock that was set: the steady clocks go on.
int clock_gettime(clockid_t clock, struct timespec *now) {
    pthread_once(&once, begin);
    int result = real_clock_gettime(clock, now);
    if (!result && control && clock == CLOCK_REALTIME) now->tv_sec += control[AHEAD];
    return result;
}

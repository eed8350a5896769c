/* Tapes on disk: arrays that are used by their rows lie in a file without a name, mapped into memory as others are. What
   is read and written is right whatever happens here; this decides only which parts are in memory. Before a statement
   uses a row, wg_touch says so. The parts (chunks) that were used last stay; a thread of the tape's own writes others to
   the file, takes them out of memory, and reads those in advance that come next in the direction of use. */

#include <errno.h>

/* What a tape may have in memory: chunks in use (for so many rows at once), and on their way out and in. */
typedef struct {
    int64_t chunk, keep, flight, bytes;
} wg_window_size;

#define WG_CHUNK_LEAST ((int64_t)64 << 10) /* what the system maps at once around a page that is read */
#define WG_CHUNK_MOST ((int64_t)4 << 20)

/* As `footprint.walk` has it. */
static wg_window_size wg_window_of(int64_t bytes, int64_t row, int64_t rows) {
    wg_window_size w;
    w.chunk = (bytes / 256 / WG_CHUNK_LEAST + 1) * WG_CHUNK_LEAST;
    if (w.chunk > WG_CHUNK_MOST) w.chunk = WG_CHUNK_MOST;
    const int64_t spread = ((row > 0 ? row : 1) + w.chunk - 1) / w.chunk + 1; /* chunks that a row may lie in */
    w.keep = rows * spread;
    w.flight = 2 * (spread > 2 ? spread : 2);
    w.bytes = wg_times(w.keep + w.flight, w.chunk);
    return w;
}

static WG_COLD int wg_disk_failed(wg *wg, int64_t bytes, int error) {
    wg_shown shown[2] = {{'i', bytes, 0, 0}, {'i', error, 0, 0}};
    return wg_fail(wg, NULL, "wengert.disk:DiskFailed", "{} {}", 2, shown);
}

#if defined(__linux__)
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WG_NEVER, WG_USED, WG_LEAVING, WG_AWAY, WG_COMING };

typedef struct wg_tape {
    wg_window window; /* first: what is in memory for sure */
    int file;
    char *data;
    void *map;
    size_t mapped;
    int64_t bytes;
    wg_window_size size;
    int64_t chunks, latest;
    unsigned char *state;        /* by chunk */
    int64_t *used, used_count;   /* chunks in use, the one that was used last at the end */
    int64_t *coming, coming_count; /* chunks that were read in advance, the oldest first */
    int64_t *orders;             /* for the thread: a ring of chunks that leave (k) or come (-1 - k; fresh ones: -1 - k - chunks) */
    int64_t first, waiting, room, leaving;
    int error;
    bool done;
    pthread_mutex_t lock;
    pthread_cond_t more, less; /* there is more to do for the thread; it has done something */
    pthread_t thread;
} wg_tape;

/* The bytes of a chunk in the file, and where they are mapped. */
static int64_t wg_chunk_bytes(const wg_tape *t, int64_t k) {
    const int64_t from = k * t->size.chunk;
    return t->bytes - from < t->size.chunk ? t->bytes - from : t->size.chunk;
}

/* Take a chunk out of memory: first out of the process, then, once it is written, out of the system's cache. */
static int wg_write_out(wg_tape *t, int64_t k) {
    const int64_t from = k * t->size.chunk, bytes = wg_chunk_bytes(t, k);
    const int64_t whole = (bytes + 4095) & ~(int64_t)4095;
    madvise(t->data + from, (size_t)whole, MADV_DONTNEED);
    const unsigned how = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    const int failed = sync_file_range(t->file, from, bytes, how) ? errno : 0;
    posix_fadvise(t->file, from, bytes, POSIX_FADV_DONTNEED);
    return failed == EIO || failed == ENOSPC ? failed : 0;
}

/* Bring a chunk (or, from `chunks` on, one that has nothing yet) into memory and the process. It comes when it is used, if
   the system does not know how. */
static int wg_bring_in(wg_tape *t, int64_t k) {
    const bool fresh = k >= t->chunks;
    if (fresh) k -= t->chunks;
    const int64_t from = k * t->size.chunk, bytes = (wg_chunk_bytes(t, k) + 4095) & ~(int64_t)4095;
    if (!fresh) posix_fadvise(t->file, from, bytes, POSIX_FADV_WILLNEED);
#ifdef MADV_POPULATE_WRITE
    madvise(t->data + from, (size_t)bytes, fresh ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
#endif
    return 0;
}

static void *wg_tape_work(void *of) {
    wg_tape *t = of;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (!t->done && !t->waiting) pthread_cond_wait(&t->more, &t->lock);
        if (t->done) break;
        const int64_t order = t->orders[t->first];
        t->first = (t->first + 1) % t->room;
        t->waiting--;
        pthread_mutex_unlock(&t->lock);
        const int failed = order >= 0 ? wg_write_out(t, order) : wg_bring_in(t, -1 - order);
        pthread_mutex_lock(&t->lock);
        if (failed) t->error = failed;
        if (order >= 0) {
            if (t->state[order] == WG_LEAVING) t->state[order] = WG_AWAY;
            t->leaving--;
        }
        pthread_cond_signal(&t->less);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* -- with the lock held ------------------------------------------------------------------------------------------ */

static void wg_order(wg_tape *t, int64_t order) {
    while (t->waiting == t->room) pthread_cond_wait(&t->less, &t->lock);
    t->orders[(t->first + t->waiting++) % t->room] = order;
    pthread_cond_signal(&t->more);
}

static void wg_send_out(wg_tape *t, int64_t k) {
    while (t->leaving >= t->size.flight / 2) pthread_cond_wait(&t->less, &t->lock);
    t->state[k] = WG_LEAVING;
    t->leaving++;
    wg_order(t, k);
}

/* Remove a chunk from a list; whether it was there. */
static bool wg_unlist(int64_t *list, int64_t *count, int64_t k) {
    for (int64_t i = *count - 1; i >= 0; i--) {
        if (list[i] != k) continue;
        memmove(list + i, list + i + 1, (size_t)(*count - 1 - i) * sizeof *list);
        --*count;
        return true;
    }
    return false;
}

static void wg_use(wg_tape *t, int64_t k) {
    if (t->state[k] == WG_USED) wg_unlist(t->used, &t->used_count, k);
    if (t->state[k] == WG_COMING) wg_unlist(t->coming, &t->coming_count, k);
    if (t->used_count == t->size.keep) { /* never one of those just used: `keep` has room for them */
        const int64_t oldest = t->used[0];
        wg_unlist(t->used, &t->used_count, oldest);
        wg_send_out(t, oldest);
    }
    t->state[k] = WG_USED;
    t->used[t->used_count++] = k;
}

static void wg_read_ahead(wg_tape *t, int64_t from, int64_t step) {
    for (int64_t n = 0, k = from; n < t->size.flight / 2; n++) {
        k += step;
        if (k < 0 || k >= t->chunks) return;
        const bool fresh = t->state[k] == WG_NEVER;
        if (t->state[k] != WG_AWAY && !fresh) continue;
        if (t->coming_count == t->size.flight / 2) {
            const int64_t oldest = t->coming[0];
            wg_unlist(t->coming, &t->coming_count, oldest);
            wg_send_out(t, oldest);
        }
        t->state[k] = WG_COMING;
        t->coming[t->coming_count++] = k;
        wg_order(t, -1 - (fresh ? k + t->chunks : k));
    }
}

/* -- for the program ------------------------------------------------------------------------------------------------ */

WG_COLD int wg_turn_to(wg *wg, wg_window *window, int64_t from, int64_t bytes) {
    wg_tape *t = (wg_tape *)window;
    if (bytes <= 0 || from < 0 || from > t->bytes - bytes) return 0; /* the row is not used after all */
    const int64_t first = from / t->size.chunk, last = (from + bytes - 1) / t->size.chunk;
    pthread_mutex_lock(&t->lock);
    const bool known = t->state[first] == WG_USED && t->state[last] == WG_USED;
    for (int64_t k = first; k <= last; k++) wg_use(t, k);
    if (!known && t->latest >= 0) {
        if (first < t->latest) wg_read_ahead(t, first, -1);
        else if (first > t->latest) wg_read_ahead(t, last, 1);
    }
    if (!known) t->latest = first;
    const int error = t->error;
    pthread_mutex_unlock(&t->lock);
    window->low = first * t->size.chunk;
    window->high = (last + 1) * t->size.chunk;
    return error ? wg_disk_failed(wg, t->bytes, error) : 0;
}

/* A file without a name. */
static int wg_open_nameless(const char *directory) {
#ifdef O_TMPFILE
    const int file = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)) return file;
#endif
    char name[4096];
    if (snprintf(name, sizeof name, "%s/wengert-XXXXXX", directory) >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int made = mkstemp(name);
    if (made >= 0) unlink(name);
    return made;
}

/* The file with its blocks, so that writing to them cannot fail for want of space, mapped behind a page of memory for
   the block's header; 0, or why not. */
static int wg_map_tape(wg_tape *t, const char *directory) {
    t->file = wg_open_nameless(directory);
    if (t->file < 0) return errno;
    int failed;
    do failed = posix_fallocate(t->file, 0, t->bytes);
    while (failed == EINTR);
    if (failed) return failed;
    const int64_t whole = (t->bytes + 4095) & ~(int64_t)4095;
    t->mapped = (size_t)(whole + 2 * WG_CHUNK_LEAST);
    void *map = mmap(NULL, t->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return errno;
    t->map = map;
    const uintptr_t at = (uintptr_t)map + 4096 + WG_CHUNK_LEAST - 1;
    t->data = (char *)(at - at % WG_CHUNK_LEAST);
    void *data = mmap(t->data, (size_t)whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, t->file, 0);
    if (data == MAP_FAILED) return errno;
    madvise(data, (size_t)whole, MADV_RANDOM); /* else the system reads, and maps, more than is asked for */
    return 0;
}

static void wg_drop_tape(wg_tape *t) {
    if (t->map) munmap(t->map, t->mapped);
    if (t->file >= 0) close(t->file);
    free(t->state);
    free(t->used);
    free(t->coming);
    free(t->orders);
    free(t);
}

static wg_tape *wg_new_tape(int64_t bytes, wg_window_size size) {
    wg_tape *t = calloc(1, sizeof(wg_tape));
    if (!t) return NULL;
    t->file = t->latest = -1;
    t->bytes = bytes;
    t->size = size;
    t->chunks = (bytes + size.chunk - 1) / size.chunk;
    t->room = 2 * size.flight + 2;
    t->state = calloc((size_t)t->chunks, 1);
    t->used = calloc((size_t)size.keep, sizeof(int64_t));
    t->coming = calloc((size_t)size.flight, sizeof(int64_t));
    t->orders = calloc((size_t)t->room, sizeof(int64_t));
    if (t->state && t->used && t->coming && t->orders) return t;
    wg_drop_tape(t);
    return NULL;
}

/* A thread that leaves signals to others; 0, or why there is none. */
static int wg_start_tape(wg_tape *t) {
    sigset_t all, before;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->more, NULL);
    pthread_cond_init(&t->less, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&t->thread, NULL, wg_tape_work, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static void wg_close_tape(wg_block *block) {
    wg_tape *t = (wg_tape *)block->window;
    pthread_mutex_lock(&t->lock);
    t->done = true;
    pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->more);
    pthread_cond_destroy(&t->less);
    wg_drop_tape(t);
}

static void *wg_new_tape_block(wg *wg, int64_t bytes, wg_window_size size) {
    wg_tape *t = wg_new_tape(bytes, size);
    int failed = t ? wg_map_tape(t, wg->directory) : ENOMEM;
    if (!failed) failed = wg_start_tape(t);
    if (failed) {
        if (t) wg_drop_tape(t);
        wg_disk_failed(wg, bytes, failed);
        return NULL;
    }
    wg_block *block = wg_block_of(t->data);
    memset(block, 0, sizeof *block);
    block->window = &t->window;
    return t->data;
}
#else
int wg_turn_to(wg *wg, wg_window *window, int64_t from, int64_t bytes) { return 0; }
static void wg_close_tape(wg_block *block) {}
static void *wg_new_tape_block(wg *wg, int64_t bytes, wg_window_size size) {
    wg_disk_failed(wg, bytes, ENOSYS);
    return NULL;
}
#endif

/* The run-time context: storage, errors, and the look at Python's signals. One context serves one call at a time. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define WG_HEADER 64
#define WG_LARGE (1 << 20)
#define WG_HUGE ((size_t)4 << 20)
#define WG_CACHE_LEAST ((int64_t)1 << 20)
#define WG_CACHE_MOST ((int64_t)256 << 20)

/* -- errors ---------------------------------------------------------------------------------------------------- */

WG_COLD int wg_fail(wg *wg, const wg_site *site, const char *exception, const char *message, int count,
                    const wg_shown *shown) {
    wg->site = site;
    wg->exception = exception;
    wg->message = message;
    wg->shown_count = count < WG_MAX_ARGS ? count : WG_MAX_ARGS;
    for (int k = 0; k < wg->shown_count; k++) wg->shown[k] = shown[k];
    return 1;
}

WG_COLD int wg_overflowed(wg *wg, const wg_site *site) {
    return wg_fail(wg, site, "OverflowError", "integer result does not fit in 64 bits", 0, NULL);
}

WG_COLD int wg_popped_empty(wg *wg, const wg_site *site) {
    return wg_fail(wg, site, "IndexError", "pop from empty list", 0, NULL);
}

WG_COLD int wg_too_deep(wg *wg) {
    return wg_fail(wg, NULL, "RecursionError", "maximum recursion depth exceeded", 0, NULL);
}

static WG_COLD int wg_out_of_memory(wg *wg, int64_t bytes, const char *message) {
    wg_shown shown = {'i', bytes, 0, 0};
    return wg_fail(wg, NULL, "MemoryError", message, 1, &shown);
}

/* -- signals --------------------------------------------------------------------------------------------------- */

static int64_t wg_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Every few milliseconds: adapts the period to the time since the look before. Every 50 ms: lets Python run its signal
   handlers. */
WG_COLD int wg_poll(wg *wg) {
    if (!wg->polls) {
        wg->ticks = INT64_MAX;
        return 0;
    }
    const int64_t now = wg_now();
    if (!wg->last_poll) wg->last_poll = wg->last_look = now;
    const int64_t elapsed = now - wg->last_look;
    wg->last_look = now;
    if (elapsed < 5000000 && wg->ticks_period < (1 << 20)) wg->ticks_period *= 2;
    if (elapsed > 20000000 && wg->ticks_period > 1) wg->ticks_period /= 2;
    wg->ticks = wg->ticks_period;
    if (now - wg->last_poll < 50000000) return 0;
    PyEval_RestoreThread(wg->thread_state);
    const int raised = PyErr_CheckSignals();
    wg->thread_state = PyEval_SaveThread();
    wg->last_poll = wg->last_look = wg_now();
    return raised != 0;
}

WG_COLD bool wg_look(wg *wg, int64_t *ticks) {
    *ticks = WG_TEAM_TICKS;
    if (PyThread_get_thread_ident() == wg->caller) {
        if (wg_poll(wg)) __atomic_store_n(&wg->stopped, true, __ATOMIC_RELAXED);
        *ticks = wg->ticks;
    }
    return __atomic_load_n(&wg->stopped, __ATOMIC_RELAXED);
}

/* -- loops on several threads ------------------------------------------------------------------------------- */

#ifndef WG_SURE
#define WG_SURE 5e6 /* operations, 0.1 ms in lanes: as long as it can take to wake threads */
#endif
#define WG_TURNS 64
#define WG_LONGEST_PAUSE 4096

/* How short loops fare on threads, which gain nothing where others have the processors or where they fall asleep in
   between: every sixteen loops, what these took is compared with what one thread would have, and if it is no less,
   one thread takes the next ones. The parts are the same for both, and so are the results. */
static _Thread_local struct {
    double took, alone;
    int32_t loops, left, pause;
} wg_fare;

int wg_team_begin(wg_team *team, double work, int threads) {
    if (work >= WG_SURE) return threads;
    const bool measures = team->turns++ % WG_TURNS == 0;
    if (team->turns == 2 * WG_TURNS) team->turns = WG_TURNS;
    if (wg_fare.left > 0) wg_fare.left--;
    team->began = wg_now();
    return measures || wg_fare.left > 0 ? 1 : threads;
}

void wg_team_end(wg_team *team, double work, int threads) {
    if (work >= WG_SURE) return;
    const double took = (double)(wg_now() - team->began);
    if (threads == 1) {
        team->pace = team->pace == 0 ? took / work : team->pace + (took / work - team->pace) / 8;
        return;
    }
    if (wg_fare.loops++ < 2) return; /* these may have had to wake the others */
    wg_fare.took += took;
    wg_fare.alone += team->pace * work;
    if (wg_fare.loops < 18 && wg_fare.took < 3 * wg_fare.alone) return;
    if (wg_fare.took < 0.9 * wg_fare.alone) {
        wg_fare.pause = 0;
        wg_fare.loops = 2;
    } else {
        wg_fare.pause = wg_fare.pause == 0 ? WG_TURNS : wg_fare.pause < WG_LONGEST_PAUSE ? 2 * wg_fare.pause : wg_fare.pause;
        wg_fare.left = wg_fare.pause;
        wg_fare.loops = 0;
    }
    wg_fare.took = wg_fare.alone = 0;
}

/* -- blocks ---------------------------------------------------------------------------------------------------- */

/* Sizes up to 1 KiB in steps of 64 bytes, then four classes an octave; every block of a class has the same capacity. */
static int64_t wg_class_of(int64_t bytes, int64_t *capacity) {
    if (bytes <= 1024) {
        *capacity = bytes;
        return bytes / 64;
    }
    const int64_t octave = 61 - __builtin_clzll((unsigned long long)bytes - 1);
    const int64_t step = (int64_t)1 << octave; /* bytes - 1 is in [4 step, 8 step) */
    const int64_t steps = (bytes + step - 1) / step;
    *capacity = steps * step;
    return octave * 4 + steps - 4;
}

static void wg_drop_spares(wg *wg, int64_t keep) {
    for (int k = WG_CLASSES - 1; k >= 0 && wg->cached > keep; k--) {
        while (wg->spare[k] && wg->cached > keep) {
            wg_block *block = wg->spare[k];
            wg->spare[k] = block->next;
            wg->cached -= block->capacity;
            free(block->raw);
        }
    }
}

/* Memory from the system, in huge pages where it is large: otherwise page faults can cost more than the work on it. */
static void *wg_obtain(size_t bytes, bool cleared) {
    void *raw = cleared ? calloc(1, bytes) : malloc(bytes);
#ifdef MADV_HUGEPAGE
    if (raw && bytes >= WG_HUGE) {
        const uintptr_t from = ((uintptr_t)raw + 4095) & ~(uintptr_t)4095;
        madvise((void *)from, ((uintptr_t)raw + bytes - from) & ~(size_t)4095, MADV_HUGEPAGE);
    }
#endif
    return raw;
}

/* Memory that is not a block of the arena counts, too. */
static void wg_count(wg *wg, int64_t bytes) {
    wg->current += bytes <= 0 ? 64 : (bytes + 63) / 64 * 64;
    if (wg->current > wg->peak) wg->peak = wg->current;
}

static void wg_hold(wg *wg, wg_block *block, int64_t bytes) {
    block->bytes = bytes;
    block->holders = 1;
    block->previous = NULL;
    block->next = wg->live;
    if (wg->live) wg->live->previous = block;
    wg->live = block;
    wg->current += bytes;
    if (wg->current > wg->peak) wg->peak = wg->current;
}

void *wg_alloc(wg *wg, int64_t bytes, bool zero) {
    if (bytes > INT64_MAX - (1 << 20)) {
        wg_out_of_memory(wg, bytes, "the array is too large");
        return NULL;
    }
    bytes = bytes <= 0 ? 64 : (bytes + 63) / 64 * 64;
    int64_t capacity;
    const int64_t size_class = wg_class_of(bytes, &capacity);
    if (WG_UNLIKELY(bytes > wg->limit - wg->current)) {
        wg_out_of_memory(wg, bytes, "the memory limit does not allow another {} bytes");
        return NULL;
    }
    wg_block *block = wg->spare[size_class];
    char *data;
    if (block) {
        wg->spare[size_class] = block->next;
        wg->cached -= capacity;
        data = (char *)block + WG_HEADER;
        if (zero) memset(data, 0, (size_t)bytes);
    } else {
        const int64_t most = wg->peak > wg->peak_before ? wg->peak : wg->peak_before;
        const int64_t more = most < WG_CACHE_LEAST ? WG_CACHE_LEAST : most < WG_CACHE_MOST ? most : WG_CACHE_MOST;
        if (wg->current + wg->cached > most + more / 2) wg_drop_spares(wg, 0);
        if (wg->limit - bytes - wg->current < wg->cached) wg_drop_spares(wg, wg->limit - bytes - wg->current);
        const size_t total = (size_t)capacity + WG_HEADER + 64;
        const bool cleared = zero && capacity >= WG_LARGE;
        void *raw = wg_obtain(total, cleared);
        if (!raw) {
            wg_drop_spares(wg, 0);
            raw = wg_obtain(total, cleared);
        }
        if (!raw) {
            wg_out_of_memory(wg, bytes, "cannot allocate {} bytes");
            return NULL;
        }
        block = (wg_block *)(((uintptr_t)raw + 63) & ~(uintptr_t)63);
        block->raw = raw;
        block->capacity = capacity;
        block->size_class = size_class;
        block->window = NULL;
        data = (char *)block + WG_HEADER;
        if (zero && !cleared) memset(data, 0, (size_t)bytes);
    }
    wg_hold(wg, block, bytes);
    return data;
}

void wg_free(wg *wg, wg_block *block) {
    if (block->previous) block->previous->next = block->next;
    else wg->live = block->next;
    if (block->next) block->next->previous = block->previous;
    wg->current -= block->bytes;
    if (block->window) {
        wg->disk -= block->capacity;
        wg_close_tape(block);
        return;
    }
    if (block->capacity > WG_CACHE_MOST) {
        free(block->raw);
        return;
    }
    block->next = wg->spare[block->size_class];
    wg->spare[block->size_class] = block;
    wg->cached += block->capacity;
    if (wg->cached > WG_CACHE_MOST) wg_drop_spares(wg, WG_CACHE_MOST / 2);
}

void *wg_alloc_tape(wg *wg, int64_t bytes, int64_t row, int64_t rows, bool zero) {
    if (!wg->directory || bytes > INT64_MAX / 2) return wg_alloc(wg, bytes, zero);
    const wg_window_size size = wg_window_of(bytes, row, rows);
    if (size.bytes >= bytes) return wg_alloc(wg, bytes, zero);
    if (size.bytes > wg->limit - wg->current) {
        wg_out_of_memory(wg, size.bytes, "the memory limit does not allow another {} bytes");
        return NULL;
    }
    if (bytes > wg->disk_limit - wg->disk) {
        wg_disk_failed(wg, bytes, EDQUOT);
        return NULL;
    }
    void *data = wg_new_tape_block(wg, bytes, size);
    if (!data) return NULL;
    wg_block_of(data)->capacity = bytes;
    wg_hold(wg, wg_block_of(data), size.bytes);
    wg->disk += bytes;
    if (wg->disk > wg->disk_peak) wg->disk_peak = wg->disk;
    return data;
}

void *wg_alloc_result(wg *wg, wg_result *result, int64_t bytes, bool zero) {
    if (!result->ready || result->ready_bytes != bytes) return wg_alloc(wg, bytes, zero);
    bytes = bytes <= 0 ? 64 : (bytes + 63) / 64 * 64;
    if (WG_UNLIKELY(bytes > wg->limit - wg->current)) {
        wg_out_of_memory(wg, bytes, "the memory limit does not allow another {} bytes");
        return NULL;
    }
    wg->current += bytes;
    if (wg->current > wg->peak) wg->peak = wg->current;
    return result->ready;
}

/* -- growables ------------------------------------------------------------------------------------------------- */

/* Let a list have another block. */
static void wg_move(wg *wg, wg_list *list, wg_block *block) {
    void *data = (char *)block + WG_HEADER;
    if (list->data) {
        memcpy(data, list->data, (size_t)wg_block_of(list->data)->bytes);
        wg_free(wg, wg_block_of(list->data));
    }
    list->data = data;
}

/* A list counts what it asked for; a block may hold more than that, and grows into it at no cost. A large one then takes
   the largest spare block, which served a list before, or, if nobody else holds it, maps its pages elsewhere: nothing is
   copied, and there are never two of it, so that it can grow by little at a time. Gives whether it grew. */
static bool wg_grow(wg *wg, wg_list *list, int64_t bytes) {
    wg_block *block = wg_block_of(list->data);
    const int64_t more = bytes - block->bytes;
    if (bytes > block->capacity) {
        int64_t capacity;
        const int64_t size_class = wg_class_of(bytes, &capacity);
        if (capacity < WG_LARGE || block->holders != 1) return false;
        for (int64_t k = WG_CLASSES - 1; k >= size_class; k--) {
            if (!wg->spare[k]) continue;
            block = wg->spare[k];
            wg->spare[k] = block->next;
            wg->cached -= block->capacity;
            wg->current -= wg_block_of(list->data)->bytes; /* the two only change places */
            wg_hold(wg, block, bytes);
            wg->current += wg_block_of(list->data)->bytes;
            wg_move(wg, list, block);
            return true;
        }
        if (block->capacity < WG_LARGE) return false;
        const ptrdiff_t place = (char *)block - (char *)block->raw;
        const size_t total = (size_t)capacity + WG_HEADER + 64, used = (size_t)block->bytes + WG_HEADER;
        char *raw = realloc(block->raw, total);
        if (!raw) return false;
        block = (wg_block *)(((uintptr_t)raw + 63) & ~(uintptr_t)63);
        if ((char *)block - raw != place) memmove(block, raw + place, used);
        block->raw = raw;
        block->capacity = capacity;
        block->size_class = size_class;
        if (block->previous) block->previous->next = block;
        else wg->live = block;
        if (block->next) block->next->previous = block;
        list->data = (char *)block + WG_HEADER;
    }
    block->bytes = bytes;
    wg->current += more;
    if (wg->current > wg->peak) wg->peak = wg->current;
    return true;
}

WG_NOINLINE int wg_reserve(wg *wg, wg_list *list, int64_t extra, int64_t size) {
    const int64_t needed = list->length > INT64_MAX - extra ? INT64_MAX : list->length + extra;
    if (needed <= list->capacity) return 0;
    const int64_t part = wg_times(list->capacity, size) < WG_LARGE ? 2 : 8;
    const int64_t grown = list->capacity < 8 ? 16 : list->capacity + list->capacity / part;
    int64_t bytes = wg_times(needed > grown ? needed : grown, size);
    if (list->data && bytes < INT64_MAX - (1 << 20)) {
        bytes = (bytes + 63) / 64 * 64;
        if (bytes - wg_block_of(list->data)->bytes > wg->limit - wg->current) {
            wg_out_of_memory(wg, bytes, "the memory limit does not allow {} bytes for a list");
            return 1;
        }
        if (wg_grow(wg, list, bytes)) {
            list->capacity = bytes / size;
            return 0;
        }
    }
    void *data = wg_alloc(wg, bytes, false);
    if (!data) return 1;
    wg_move(wg, list, wg_block_of(data));
    list->capacity = wg_block_of(data)->bytes / size;
    return 0;
}

int wg_resize(wg *wg, wg_list *list, int64_t delta, int64_t size) {
    if (delta > 0) {
        if (wg_reserve(wg, list, delta, size)) return 1;
        memset((char *)list->data + list->length * size, 0, (size_t)(delta * size));
    }
    list->length += delta;
    return list->length < 0 ? wg_popped_empty(wg, NULL) : 0;
}

void wg_list_free(wg *wg, wg_list *list) {
    if (list->data) wg_free(wg, wg_block_of(list->data));
    list->data = NULL;
    list->length = list->capacity = 0;
}

/* -- contexts -------------------------------------------------------------------------------------------------- */

static wg *wg_idle; /* the pool; touched only with the GIL held */
static int64_t wg_limit = INT64_MAX;
static int64_t wg_depth_limit = 2000;
static int64_t wg_last_peak, wg_most_peak, wg_calls;
static unsigned long wg_main_thread;
static __thread int64_t wg_next_limit;  /* of the next call in this thread; 0: none of its own */
static __thread int64_t wg_peak_here;   /* of the latest call in this thread */
static __thread const char *wg_next_directory; /* of the next call in this thread, for tapes on disk */
static __thread int64_t wg_next_disk;   /* the bytes that these may have */
static __thread int64_t wg_turns_here[WG_COUNTED]; /* of loops in the latest call in this thread */
static __thread int64_t wg_disk_here;   /* that they had in the latest call in this thread */
static bool wg_alone;

/* How far the stack may grow below `here`: to a quarter of its size, where that is known, else by a cautious amount. */
static const char *wg_stack_end(const char *here, bool main_thread) {
    int64_t room = (int64_t)4 << 20;
    struct rlimit limit;
    if (!getrlimit(RLIMIT_STACK, &limit) && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur / 2 < (rlim_t)room)
        room = (int64_t)(limit.rlim_cur / 2);
    if (main_thread) return here - room;
#if defined(__linux__)
    pthread_attr_t attributes;
    void *lowest;
    size_t size;
    if (!pthread_getattr_np(pthread_self(), &attributes)) {
        const bool known = !pthread_attr_getstack(&attributes, &lowest, &size);
        pthread_attr_destroy(&attributes);
        if (known) return (const char *)lowest + size / 4;
    }
#endif
    return here - (64 << 10);
}

static wg *wg_enter(void) {
    wg *context = wg_idle;
    if (context) wg_idle = context->next;
    else context = calloc(1, sizeof(wg));
    if (!context) return NULL;
    context->ticks = context->ticks_period = 1;
    context->caller = PyThread_get_thread_ident();
    context->polls = context->caller == wg_main_thread;
    context->alone = wg_alone;
    context->stopped = false;
    context->last_poll = 0;
    if (wg_the_program.recurses) context->stack_end = wg_stack_end((const char *)&context, context->polls);
    context->depth = 0;
    context->depth_limit = wg_depth_limit;
    context->limit = wg_next_limit ? wg_next_limit : wg_limit;
    wg_next_limit = 0;
    context->directory = wg_next_directory;
    context->disk_limit = wg_next_disk;
    wg_next_directory = NULL;
    context->disk = context->disk_peak = 0;
    context->peak_before = context->peak;
    context->current = context->peak = 0;
    memset(context->turns, 0, sizeof context->turns);
    context->exception = NULL;
    context->shown_count = 0;
    return context;
}

static void wg_leave(wg *context) {
    wg_last_peak = wg_peak_here = context->peak;
    wg_disk_here = context->disk_peak;
    memcpy(wg_turns_here, context->turns, sizeof wg_turns_here);
    if (context->peak > wg_most_peak) wg_most_peak = context->peak;
    wg_calls++;
    while (context->live) wg_free(context, context->live);
    context->next = wg_idle;
    wg_idle = context;
}

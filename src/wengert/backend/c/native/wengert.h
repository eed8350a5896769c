/* What every compiled program includes: the run-time context, storage, and the scalar helpers. */
#ifndef WENGERT_H
#define WENGERT_H

#include <complex.h>
#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define WG_LIKELY(x) __builtin_expect(!!(x), 1)
#define WG_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define WG_NOINLINE __attribute__((noinline))
#define WG_COLD __attribute__((noinline, cold))
#define WG_UNUSED __attribute__((unused))
#define WG_ALIGNED(p) __builtin_assume_aligned((p), 64)
#define WG_EXPORT __attribute__((visibility("default")))
#define WG_ADD_OVERFLOWS(a, b, r) __builtin_add_overflow((a), (b), (r))
#define WG_SUB_OVERFLOWS(a, b, r) __builtin_sub_overflow((a), (b), (r))
#define WG_MUL_OVERFLOWS(a, b, r) __builtin_mul_overflow((a), (b), (r))
#else
#error "a compiler with the GNU C builtins is needed: gcc, clang or zig cc"
#endif

#include "vector_math.h"
#include <math.h>
#ifdef WG_APART
#define sin wg_sin
#define cos wg_cos
#define sinf wg_sinf
#define cosf wg_cosf
#endif

#undef I /* a name that users give their variables */

/* -- context --------------------------------------------------------------------------------------------- */

#define WG_CLASSES 256
#define WG_MAX_RANK 32
#define WG_MAX_ARGS 8
#define WG_COUNTED 8

/* The bytes of a tape on disk that are in memory for sure. */
typedef struct {
    int64_t low, high;
} wg_window;

/* The header of a reference-counted block, in the 64 bytes before its data. */
typedef struct wg_block wg_block;
struct wg_block {
    wg_block *next, *previous; /* in the list of live blocks, or in a free list (singly linked) */
    void *raw;                 /* what malloc returned */
    int64_t bytes;             /* as asked for, rounded up to 64: what is counted */
    int64_t capacity;
    int64_t holders;
    int64_t size_class;
    wg_window *window; /* of a tape on disk; else NULL */
};

/* A place in the user's source. */
typedef struct {
    const char *file;
    int32_t line, column, end_column;
    const char *function, *text;
} wg_site;

/* A number shown in an error message; `kind` is the NumPy kind letter. */
typedef struct {
    char kind;
    int64_t integer;
    double real, imaginary;
} wg_shown;

typedef struct wg wg;
struct wg {
    int64_t turns[WG_COUNTED]; /* of loops that are counted */
    int64_t ticks;        /* back edges left until the clock is looked at */
    int64_t ticks_period; /* adapted so that this happens every few milliseconds */
    int64_t last_look;    /* at the clock, in nanoseconds */
    int64_t last_poll;    /* of signals */
    int64_t depth;        /* of calls between functions that may recurse */
    int64_t depth_limit;
    const char *stack_end; /* recursion stops before the machine stack grows below this */
    bool polls;           /* on Python's main thread, the only one that handles signals */
    void *thread_state;   /* of the calling Python thread, while the GIL is released */
    unsigned long caller; /* its identity */
    bool alone;           /* in a forked process, where OpenMP cannot be used */
    bool stopped;         /* a signal handler raised while several threads ran: they are to leave */

    wg_block *live;
    wg_block *spare[WG_CLASSES];
    int64_t current, peak, peak_before, limit; /* bytes counted; the peak of the call before */
    int64_t cached;               /* bytes in the free lists */

    const char *directory;           /* for tapes on disk, or NULL */
    int64_t disk, disk_peak, disk_limit; /* their bytes */

    const char *exception; /* NULL: none, or one that Python itself holds */
    const char *message;
    const wg_site *site;
    int32_t shown_count;
    wg_shown shown[WG_MAX_ARGS];

    void *scratch; /* the entry's */
    wg *next;      /* in the pool */
};

/* -- errors: every function returns 0, or 1 after recording an error ---------------------------------------- */

int wg_fail(wg *wg, const wg_site *site, const char *exception, const char *message, int count, const wg_shown *shown);
int wg_overflowed(wg *wg, const wg_site *site);
int wg_poll(wg *wg);
int wg_too_deep(wg *wg);

/* Called at back edges: nonzero if a signal handler raised. */
static inline int wg_tick(wg *wg) {
    if (WG_LIKELY(--wg->ticks > 0)) return 0;
    return wg_poll(wg);
}

/* Called at the start of functions that may recurse; they end with wg->depth--. */
static inline int wg_descend(wg *wg) {
    const char here = 0;
    if (WG_UNLIKELY(++wg->depth > wg->depth_limit || &here < wg->stack_end)) return wg_too_deep(wg);
    return wg_tick(wg);
}

/* -- loops on several threads ------------------------------------------------------------------------------- */

#define WG_TEAM_TICKS 64
#ifndef WG_WORTH
#define WG_WORTH 2e5 /* operations, 4 us in lanes: about twice what starting threads takes that are awake */
#endif

#define WG_ROW (1 << 19) /* bytes, of a second-level cache */
#ifndef WG_ROW_WORTH
#define WG_ROW_WORTH 4 /* operations for an element of a row: it is cleared and added */
#endif

/* The iterations of a loop. */
static inline int64_t wg_trips(int64_t start, int64_t stop, int64_t step) {
    const uint64_t gap = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    const uint64_t stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
    const bool empty = step > 0 ? start >= stop : start <= stop;
    const uint64_t trips = empty ? 0 : (gap - 1) / stride + 1;
    return trips > INT64_MAX ? INT64_MAX : (int64_t)trips;
}

/* Whether a loop of so many operations has enough to do for parts; `least` is the iterations that there must be. */
static inline bool wg_is_worth(const wg *wg, int64_t trips, double work, int64_t least) {
    return trips >= least && work >= WG_WORTH && !wg->alone;
}

/* Whether parts may have rows of so many elements: less to add afterwards than to do, and in the cache; where memory is
   limited they are not counted on. */
static inline bool wg_has_rows(const wg *wg, int64_t elements, int count, size_t size, double work) {
    return elements <= WG_ROW / (int64_t)size && (double)elements * count * WG_ROW_WORTH <= work && wg->limit == INT64_MAX;
}

/* A loop in parts: what an operation takes on one thread, the mean of late. */
typedef struct {
    double pace;
    int64_t began;
    int32_t turns;
} wg_team;

/* How many threads take the parts. */
int wg_team_begin(wg_team *team, double work, int threads);
void wg_team_end(wg_team *team, double work, int threads);

/* Where one of several equal parts of a loop starts (the one before ends): parts are of whole grains. */
static inline int64_t wg_part_start(int64_t start, int64_t trips, int64_t step, int64_t grain, int part, int parts) {
    const int64_t grains = trips / grain + (trips % grain != 0), rest = grains % parts;
    const int64_t before = grains / parts * part + (part < rest ? part : rest);
    return start + step * (before >= grains ? trips : before * grain);
}

/* -- stores past the cache ---------------------------------------------------------------------------------- */

#define WG_LINE _Alignas(64)
#ifndef WG_STREAM
#define WG_STREAM ((double)(16 << 20)) /* bytes of an array of which little is in the cache when it is read next */
#endif
#if defined(__AVX__) && !defined(__clang__)
#define WG_STREAMS 1
typedef double wg_v4_anywhere __attribute__((vector_size(32), aligned(1), may_alias));
/* Copy bytes to memory by stores that do not read the lines before. */
static inline void wg_stream(void *to, const void *from, size_t bytes) {
    const size_t head = -(uintptr_t)to & 63;
    if (bytes < 128 + head) {
        memcpy(to, from, bytes);
        return;
    }
    memcpy(to, from, head);
    char *const line = (char *)to + head;
    const char *const source = (const char *)from + head;
    const size_t whole = (bytes - head) & ~(size_t)63;
    for (size_t k = 0; k < whole; k += 32)
        __builtin_ia32_movntpd256((double *)(line + k), *(const wg_v4_anywhere *)(source + k));
    memcpy(line + whole, source + whole, bytes - head - whole);
}
/* Other threads see what was written. */
static inline void wg_end_streams(void) { __builtin_ia32_sfence(); }
#else
#define WG_STREAMS 0
static inline void wg_stream(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }
static inline void wg_end_streams(void) {}
#endif

/* A look at signals by one of several threads: whether to leave. */
bool wg_look(wg *wg, int64_t *ticks);

/* Loops in strips of WG_STRIP iterations, i_from up (down) to i_to; `step` is positive. */
#define WG_STRIP ((uint64_t)1 << 20)
#define WG_STRIPS_UP(i, start, stop, step)                                                                           \
    for (int64_t i##_from = (start), i##_to; i##_from < (stop) &&                                                    \
         ((i##_to = (uint64_t)(stop) - (uint64_t)i##_from > WG_STRIP * (step)                                        \
                        ? (int64_t)((uint64_t)i##_from + WG_STRIP * (step)) : (stop)), true); i##_from = i##_to)
#define WG_STRIPS_DOWN(i, start, stop, step)                                                                         \
    for (int64_t i##_from = (start), i##_to; i##_from > (stop) &&                                                    \
         ((i##_to = (uint64_t)i##_from - (uint64_t)(stop) > WG_STRIP * (step)                                        \
                        ? (int64_t)((uint64_t)i##_from - WG_STRIP * (step)) : (stop)), true); i##_from = i##_to)

/* Python's integer arithmetic as long as it fits; the first failure is noted in *flag as 1 + its site. */
static inline int64_t wg_addc(int32_t *flag, int32_t site, int64_t a, int64_t b) {
    int64_t r;
    if (WG_UNLIKELY(WG_ADD_OVERFLOWS(a, b, &r)) && !*flag) *flag = site + 1;
    return r;
}
static inline int64_t wg_subc(int32_t *flag, int32_t site, int64_t a, int64_t b) {
    int64_t r;
    if (WG_UNLIKELY(WG_SUB_OVERFLOWS(a, b, &r)) && !*flag) *flag = site + 1;
    return r;
}
static inline int64_t wg_mulc(int32_t *flag, int32_t site, int64_t a, int64_t b) {
    int64_t r;
    if (WG_UNLIKELY(WG_MUL_OVERFLOWS(a, b, &r)) && !*flag) *flag = site + 1;
    return r;
}
static inline int64_t wg_ipowc(int32_t *flag, int32_t site, int64_t a, int64_t b) {
    int64_t r = 1;
    bool over = false;
    for (; b > 0; b >>= 1) {
        if (b & 1) over |= WG_MUL_OVERFLOWS(r, a, &r);
        if (b > 1) over |= WG_MUL_OVERFLOWS(a, a, &a);
    }
    if (WG_UNLIKELY(over) && !*flag) *flag = site + 1;
    return r;
}
static inline int64_t wg_shlc(int32_t *flag, int32_t site, int64_t a, int64_t b) {
    if (b <= 0 || a == 0) return a;
    int64_t r = b < 64 ? (int64_t)((uint64_t)a << b) : 0;
    if (WG_UNLIKELY(b > 63 || r >> b != a) && !*flag) *flag = site + 1;
    return r;
}

/* -- storage ----------------------------------------------------------------------------------------------- */

/* A block of that many bytes (INT64_MAX: certainly too many), aligned to 64, zeroed if `zero`, with one holder.
   NULL after recording a MemoryError. */
void *wg_alloc(wg *wg, int64_t bytes, bool zero);

/* Give a block without holders back. */
void wg_free(wg *wg, wg_block *block);

/* The same for an array of which at most `rows` rows of `row` bytes are used at once, on disk if the call has a directory
   and that takes less memory; its contents are zero. */
void *wg_alloc_tape(wg *wg, int64_t bytes, int64_t row, int64_t rows, bool zero);

static inline wg_block *wg_block_of(void *data) { return (wg_block *)((char *)data - 64); }

/* Bytes of an array by wg_alloc_tape are about to be used: nonzero after recording that the disk failed. */
int wg_turn_to(wg *wg, wg_window *window, int64_t from, int64_t bytes);
static inline int wg_touch(wg *wg, void *data, int64_t from, int64_t bytes) {
    wg_window *window = wg_block_of(data)->window;
    if (WG_LIKELY(!window || (from >= window->low && from + bytes <= window->high))) return 0;
    return wg_turn_to(wg, window, from, bytes);
}

/* NULL stands for memory that the arena does not own. */
static inline void wg_retain(wg_block *block) {
    if (block) block->holders++;
}
static inline void wg_release(wg *wg, wg_block *block) {
    if (block && --block->holders == 0) wg_free(wg, block);
}

/* The product of two sizes; a negative extent counts as none, too large a product becomes INT64_MAX. */
static inline int64_t wg_times(int64_t a, int64_t b) {
    int64_t r;
    if (a <= 0 || b <= 0) return 0;
    return WG_MUL_OVERFLOWS(a, b, &r) ? INT64_MAX : r;
}

/* A growable sequence. */
typedef struct {
    void *data;
    int64_t length, capacity;
} wg_list;

/* Room for `extra` more elements of `size` bytes; capacity grows geometrically. */
int wg_reserve(wg *wg, wg_list *list, int64_t extra, int64_t size);
/* Append zeros, or remove -delta elements. */
int wg_resize(wg *wg, wg_list *list, int64_t delta, int64_t size);
void wg_list_free(wg *wg, wg_list *list);
int wg_popped_empty(wg *wg, const wg_site *site);

/* An element of an array of truths, for loops in lanes: gcc 12 makes no masks of what it loads as bool, nor stores as
   bool what it has taken apart by cases. */
#define WG_FLAG(element) (*(const unsigned char *)&(element) != 0)
#define WG_SET_FLAG(element, value) (*(unsigned char *)&(element) = (value) ? 1 : 0)
#define WG_AT(type, list, i) (((type *)(list)->data)[i])
#define WG_PUSH(type, list, value)                                                                                   \
    do {                                                                                                             \
        if (WG_UNLIKELY((list)->length == (list)->capacity) && wg_reserve(wg, (list), 1, sizeof(type))) return 1;    \
        WG_AT(type, list, (list)->length) = (value);                                                                 \
        (list)->length++;                                                                                            \
    } while (0)

/* A number of any dtype. */
typedef union {
    bool truth;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f32;
    double f64;
    float _Complex c64;
    double _Complex c128;
} wg_number;

/* A root function's result: where it ended up, or for rank 0 its value. */
typedef struct {
    void *ready;       /* memory of the array made before the call, if its extents were known then */
    int64_t ready_bytes;
    void *data;
    int64_t extent[WG_MAX_RANK], stride[WG_MAX_RANK]; /* strides in elements */
    wg_number value;
} wg_result;

/* The memory of a result that is allocated once: the ready array's if there is one. */
void *wg_alloc_result(wg *wg, wg_result *result, int64_t bytes, bool zero);

/* -- operands of library operations ---------------------------------------------------------------------------- */

typedef struct {
    void *data;
    int64_t n, s;
} wg_vector;

typedef struct {
    void *data;
    int64_t n[2], s[2];
} wg_matrix;

int wg_fft_c64(wg *wg, wg_vector y, wg_vector x, bool inverse);
int wg_fft_c128(wg *wg, wg_vector y, wg_vector x, bool inverse);

/* -- what a program tells the entry ---------------------------------------------------------------------------- */

enum { WG_FROM_ARRAY, WG_FROM_SCALAR, WG_FROM_EXTENT };
enum { WG_BOOL, WG_I8, WG_I16, WG_I32, WG_I64, WG_U8, WG_U16, WG_U32, WG_U64, WG_F32, WG_F64, WG_C64, WG_C128 };

typedef struct {
    int8_t from, dtype, rank;
    bool written;
    int32_t leaf, axis;
    const char *name;
} wg_param;

typedef struct {
    int8_t dtype, rank;
    bool zero;     /* make the ready array zeroed */
    bool known;    /* its extents follow from the parameters */
    int32_t leaf;  /* the leaf that is returned itself, or -1 */
} wg_returned;

/* A parameter's value: a scalar of its dtype, or an array's data and extents. */
typedef struct {
    wg_number as;
    void *data;
    const ptrdiff_t *extent;
} wg_value;

typedef struct {
    int32_t leaves, params, results;
    const wg_param *param;
    const wg_returned *returned;
    int (*mismatch)(const wg_value *value); /* a parameter whose extents are not as declared, or -1 */
    void (*foresee)(const wg_value *value, wg_result *result); /* extents of the results that are known */
    int (*run)(wg *wg, const wg_value *value, wg_result *result);
    bool recurses;        /* whether functions may call themselves */
    const char *routines; /* names of the BLAS and LAPACK routines that it may call, or NULL */
    void **routine;       /* where their addresses go, in the same order */
    const char *specials; /* names of the special functions of SciPy that it may call, or NULL */
    void **special;       /* where their addresses go, in the same order */
} wg_program;

extern const wg_program wg_the_program;

#include "scalars.h"

#endif

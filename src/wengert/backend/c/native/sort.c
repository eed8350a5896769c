/* Stable sorting with the permutation: runs by insertion, then merges, over (key, position) pairs. NaNs come last. */
#include "sort.h"

#define WG_SORT_OF(suffix, T, before)                                                                                \
    typedef struct {                                                                                                 \
        T key;                                                                                                       \
        int64_t at;                                                                                                  \
    } wg_pair_##suffix;                                                                                              \
    static inline bool wg_before_##suffix(T a, T b) { return before; }                                               \
    int wg_sort_##suffix(wg *wg, wg_vector y, wg_vector permutation, wg_vector x) {                                  \
        const int64_t n = x.n, run = 16;                                                                             \
        wg_pair_##suffix *const pairs = wg_alloc(wg, wg_times(2 * n, sizeof(wg_pair_##suffix)), false);              \
        if (!pairs) return 1;                                                                                        \
        wg_pair_##suffix *from = pairs, *to = pairs + n;                                                             \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            const wg_pair_##suffix p = {((const T *)x.data)[i * x.s], i};                                            \
            int64_t j = i;                                                                                           \
            for (; j % run && wg_before_##suffix(p.key, from[j - 1].key); j--) from[j] = from[j - 1];                \
            from[j] = p;                                                                                             \
        }                                                                                                            \
        for (int64_t width = run; width < n; width *= 2) {                                                           \
            for (int64_t start = 0; start < n; start += 2 * width) {                                                 \
                const int64_t middle = start + width < n ? start + width : n;                                        \
                const int64_t end = middle + width < n ? middle + width : n;                                         \
                int64_t i = start, j = middle, k = start;                                                            \
                while (i < middle && j < end) { /* without branches: which side comes next is anyone's guess */      \
                    const bool right = wg_before_##suffix(from[j].key, from[i].key);                                 \
                    to[k++] = *(right ? from + j : from + i);                                                        \
                    j += right;                                                                                      \
                    i += !right;                                                                                     \
                }                                                                                                    \
                while (i < middle) to[k++] = from[i++];                                                              \
                while (j < end) to[k++] = from[j++];                                                                 \
            }                                                                                                        \
            wg_pair_##suffix *const swap = from;                                                                     \
            from = to;                                                                                               \
            to = swap;                                                                                               \
        }                                                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            ((T *)y.data)[i * y.s] = from[i].key;                                                                    \
            ((int64_t *)permutation.data)[i * permutation.s] = from[i].at;                                           \
        }                                                                                                            \
        wg_free(wg, wg_block_of(pairs));                                                                             \
        return 0;                                                                                                    \
    }

WG_SORT_OF(bool, bool, a < b)
WG_SORT_OF(i8, int8_t, a < b)
WG_SORT_OF(i16, int16_t, a < b)
WG_SORT_OF(i32, int32_t, a < b)
WG_SORT_OF(i64, int64_t, a < b)
WG_SORT_OF(u8, uint8_t, a < b)
WG_SORT_OF(u16, uint16_t, a < b)
WG_SORT_OF(u32, uint32_t, a < b)
WG_SORT_OF(u64, uint64_t, a < b)
WG_SORT_OF(f32, float, !(b <= a) & (a == a))
WG_SORT_OF(f64, double, !(b <= a) & (a == a))

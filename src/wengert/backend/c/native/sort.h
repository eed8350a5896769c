/* Stable sorting of vectors: wg_sort_<dtype>. */
#ifndef WG_SORT_H
#define WG_SORT_H

#include "wengert.h"

#define WG_SORT(suffix) int wg_sort_##suffix(wg *wg, wg_vector y, wg_vector permutation, wg_vector x);
WG_SORT(bool)
WG_SORT(i8) WG_SORT(i16) WG_SORT(i32) WG_SORT(i64)
WG_SORT(u8) WG_SORT(u16) WG_SORT(u32) WG_SORT(u64)
WG_SORT(f32) WG_SORT(f64)

#endif

/* The special functions of SciPy, whose addresses Python hands over: wg_<function>_<dtype>, computed as doubles. */
#ifndef WG_SCIPY_SPECIAL_H
#define WG_SCIPY_SPECIAL_H

#include "wengert.h"

#define WG_SPECIAL_1(X)                                                                                              \
    X(j0) X(j1) X(y0) X(y1) X(i0) X(i1) X(i0e) X(i1e) X(k0) X(k1) X(k0e) X(k1e) X(erfinv) X(erfcinv) X(ndtri)        \
    X(erfcx) X(dawsn) X(ellipk) X(ellipe) X(expi) X(exp1) X(spence)
#define WG_SPECIAL_2(X) X(jv) X(yv) X(iv) X(ive) X(kv) X(kve) X(gammainc) X(gammaincc)
#define WG_SPECIAL_3(X) X(betainc)

#define WG_SPECIAL_INDEX(name) WG_SPECIAL_##name,
enum {
    WG_SPECIAL_1(WG_SPECIAL_INDEX) WG_SPECIAL_2(WG_SPECIAL_INDEX) WG_SPECIAL_3(WG_SPECIAL_INDEX) WG_SPECIAL_COUNT
};

/* What Python looks for: name:number of operands. */
#define WG_SPECIAL_NAME_1(name) #name ":1 "
#define WG_SPECIAL_NAME_2(name) #name ":2 "
#define WG_SPECIAL_NAME_3(name) #name ":3 "
#define WG_SPECIAL_NAMES WG_SPECIAL_1(WG_SPECIAL_NAME_1) WG_SPECIAL_2(WG_SPECIAL_NAME_2) WG_SPECIAL_3(WG_SPECIAL_NAME_3)

static void *wg_special[WG_SPECIAL_COUNT];

/* The last argument of SciPy's functions says that no Python method overrides them. */
#define WG_SPECIAL_CALL_1(name)                                                                                      \
    static inline double wg_##name##_f64(double a) {                                                                 \
        return ((double (*)(double, int))wg_special[WG_SPECIAL_##name])(a, 0);                                       \
    }                                                                                                                \
    static inline float wg_##name##_f32(float a) { return (float)wg_##name##_f64(a); }
#define WG_SPECIAL_CALL_2(name)                                                                                      \
    static inline double wg_##name##_f64(double a, double b) {                                                       \
        return ((double (*)(double, double, int))wg_special[WG_SPECIAL_##name])(a, b, 0);                            \
    }                                                                                                                \
    static inline float wg_##name##_f32(float a, float b) { return (float)wg_##name##_f64(a, b); }
#define WG_SPECIAL_CALL_3(name)                                                                                      \
    static inline double wg_##name##_f64(double a, double b, double c) {                                             \
        return ((double (*)(double, double, double, int))wg_special[WG_SPECIAL_##name])(a, b, c, 0);                 \
    }                                                                                                                \
    static inline float wg_##name##_f32(float a, float b, float c) { return (float)wg_##name##_f64(a, b, c); }
WG_SPECIAL_1(WG_SPECIAL_CALL_1)
WG_SPECIAL_2(WG_SPECIAL_CALL_2)
WG_SPECIAL_3(WG_SPECIAL_CALL_3)

#endif

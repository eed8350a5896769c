/* Scalar operations for which C has no one-liner, with NumPy's meaning: wg_<operation>_<dtype>. */

#define WG_INTEGERS(X)                                                                                               \
    X(i8, int8_t, uint8_t)                                                                                           \
    X(i16, int16_t, uint16_t)                                                                                        \
    X(i32, int32_t, uint32_t)                                                                                        \
    X(i64, int64_t, uint64_t)                                                                                        \
    X(u8, uint8_t, uint8_t)                                                                                          \
    X(u16, uint16_t, uint16_t)                                                                                       \
    X(u32, uint32_t, uint32_t)                                                                                       \
    X(u64, uint64_t, uint64_t)

/* Division rounds down; by zero it gives 0, and the smallest integer by -1 wraps. */
#define WG_INTEGER_OPERATIONS(suffix, T, U)                                                                          \
    static inline T wg_floordiv_##suffix(T a, T b) {                                                                 \
        if (b == 0) return 0;                                                                                        \
        if ((T)-1 < 0 && b == (T)-1) return (T)(0 - (U)a);                                                           \
        T q = (T)(a / b);                                                                                            \
        return (T)(q - (a % b != 0 && (a < 0) != (b < 0)));                                                          \
    }                                                                                                                \
    static inline T wg_mod_##suffix(T a, T b) {                                                                      \
        if (b > 0 && (U)a < (U)b) return a; /* a division costs more than the rest of many loops */                  \
        if (b == 0 || ((T)-1 < 0 && b == (T)-1)) return 0;                                                           \
        T r = (T)(a % b);                                                                                            \
        return (T)(r != 0 && (r < 0) != (b < 0) ? r + b : r);                                                        \
    }                                                                                                                \
    static inline T wg_fmod_##suffix(T a, T b) {                                                                     \
        if (b == 0 || ((T)-1 < 0 && b == (T)-1)) return 0;                                                           \
        return (T)(a % b);                                                                                           \
    }                                                                                                                \
    static inline T wg_ipow_##suffix(T base, T exponent) {                                                           \
        uint64_t r = 1, b = (uint64_t)base;                                                                          \
        for (U e = (U)exponent; e; e = (U)(e >> 1)) {                                                                \
            if (e & 1) r *= b;                                                                                       \
            b *= b;                                                                                                  \
        }                                                                                                            \
        return (T)r;                                                                                                 \
    }                                                                                                                \
    static inline T wg_shl_##suffix(T a, T b) { return (U)b < 8 * sizeof(T) ? (T)((U)a << (U)b) : (T)0; }            \
    static inline T wg_shr_##suffix(T a, T b) {                                                                      \
        return (U)b < 8 * sizeof(T) ? (T)(a >> (U)b) : (T)(a < 0 ? -1 : 0);                                          \
    }                                                                                                                \
    static inline T wg_popcount_##suffix(T a) {                                                                      \
        return (T)__builtin_popcountll((unsigned long long)(U)(a < 0 ? 0 - (U)a : (U)a));                            \
    }                                                                                                                \
    static inline T wg_max_##suffix(T a, T b) { return a >= b ? a : b; }                                             \
    static inline T wg_min_##suffix(T a, T b) { return a <= b ? a : b; }
WG_INTEGERS(WG_INTEGER_OPERATIONS)

static inline bool wg_max_bool(bool a, bool b) { return a || b; }
static inline bool wg_min_bool(bool a, bool b) { return a && b; }

/* floordiv and mod as npy_divmod. */
#define WG_FLOAT_OPERATIONS(suffix, T, f)                                                                            \
    static inline T wg_divmod_##suffix(T a, T b, T *mod) {                                                           \
        *mod = fmod##f(a, b);                                                                                        \
        if (b == 0) return a / b;                                                                                    \
        T div = (a - *mod) / b;                                                                                      \
        if (*mod != 0) {                                                                                             \
            if ((b < 0) != (*mod < 0)) {                                                                             \
                *mod += b;                                                                                           \
                div -= 1;                                                                                            \
            }                                                                                                        \
        } else {                                                                                                     \
            *mod = copysign##f(0, b);                                                                                \
        }                                                                                                            \
        if (div == 0) return copysign##f(0, a / b);                                                                  \
        T down = floor##f(div);                                                                                      \
        return div - down > (T)0.5 ? down + 1 : down;                                                                \
    }                                                                                                                \
    static inline T wg_floordiv_##suffix(T a, T b) {                                                                 \
        T mod;                                                                                                       \
        return wg_divmod_##suffix(a, b, &mod);                                                                       \
    }                                                                                                                \
    static inline T wg_mod_##suffix(T a, T b) {                                                                      \
        if (a > 0 && a < b) return a;                                                                                \
        T mod;                                                                                                       \
        wg_divmod_##suffix(a, b, &mod);                                                                              \
        return mod;                                                                                                  \
    }                                                                                                                \
    static inline T wg_ldexp_##suffix(T x, T n) {                                                                    \
        return n != n ? n : ldexp##f(x, n > 5000 ? 5000 : n < -5000 ? -5000 : (int)n);                               \
    }                                                                                                                \
    static inline T wg_exponent_##suffix(T x) {                                                                      \
        int n = 0;                                                                                                   \
        if (isfinite(x)) frexp##f(x, &n);                                                                            \
        return (T)n;                                                                                                 \
    }                                                                                                                \
    static inline T wg_sign_##suffix(T x) { return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x; }                        \
    static inline T wg_max_##suffix(T a, T b) { return a >= b || a != a ? a : b; }                                   \
    static inline T wg_min_##suffix(T a, T b) { return a <= b || a != a ? a : b; }                                   \
    static inline T wg_fmax_##suffix(T a, T b) { return a >= b || b != b ? a : b; }                                  \
    static inline T wg_fmin_##suffix(T a, T b) { return a <= b || b != b ? a : b; }
WG_FLOAT_OPERATIONS(f32, float, f)
WG_FLOAT_OPERATIONS(f64, double, )

#if defined(__clang__) && !__has_builtin(__builtin_complex)
static inline double _Complex wg_complex_f64(double re, double im) {
    union { double part[2]; double _Complex z; } u = {{re, im}};
    return u.z;
}
static inline float _Complex wg_complex_f32(float re, float im) {
    union { float part[2]; float _Complex z; } u = {{re, im}};
    return u.z;
}
#else
#define wg_complex_f64(re, im) __builtin_complex((double)(re), (double)(im))
#define wg_complex_f32(re, im) __builtin_complex((float)(re), (float)(im))
#endif

#define WG_COMPLEX_OPERATIONS(suffix, T, real, f)                                                                    \
    static inline bool wg_isnan_##suffix(T z) { return isnan(creal##f(z)) || isnan(cimag##f(z)); }                   \
    static inline bool wg_isinf_##suffix(T z) { return isinf(creal##f(z)) || isinf(cimag##f(z)); }                   \
    static inline bool wg_isfinite_##suffix(T z) { return isfinite(creal##f(z)) && isfinite(cimag##f(z)); }          \
    static inline T wg_scale_##suffix(real s, T z) { return wg_complex_##real##_(s * creal##f(z), s * cimag##f(z)); } \
    static inline T wg_exp2_##suffix(T z) { return cexp##f(wg_scale_##suffix((real)0.69314718055994530942, z)); }    \
    static inline T wg_log2_##suffix(T z) { return wg_scale_##suffix((real)1.44269504088896340736, clog##f(z)); }    \
    static inline T wg_log10_##suffix(T z) { return wg_scale_##suffix((real)0.43429448190325182765, clog##f(z)); }   \
    static inline T wg_expm1_##suffix(T z) {                                                                         \
        real x = creal##f(z), y = cimag##f(z), half = sin##f(y / 2);                                                 \
        return wg_complex_##real##_(expm1##f(x) * cos##f(y) - 2 * half * half, exp##f(x) * sin##f(y));               \
    }                                                                                                                \
    static inline T wg_log1p_##suffix(T z) {                                                                         \
        real x = creal##f(z) + 1, y = cimag##f(z);                                                                   \
        return wg_complex_##real##_(log##f(hypot##f(x, y)), atan2##f(y, x));                                         \
    }

/* The modulus, without the call of hypot, which no vector lane has: squares neither overflow nor vanish because both
   parts are scaled by the same power of two. */
static inline double wg_abs_c128(double _Complex z) {
    const double x = fabs(creal(z)), y = fabs(cimag(z)), most = x > y ? x : y;
    const double scale = most > 0x1p500 ? 0x1p-600 : most < 0x1p-400 ? 0x1p600 : 1;
    const double back = most > 0x1p500 ? 0x1p600 : most < 0x1p-400 ? 0x1p-600 : 1;
    const double modulus = sqrt(x * scale * (x * scale) + y * scale * (y * scale)) * back;
    return x == INFINITY || y == INFINITY ? INFINITY : modulus;
}
static inline float wg_abs_c64(float _Complex z) {
    const double x = fabs((double)crealf(z)), y = fabs((double)cimagf(z));
    return x == INFINITY || y == INFINITY ? INFINITY : (float)sqrt(x * x + y * y);
}

/* Smith's division, as NumPy: by zero, each part is divided by zero. */
#define WG_COMPLEX_DIVISION(suffix, T, real, f)                                                                      \
    static inline T wg_div_##suffix(T a, T b) {                                                                      \
        const real ar = creal##f(a), ai = cimag##f(a), br = creal##f(b), bi = cimag##f(b);                           \
        if (fabs##f(br) >= fabs##f(bi)) {                                                                            \
            if (br == 0 && bi == 0) return wg_complex_##real##_(ar / fabs##f(br), ai / fabs##f(br));                 \
            const real ratio = bi / br, scale = 1 / (br + bi * ratio);                                               \
            return wg_complex_##real##_((ar + ai * ratio) * scale, (ai - ar * ratio) * scale);                       \
        }                                                                                                            \
        const real ratio = br / bi, scale = 1 / (bi + br * ratio);                                                   \
        return wg_complex_##real##_((ar * ratio + ai) * scale, (ai * ratio - ar) * scale);                           \
    }                                                                                                                \
    /* Small integer exponents by multiplication, as NumPy. */                                                       \
    static inline T wg_pow_##suffix(T a, T b) {                                                                      \
        const real br = creal##f(b), bi = cimag##f(b);                                                               \
        if (br == 0 && bi == 0) return 1;                                                                            \
        if (a == 0) return br > 0 ? 0 : wg_complex_##real##_(NAN, NAN);                                   \
        if (bi != 0 || br != trunc##f(br) || fabs##f(br) >= 100) return cpow##f(a, b);                               \
        T result = 1, power = a;                                                                                     \
        for (int n = (int)fabs##f(br); n; n >>= 1) {                                                                 \
            if (n & 1) result *= power;                                                                              \
            power *= power;                                                                                          \
        }                                                                                                            \
        return br < 0 ? wg_div_##suffix(1, result) : result;                                                         \
    }
#define wg_complex_double_ wg_complex_f64
#define wg_complex_float_ wg_complex_f32
WG_COMPLEX_OPERATIONS(c64, float _Complex, float, f)
WG_COMPLEX_OPERATIONS(c128, double _Complex, double, )
WG_COMPLEX_DIVISION(c64, float _Complex, float, f)
WG_COMPLEX_DIVISION(c128, double _Complex, double, )

/* Powers with small constant exponents n/2, by roots, products and quotients: within 3.5 units in the last place, as the
   vector variants of pow are within 4. Nothing overflows or vanishes before the result does; -0 and -inf are pow's. */
#define WG_POWERS(suffix, T, f)                                                                                      \
    static inline T wg_pow_halves_##suffix(T x, int n) {                                                             \
        const T u = x == -(T)INFINITY ? (T)INFINITY : x + (T)0, root = sqrt##f(u), inverse = (T)1 / u;               \
        switch (n) {                                                                                                 \
        case -5: return inverse * inverse / root;                                                                    \
        case -3: return inverse / root;                                                                              \
        case -1: return (T)1 / root;                                                                                 \
        case 3: return u * root;                                                                                     \
        default: return u * u * root;                                                                                \
        }                                                                                                            \
    }                                                                                                                \
    static inline T wg_pow_whole_##suffix(T x, int n) {                                                              \
        const T u = n < 0 ? (T)1 / x : x;                                                                            \
        switch (n) {                                                                                                 \
        case -2: return u * u;                                                                                       \
        case -3: case 3: return u * u * u;                                                                           \
        default: return u * u * (u * u);                                                                             \
        }                                                                                                            \
    }
WG_POWERS(f32, float, f)
WG_POWERS(f64, double, )

double wg_digamma_f64(double x);
double wg_trigamma_f64(double x);
double wg_zeta_f64(double s, double q);
static inline float wg_digamma_f32(float x) { return (float)wg_digamma_f64(x); }
static inline float wg_trigamma_f32(float x) { return (float)wg_trigamma_f64(x); }
static inline float wg_zeta_f32(float s, float q) { return (float)wg_zeta_f64(s, q); }

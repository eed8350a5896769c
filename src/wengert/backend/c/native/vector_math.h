/* glibc's vector variants (libmvec) of the elementary functions, for loops marked `omp simd`.
   <math.h> declares them only under -ffast-math, which is never used here. To include before <math.h>. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#if __GLIBC__ > 2 || __GLIBC_MINOR__ >= 22
#define WG_SIMD __attribute__((simd("notinbranch")))
/* gcc merges sin(x) and cos(x) into cexpi(x), which has no vector variant: under other names they stay apart. */
#define WG_APART(name) __asm__(name) __attribute__((const, nothrow, simd("notinbranch")))
extern double wg_sin(double) WG_APART("sin");
extern double wg_cos(double) WG_APART("cos");
extern float wg_sinf(float) WG_APART("sinf");
extern float wg_cosf(float) WG_APART("cosf");
WG_SIMD double exp(double);
WG_SIMD double log(double);
WG_SIMD double pow(double, double);
WG_SIMD float expf(float);
WG_SIMD float logf(float);
WG_SIMD float powf(float, float);
#endif
#if __GLIBC__ > 2 || __GLIBC_MINOR__ >= 35
WG_SIMD double tan(double);
WG_SIMD double asin(double);
WG_SIMD double acos(double);
WG_SIMD double atan(double);
WG_SIMD double sinh(double);
WG_SIMD double cosh(double);
WG_SIMD double tanh(double);
WG_SIMD double exp2(double);
WG_SIMD double expm1(double);
WG_SIMD double log2(double);
WG_SIMD double log10(double);
WG_SIMD double log1p(double);
WG_SIMD double cbrt(double);
WG_SIMD double erf(double);
WG_SIMD double atan2(double, double);
WG_SIMD double hypot(double, double);
WG_SIMD float tanf(float);
WG_SIMD float atanf(float);
WG_SIMD float tanhf(float);
WG_SIMD float exp2f(float);
WG_SIMD float expm1f(float);
WG_SIMD float log1pf(float);
WG_SIMD float erff(float);
#endif
#endif

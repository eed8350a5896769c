/* Dense linear algebra through SciPy's BLAS and LAPACK (32-bit integers), whose addresses Python hands over.
   Matrices are described by extents and strides; what BLAS cannot take as it lies is copied. */

#include "linear_algebra.h"

void *wg_routine[4 * WG_ROUTINE_COUNT];

/* Up to this many multiplications, loops beat a call of BLAS. */
#define WG_SMALL_PRODUCT 512

/* Products of few long rows of real numbers are bound by reading the other factor, those over a short axis by writing
   the result, which loops do at least as well as BLAS. The contracted axis is cut into blocks of WG_THIN_DEPTH, the rows so that their sums fill WG_THIN_BYTES. */
#define WG_IS_THIN(rows, columns) (TYPE < 2 && (rows) <= 8 && (columns) >= 64)
#define WG_IS_SHALLOW(rows, columns, depth) (TYPE < 2 && (depth) > 0 && (depth) <= 8 && (rows) >= 8 && (columns) >= 64)
#define WG_THIN_DEPTH 256
#define WG_THIN_BYTES 16384
/* Rows of a block in the adjoint of a Cholesky factorisation. */
#define WG_CHOLESKY_ROWS 64

/* Rows and columns of a tile of a matrix that is copied across its diagonal. */
#define WG_TILE 16
#define WG_LANES _Pragma("omp simd")

static wg_matrix wg_transposed(wg_matrix a) {
    const wg_matrix t = {a.data, {a.n[1], a.n[0]}, {a.s[1], a.s[0]}};
    return t;
}

/* Whether BLAS can read `a` as rows of unit stride; *ld is their distance. */
static bool wg_has_unit_rows(wg_matrix a, int32_t *ld) {
    if (a.n[1] > 1 && a.s[1] != 1) return false;
    const int64_t least = a.n[1] > 1 ? a.n[1] : 1;
    const int64_t distance = a.n[0] > 1 ? a.s[0] : least;
    if (distance < least || distance > INT32_MAX) return false;
    *ld = (int32_t)distance;
    return true;
}

static bool wg_fits(int64_t n) { return n <= INT32_MAX; }

typedef const int32_t *wg_size; /* how BLAS takes its integers */

static int wg_singular(wg *wg, const wg_site *site) {
    return wg_fail(wg, site, "LinAlgError", "Singular matrix", 0, NULL);
}

static int wg_too_large(wg *wg, const wg_site *site, int64_t n) {
    const wg_shown shown = {'i', n, 0, 0};
    return wg_fail(wg, site, "ValueError", "a matrix of {} rows is too large for LAPACK", 1, &shown);
}

#define WG_JOIN_(a, b) a##b
#define WG_JOIN(a, b) WG_JOIN_(a, b)
#define WG_NAME(name) WG_JOIN(wg_##name##_, SUFFIX)
#define WG_ROUTINE(name) wg_routine[TYPE * WG_ROUTINE_COUNT + WG_##name]

#define WG_CONJ(x) (x)
#define TYPE 0
#define SUFFIX f32
#define T float
#define REAL float
#include "linear_algebra_of.c"

#define TYPE 1
#define SUFFIX f64
#define T double
#define REAL double
#include "linear_algebra_of.c"

#undef WG_CONJ
#define WG_CONJ(x) ((T)conj((double _Complex)(x)))
#define COMPLEX
#define TYPE 2
#define SUFFIX c64
#define T float _Complex
#define REAL float
#include "linear_algebra_of.c"

#define TYPE 3
#define SUFFIX c128
#define T double _Complex
#define REAL double
#include "linear_algebra_of.c"
#undef COMPLEX

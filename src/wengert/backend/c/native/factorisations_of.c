/* Singular values, QR, eigenvalues and pseudo-inverse, included once per element type by linear_algebra_of.c. Each routine
   of LAPACK says itself how much work space it wants, when it is called with the size -1. */

static int32_t WG_NAME(wanted)(T size) { return (int32_t)creal((double _Complex)size) + 1; }

static int WG_NAME(not_converged)(wg *wg, const wg_site *site, const char *what) {
    return wg_fail(wg, site, "LinAlgError", what, 0, NULL);
}

/* The singular value decomposition by columns: `a` is destroyed; u is m by k, vh k by n, of k values, or m by m and n
   by n. */
static int WG_NAME(svd_of)(wg *wg, const wg_site *site, wg_matrix a, wg_matrix u, REAL *values, wg_matrix vh) {
    const int32_t m = (int32_t)a.n[0], n = (int32_t)a.n[1], k = m < n ? m : n, rows = (int32_t)vh.n[0];
    const char job = u.n[1] > k || rows > k ? 'A' : 'S';
    int32_t info = 0, asked = -1;
    T size = 0;
    int32_t *const integers = wg_alloc(wg, wg_times(8 * (int64_t)k, sizeof(int32_t)), false);
    if (!integers) return 1;
#ifdef COMPLEX
    void (*const gesdd)(const char *, wg_size, wg_size, T *, wg_size, REAL *, T *, wg_size, T *, wg_size, T *, wg_size,
                        REAL *, int32_t *, int32_t *) = WG_ROUTINE(GESDD);
    const int64_t most = m > n ? m : n, five = 5 * (int64_t)k + 7, wide = 2 * most + 2 * (int64_t)k + 1;
    REAL *const reals = wg_alloc(wg, wg_times(k * (five > wide ? five : wide), sizeof(REAL)), false);
    if (!reals) return 1;
#define WG_GESDD(work, count)                                                                                        \
    gesdd(&job, &m, &n, a.data, &m, values, u.data, &m, vh.data, &rows, work, count, reals, integers, &info)
#else
    void (*const gesdd)(const char *, wg_size, wg_size, T *, wg_size, REAL *, T *, wg_size, T *, wg_size, T *, wg_size,
                        int32_t *, int32_t *) = WG_ROUTINE(GESDD);
#define WG_GESDD(work, count)                                                                                        \
    gesdd(&job, &m, &n, a.data, &m, values, u.data, &m, vh.data, &rows, work, count, integers, &info)
#endif
    WG_GESDD(&size, &asked);
    const int32_t count = WG_NAME(wanted)(size);
    T *const work = wg_alloc(wg, wg_times(count, sizeof(T)), false);
    if (!work) return 1;
    WG_GESDD(work, &count);
#undef WG_GESDD
    if (info) return WG_NAME(not_converged)(wg, site, "SVD did not converge");
    wg_free(wg, wg_block_of(work));
#ifdef COMPLEX
    wg_free(wg, wg_block_of(reals));
#endif
    wg_free(wg, wg_block_of(integers));
    return 0;
}

/* A new matrix by columns of these extents. */
static wg_matrix WG_NAME(columns)(wg *wg, int64_t m, int64_t n) {
    const wg_matrix shape = {NULL, {m, n}, {0, 0}};
    return WG_NAME(new)(wg, shape, true);
}

static int WG_NAME(any_svd)(wg *wg, const wg_site *site, wg_matrix u, wg_vector s, wg_matrix vh, wg_matrix a) {
    const wg_matrix own = WG_NAME(copied)(wg, a, true);
    const wg_matrix left = WG_NAME(columns)(wg, u.n[0], u.n[1]), right = WG_NAME(columns)(wg, vh.n[0], vh.n[1]);
    REAL *const values = wg_alloc(wg, wg_times(s.n, sizeof(REAL)), false);
    if (!own.data || !left.data || !right.data || !values) return 1;
    if (WG_NAME(svd_of)(wg, site, own, left, values, right)) return 1;
    WG_NAME(copy)(u, left);
    WG_NAME(copy)(vh, right);
    for (int64_t i = 0; i < s.n; i++) ((REAL *)s.data)[i * s.s] = values[i];
    wg_free(wg, wg_block_of(values));
    wg_free(wg, wg_block_of(right.data));
    wg_free(wg, wg_block_of(left.data));
    wg_free(wg, wg_block_of(own.data));
    return 0;
}

int WG_NAME(svd)(wg *wg, const wg_site *site, wg_matrix u, wg_vector s, wg_matrix vh, wg_matrix a) {
    if (!wg_fits(a.n[0]) || !wg_fits(a.n[1])) return wg_too_large(wg, site, a.n[0]);
    return s.n ? WG_NAME(any_svd)(wg, site, u, s, vh, a) : 0;
}

/* With all of both bases, of an empty matrix unit matrices. */
int WG_NAME(full_svd)(wg *wg, const wg_site *site, wg_matrix u, wg_vector s, wg_matrix vh, wg_matrix a) {
    if (!wg_fits(a.n[0]) || !wg_fits(a.n[1])) return wg_too_large(wg, site, a.n[0]);
    if (s.n) return WG_NAME(any_svd)(wg, site, u, s, vh, a);
    for (int64_t i = 0; i < u.n[0]; i++)
        for (int64_t j = 0; j < u.n[0]; j++) AT(u, i, j) = i == j;
    for (int64_t i = 0; i < vh.n[0]; i++)
        for (int64_t j = 0; j < vh.n[0]; j++) AT(vh, i, j) = i == j;
    return 0;
}

/* x = V diag(1/s) U*, of the singular values above `rcond` times the largest. */
int WG_NAME(pinv)(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a, double rcond) {
    if (!wg_fits(a.n[0]) || !wg_fits(a.n[1])) return wg_too_large(wg, site, a.n[0]);
    const int64_t m = a.n[0], n = a.n[1], k = m < n ? m : n;
    if (k == 0) return 0;
    const wg_matrix own = WG_NAME(copied)(wg, a, true);
    const wg_matrix left = WG_NAME(columns)(wg, m, k), right = WG_NAME(columns)(wg, k, n);
    REAL *const values = wg_alloc(wg, wg_times(k, sizeof(REAL)), false);
    if (!own.data || !left.data || !right.data || !values) return 1;
    if (WG_NAME(svd_of)(wg, site, own, left, values, right)) return 1;
    const REAL least = (REAL)rcond * values[0];
    for (int64_t j = 0; j < k; j++) {
        const REAL scale = values[j] > least ? 1 / values[j] : 0;
        for (int64_t i = 0; i < m; i++) AT(left, i, j) *= scale;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) AT(x, i, j) = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t q = 0; q < k; q++) {
            const T factor = WG_CONJ(AT(right, q, i));
            for (int64_t j = 0; j < m; j++) AT(x, i, j) += factor * WG_CONJ(AT(left, j, q));
        }
    wg_free(wg, wg_block_of(values));
    wg_free(wg, wg_block_of(right.data));
    wg_free(wg, wg_block_of(left.data));
    wg_free(wg, wg_block_of(own.data));
    return 0;
}

/* a = q r of at least as many rows as columns. */
int WG_NAME(qr)(wg *wg, const wg_site *site, wg_matrix q, wg_matrix r, wg_matrix a) {
    if (!wg_fits(a.n[0]) || !wg_fits(a.n[1])) return wg_too_large(wg, site, a.n[0]);
    const int32_t m = (int32_t)a.n[0], n = (int32_t)a.n[1];
    if (n == 0) return 0;
    const wg_matrix own = WG_NAME(copied)(wg, a, true);
    T *const reflectors = wg_alloc(wg, wg_times(n, sizeof(T)), false);
    if (!own.data || !reflectors) return 1;
    int32_t info = 0, asked = -1;
    T size = 0, second = 0;
    void (*const geqrf)(wg_size, wg_size, T *, wg_size, T *, T *, wg_size, int32_t *) = WG_ROUTINE(GEQRF);
    void (*const orgqr)(wg_size, wg_size, wg_size, T *, wg_size, const T *, T *, wg_size, int32_t *) = WG_ROUTINE(ORGQR);
    geqrf(&m, &n, own.data, &m, reflectors, &size, &asked, &info);
    orgqr(&m, &n, &n, own.data, &m, reflectors, &second, &asked, &info);
    const int32_t one = WG_NAME(wanted)(size), other = WG_NAME(wanted)(second), count = one > other ? one : other;
    T *const work = wg_alloc(wg, wg_times(count, sizeof(T)), false);
    if (!work) return 1;
    geqrf(&m, &n, own.data, &m, reflectors, work, &count, &info);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) AT(r, i, j) = i <= j ? AT(own, i, j) : 0;
    orgqr(&m, &n, &n, own.data, &m, reflectors, work, &count, &info);
    WG_NAME(copy)(q, own);
    wg_free(wg, wg_block_of(work));
    wg_free(wg, wg_block_of(reflectors));
    wg_free(wg, wg_block_of(own.data));
    return 0;
}

#ifdef COMPLEX
#undef WG_OF_PARTS
#define WG_OF_PARTS WG_JOIN(WG_JOIN(wg_complex_, REAL), _)

/* Where the largest element of each column is. */
static void WG_NAME(find_largest)(wg_vector largest, wg_matrix v) {
    for (int64_t j = 0; j < v.n[1]; j++) {
        int64_t first = 0;
        double most = -1;
        for (int64_t i = 0; i < v.n[0]; i++) {
            const double re = creal((double _Complex)AT(v, i, j)), im = cimag((double _Complex)AT(v, i, j));
            if (re * re + im * im > most) most = re * re + im * im, first = i;
        }
        ((int64_t *)largest.data)[j * largest.s] = first;
    }
}

/* As `eig`, of a matrix whose imaginary parts are zero: eigenvalues in the order that LAPACK gives them for reals. */
static int WG_NAME(eig_of_reals)(wg *wg, const wg_site *site, wg_vector w, wg_matrix v, wg_vector largest, wg_matrix a) {
    const int32_t n = (int32_t)a.n[0];
    const int64_t area = (int64_t)n * n;
    REAL *const own = wg_alloc(wg, wg_times(2 * area + 2 * (int64_t)n, sizeof(REAL)), false);
    if (!own) return 1;
    REAL *const vectors = own + area, *const re = vectors + area, *const im = re + n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) own[j * n + i] = (REAL)creal((double _Complex)AT(a, i, j));
    const char none = 'N', all = 'V';
    int32_t info = 0, asked = -1;
    REAL size = 0;
    void (*const geev)(const char *, const char *, wg_size, REAL *, wg_size, REAL *, REAL *, REAL *, wg_size, REAL *,
                       wg_size, REAL *, wg_size, int32_t *) = wg_routine[(TYPE - 2) * WG_ROUTINE_COUNT + WG_GEEV];
    geev(&none, &all, &n, own, &n, re, im, NULL, &n, vectors, &n, &size, &asked, &info);
    const int32_t count = WG_NAME(wanted)(size);
    REAL *const work = wg_alloc(wg, wg_times(count, sizeof(REAL)), false);
    if (!work) return 1;
    geev(&none, &all, &n, own, &n, re, im, NULL, &n, vectors, &n, work, &count, &info);
    if (info) return WG_NAME(not_converged)(wg, site, "Eigenvalues did not converge");
    for (int64_t j = 0; j < n; j++) {
        ((T *)w.data)[j * w.s] = WG_OF_PARTS(re[j], im[j]);
        for (int64_t i = 0; i < n; i++) { /* of a conjugate pair the columns are the real and the imaginary part */
            const REAL *const x = vectors + j * n + i;
            AT(v, i, j) = im[j] == 0  ? (T)x[0]
                          : im[j] > 0 ? WG_OF_PARTS(x[0], x[n])
                                      : WG_OF_PARTS(x[-n], -x[0]);
        }
    }
    WG_NAME(find_largest)(largest, v);
    wg_free(wg, wg_block_of(work));
    wg_free(wg, wg_block_of(own));
    return 0;
}

/* a v = v diag(w), columns of length one; the element of column j that is largest, largest[j], is real. */
int WG_NAME(eig)(wg *wg, const wg_site *site, wg_vector w, wg_matrix v, wg_vector largest, wg_matrix a,
                 bool real) {
    if (!wg_fits(a.n[0])) return wg_too_large(wg, site, a.n[0]);
    const int32_t n = (int32_t)a.n[0];
    if (n == 0) return 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            if (!isfinite(creal((double _Complex)AT(a, i, j))) || !isfinite(cimag((double _Complex)AT(a, i, j))))
                return WG_NAME(not_converged)(wg, site, "Array must not contain infs or NaNs");
    if (real) return WG_NAME(eig_of_reals)(wg, site, w, v, largest, a);
    const wg_matrix own = WG_NAME(copied)(wg, a, true), vectors = WG_NAME(new)(wg, a, true);
    T *const values = wg_alloc(wg, wg_times(n, sizeof(T)), false);
    REAL *const reals = wg_alloc(wg, wg_times(2 * (int64_t)n, sizeof(REAL)), false);
    if (!own.data || !vectors.data || !values || !reals) return 1;
    const char none = 'N', all = 'V';
    int32_t info = 0, asked = -1;
    T size = 0;
    void (*const geev)(const char *, const char *, wg_size, T *, wg_size, T *, T *, wg_size, T *, wg_size, T *, wg_size,
                       REAL *, int32_t *) = WG_ROUTINE(GEEV);
    geev(&none, &all, &n, own.data, &n, values, NULL, &n, vectors.data, &n, &size, &asked, reals, &info);
    const int32_t count = WG_NAME(wanted)(size);
    T *const work = wg_alloc(wg, wg_times(count, sizeof(T)), false);
    if (!work) return 1;
    geev(&none, &all, &n, own.data, &n, values, NULL, &n, vectors.data, &n, work, &count, reals, &info);
    if (info) return WG_NAME(not_converged)(wg, site, "Eigenvalues did not converge");
    WG_NAME(copy)(v, vectors);
    for (int64_t j = 0; j < n; j++) ((T *)w.data)[j * w.s] = values[j];
    WG_NAME(find_largest)(largest, v);
    wg_free(wg, wg_block_of(work));
    wg_free(wg, wg_block_of(reals));
    wg_free(wg, wg_block_of(values));
    wg_free(wg, wg_block_of(vectors.data));
    wg_free(wg, wg_block_of(own.data));
    return 0;
}
#endif

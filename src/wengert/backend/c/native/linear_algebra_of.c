/* Included once per element type: T, REAL (its real type), SUFFIX, TYPE (row of the table), COMPLEX. */

#define AT(a, i, j) (((T *)(a).data)[(i) * (a).s[0] + (j) * (a).s[1]])

static void WG_NAME(copy)(wg_matrix to, wg_matrix from) {
    for (int64_t i = 0; i < to.n[0]; i++)
        for (int64_t j = 0; j < to.n[1]; j++) AT(to, i, j) = AT(from, i, j);
}

/* A new matrix of the extents of `a`, by rows or by columns; data is NULL if that fails. */
static wg_matrix WG_NAME(new)(wg *wg, wg_matrix a, bool by_columns) {
    wg_matrix m = a;
    m.data = wg_alloc(wg, wg_times(wg_times(a.n[0], a.n[1]), sizeof(T)), false);
    m.s[0] = by_columns ? 1 : a.n[1];
    m.s[1] = by_columns ? a.n[0] : 1;
    return m;
}

static wg_matrix WG_NAME(copied)(wg *wg, wg_matrix a, bool by_columns) {
    const wg_matrix m = WG_NAME(new)(wg, a, by_columns);
    if (m.data) WG_NAME(copy)(m, a);
    return m;
}

/* What becomes of a product: c = a b (`adds` false, `scale` 1), or c += scale a b with scale 1 or -1. */
#define PRODUCT wg_matrix c, wg_matrix a, wg_matrix b, T scale, bool adds

static void WG_NAME(small_product)(PRODUCT) {
    for (int64_t i = 0; i < c.n[0]; i++)
        for (int64_t j = 0; j < c.n[1]; j++) {
            T sum = 0;
            for (int64_t k = 0; k < a.n[1]; k++) sum += AT(a, i, k) * AT(b, k, j);
            AT(c, i, j) = adds ? AT(c, i, j) + scale * sum : sum;
        }
}

/* A product of few rows, c and b of unit rows: b, which is most of the data, is read once, in its own order, for all rows
   together. Sums are gathered by blocks of the contracted axis, so that they are as exact as those of BLAS. */
static void WG_NAME(thin_product)(PRODUCT, int64_t ldc, int64_t ldb) {
    T sums[WG_THIN_BYTES / sizeof(T)];
    const int64_t m = c.n[0], n = c.n[1], k = a.n[1], most = (int64_t)(WG_THIN_BYTES / sizeof(T)) / m;
    T *const to = c.data;
    const T *const from = b.data;
    for (int64_t left = 0; left < n; left += most) {
        const int64_t width = n - left < most ? n - left : most;
        for (int64_t i = 0; i < m && !adds; i++)
            WG_LANES
            for (int64_t j = 0; j < width; j++) to[i * ldc + left + j] = 0;
        for (int64_t top = 0; top < k; top += WG_THIN_DEPTH) {
            const int64_t end = k - top < WG_THIN_DEPTH ? k : top + WG_THIN_DEPTH;
            int64_t q = top;
            WG_LANES
            for (int64_t j = 0; j < m * width; j++) sums[j] = 0;
            for (; q + 4 <= end; q += 4) {
                const T *const b0 = from + q * ldb + left, *const b1 = b0 + ldb, *const b2 = b1 + ldb, *const b3 = b2 + ldb;
                for (int64_t i = 0; i < m; i++) {
                    const T a0 = AT(a, i, q), a1 = AT(a, i, q + 1), a2 = AT(a, i, q + 2), a3 = AT(a, i, q + 3);
                    T *const sum = sums + i * width;
                    WG_LANES
                    for (int64_t j = 0; j < width; j++) sum[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
                }
            }
            for (; q < end; q++)
                for (int64_t i = 0; i < m; i++)
                    WG_LANES
                    for (int64_t j = 0; j < width; j++) sums[i * width + j] += AT(a, i, q) * from[q * ldb + left + j];
            for (int64_t i = 0; i < m; i++)
                WG_LANES
                for (int64_t j = 0; j < width; j++) to[i * ldc + left + j] += scale * sums[i * width + j];
        }
    }
}

/* A product of few rows, c of unit rows and b of unit columns, each of which is read once, for four rows together. */
static void WG_NAME(thin_dots)(PRODUCT, int64_t ldc, int64_t lda, int64_t ldb) {
    const int64_t m = c.n[0], n = c.n[1], k = a.n[1];
    T *const to = c.data;
    for (int64_t j = 0; j < n; j++) {
        const T *const column = (const T *)b.data + j * ldb;
        for (int64_t i = 0; i < m; i += 4) {
            const int64_t last = m - 1, rest = last - i; /* rows beyond the last are the last again */
            const T *const a0 = (const T *)a.data + i * lda, *const a1 = a0 + (rest < 1 ? rest : 1) * lda,
                    *const a2 = a0 + (rest < 2 ? rest : 2) * lda, *const a3 = a0 + (rest < 3 ? rest : 3) * lda;
            T s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
            for (int64_t q = 0; q < k; q++) {
                s0 += a0[q] * column[q];
                s1 += a1[q] * column[q];
                s2 += a2[q] * column[q];
                s3 += a3[q] * column[q];
            }
            const T sums[4] = {s0, s1, s2, s3};
            for (int64_t r = 0; r < 4 && r <= rest; r++) {
                T *const at = to + (i + r) * ldc + j;
                *at = adds ? *at + scale * sums[r] : sums[r];
            }
        }
    }
}

/* A product over a short contracted axis, c and b of unit rows: c, which is most of the data, is written once. */
static void WG_NAME(shallow_product)(PRODUCT, int64_t ldc, int64_t ldb) {
    const int64_t m = c.n[0], n = c.n[1], k = a.n[1];
    for (int64_t i = 0; i < m; i++) {
        T *const row = (T *)c.data + i * ldc;
        for (int64_t q = 0; q < k; q += 4) {
            const int64_t rest = k - 1 - q;
            const T *const b0 = (const T *)b.data + q * ldb;
            const bool fresh = q == 0 && !adds;
            if (rest >= 3) {
                const T *const b1 = b0 + ldb, *const b2 = b1 + ldb, *const b3 = b2 + ldb;
                const T a0 = scale * AT(a, i, q), a1 = scale * AT(a, i, q + 1);
                const T a2 = scale * AT(a, i, q + 2), a3 = scale * AT(a, i, q + 3);
                if (fresh)
                    WG_LANES
                    for (int64_t j = 0; j < n; j++) row[j] = a0 * b0[j] + a1 * b1[j] + (a2 * b2[j] + a3 * b3[j]);
                else
                    WG_LANES
                    for (int64_t j = 0; j < n; j++) row[j] += a0 * b0[j] + a1 * b1[j] + (a2 * b2[j] + a3 * b3[j]);
            } else
                for (int64_t r = 0; r <= rest; r++) {
                    const T x = scale * AT(a, i, q + r), *const from = b0 + r * ldb;
                    if (fresh && r == 0)
                        WG_LANES
                        for (int64_t j = 0; j < n; j++) row[j] = x * from[j];
                    else
                        WG_LANES
                        for (int64_t j = 0; j < n; j++) row[j] += x * from[j];
                }
        }
    }
}

/* c = a a^T with c of unit rows: half of it, and the rest is copied, tile by tile. */
static void WG_NAME(symmetric_product)(wg_matrix c, int32_t ldc, wg_matrix a, int32_t lda, bool by_rows) {
    const int32_t n = (int32_t)c.n[0], k = (int32_t)a.n[1];
    const char lower_by_rows = 'U', transposed = by_rows ? 'T' : 'N';
    const T one = 1, zero = 0;
    void (*const syrk)(const char *, const char *, wg_size, wg_size, const T *, const T *, wg_size, const T *, T *,
                       wg_size) = WG_ROUTINE(SYRK);
    syrk(&lower_by_rows, &transposed, &n, &k, &one, a.data, &lda, &zero, c.data, &ldc);
    T *const to = c.data;
    for (int64_t top = 0; top < n; top += WG_TILE)
        for (int64_t left = top; left < n; left += WG_TILE)
            for (int64_t i = top; i < n && i < top + WG_TILE; i++)
                for (int64_t j = left > i ? left : i + 1; j < n && j < left + WG_TILE; j++)
                    to[i * ldc + j] = to[j * ldc + i];
}

/* Whether b is the transpose of a, and both large enough for that to matter. */
static bool WG_NAME(is_square)(wg_matrix a, wg_matrix b) {
    return a.data == b.data && a.n[0] >= WG_TILE && a.n[0] == b.n[1] && a.s[0] == b.s[1] && a.s[1] == b.s[0];
}

/* A product with c of unit rows. BLAS works by columns, so it is told c^T = b^T a^T. */
static int WG_NAME(product)(wg *wg, PRODUCT, int32_t ldc) {
    const int32_t m = (int32_t)c.n[0], n = (int32_t)c.n[1], k = (int32_t)a.n[1];
    const T start = adds ? 1 : 0;
    wg_matrix operand[2] = {a, b};
    int32_t ld[2];
    if (WG_IS_SHALLOW(m, n, k) && wg_has_unit_rows(b, &ld[1])) {
        WG_NAME(shallow_product)(c, a, b, scale, adds, ldc, ld[1]);
        return 0;
    }
    if (WG_IS_THIN(m, n) && wg_has_unit_rows(b, &ld[1])) {
        WG_NAME(thin_product)(c, a, b, scale, adds, ldc, ld[1]);
        return 0;
    }
    if (WG_IS_THIN(m, n) && wg_has_unit_rows(a, &ld[0]) && wg_has_unit_rows(wg_transposed(b), &ld[1])) {
        WG_NAME(thin_dots)(c, a, b, scale, adds, ldc, ld[0], ld[1]);
        return 0;
    }
    char transposed[2];
    void *copy[2] = {NULL, NULL};
    for (int q = 0; q < 2; q++) {
        transposed[q] = 'N';
        if (wg_has_unit_rows(operand[q], &ld[q])) continue;
        transposed[q] = 'T';
        if (wg_has_unit_rows(wg_transposed(operand[q]), &ld[q])) continue;
        operand[q] = WG_NAME(copied)(wg, operand[q], false);
        if (!(copy[q] = operand[q].data)) return 1;
        transposed[q] = 'N';
        wg_has_unit_rows(operand[q], &ld[q]);
    }
    if (!adds && !copy[0] && WG_NAME(is_square)(a, b)) {
        WG_NAME(symmetric_product)(c, ldc, a, ld[0], transposed[0] == 'N');
        return 0;
    }
    void (*const gemm)(const char *, const char *, wg_size, wg_size, wg_size, const T *, const T *,
                       wg_size, const T *, wg_size, const T *, T *, wg_size) = WG_ROUTINE(GEMM);
    gemm(&transposed[1], &transposed[0], &n, &m, &k, &scale, operand[1].data, &ld[1], operand[0].data, &ld[0], &start,
         c.data, &ldc);
    for (int q = 0; q < 2; q++)
        if (copy[q]) wg_free(wg, wg_block_of(copy[q]));
    return 0;
}

/* A product of one column; false if BLAS cannot take the operands as they lie. */
static bool WG_NAME(matrix_vector)(PRODUCT) {
    int32_t ld;
    const bool by_rows = wg_has_unit_rows(a, &ld);
    if (!by_rows && !wg_has_unit_rows(wg_transposed(a), &ld)) return false;
    const int64_t from = b.n[0] > 1 ? b.s[0] : 1, to = c.n[0] > 1 ? c.s[0] : 1;
    if (from <= 0 || to <= 0 || !wg_fits(from) || !wg_fits(to)) return false;
    const int32_t rows = (int32_t)(by_rows ? a.n[1] : a.n[0]), columns = (int32_t)(by_rows ? a.n[0] : a.n[1]);
    const int32_t step_from = (int32_t)from, step_to = (int32_t)to;
    const char transposed = by_rows ? 'T' : 'N';
    const T start = adds ? 1 : 0;
    void (*const gemv)(const char *, wg_size, wg_size, const T *, const T *, wg_size, const T *,
                       wg_size, const T *, T *, wg_size) = WG_ROUTINE(GEMV);
    gemv(&transposed, &rows, &columns, &scale, a.data, &ld, b.data, &step_from, &start, c.data, &step_to);
    return true;
}

static int WG_NAME(multiply)(wg *wg, PRODUCT) {
    const int64_t m = c.n[0], n = c.n[1], k = a.n[1];
    const int64_t work = wg_times(wg_times(m, n), k);
    if (work <= WG_SMALL_PRODUCT || !wg_fits(m) || !wg_fits(n) || !wg_fits(k)) {
        WG_NAME(small_product)(c, a, b, scale, adds);
        return 0;
    }
    if (m == 1 && n != 1) {
        c = wg_transposed(c);
        const wg_matrix left = wg_transposed(b);
        b = wg_transposed(a);
        a = left;
        if (WG_NAME(matrix_vector)(c, a, b, scale, adds)) return 0;
    } else if (n == 1 && WG_NAME(matrix_vector)(c, a, b, scale, adds))
        return 0;
    int32_t ld;
    if (wg_has_unit_rows(c, &ld)) return WG_NAME(product)(wg, c, a, b, scale, adds, ld);
    if (wg_has_unit_rows(wg_transposed(c), &ld))
        return WG_NAME(product)(wg, wg_transposed(c), wg_transposed(b), wg_transposed(a), scale, adds, ld);
    const wg_matrix rows = WG_NAME(new)(wg, c, false);
    if (!rows.data || !wg_has_unit_rows(rows, &ld) || WG_NAME(product)(wg, rows, a, b, 1, false, ld)) return 1;
    for (int64_t i = 0; i < c.n[0]; i++)
        for (int64_t j = 0; j < c.n[1]; j++)
            AT(c, i, j) = adds ? AT(c, i, j) + scale * AT(rows, i, j) : AT(rows, i, j);
    wg_free(wg, wg_block_of(rows.data));
    return 0;
}

int WG_NAME(matmul)(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b) {
    return WG_NAME(multiply)(wg, c, a, b, 1, false);
}

/* c += a b, or c -= a b. */
int WG_NAME(add_matmul)(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b, bool negative) {
    return WG_NAME(multiply)(wg, c, a, b, negative ? -1 : 1, true);
}

/* c = a b, where elements of a that are not finite count as 0 if they meet a 0 of b. */
static void WG_NAME(guarded_product)(wg_matrix c, wg_matrix a, wg_matrix b) {
    for (int64_t i = 0; i < c.n[0]; i++)
        for (int64_t j = 0; j < c.n[1]; j++) {
            T sum = 0;
            for (int64_t k = 0; k < a.n[1]; k++) {
                const T x = AT(a, i, k), y = AT(b, k, j);
                /* x - x is 0 for finite x alone. */
                if (y != 0 || x - x == 0) sum += x * y;
            }
            AT(c, i, j) = sum;
        }
}

static bool WG_NAME(has_nan)(wg_matrix c) {
    bool found = false;
    for (int64_t i = 0; i < c.n[0]; i++)
        for (int64_t j = 0; j < c.n[1]; j++) found |= AT(c, i, j) != AT(c, i, j);
    return found;
}

/* c = a b, where of row t of a (axis 0; column t: 1; of b: side 1) only the elements from low[t] to before high[t] count.
   The others are 0, which makes NaN of what is not finite: without NaN in c there was none, or it belongs there. */
int WG_NAME(ranged_matmul)(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b, wg_vector low, wg_vector high, int side,
                           int axis) {
    if (WG_NAME(matmul)(wg, c, a, b)) return 1;
    if (!WG_NAME(has_nan)(c)) return 0;
    const int64_t *const from = low.data, *const to = high.data;
    for (int64_t i = 0; i < c.n[0]; i++)
        for (int64_t j = 0; j < c.n[1]; j++) {
            T sum = 0;
            for (int64_t k = 0; k < a.n[1]; k++) {
                const int64_t row = side ? k : i, column = side ? j : k, t = axis ? column : row, at = axis ? row : column;
                if (from[t * low.s] <= at && at < to[t * high.s]) sum += AT(a, i, k) * AT(b, k, j);
            }
            AT(c, i, j) = sum;
        }
    return 0;
}

/* c = a b, where elements of a (`second`: of b) that are not finite count as 0 if they meet a 0. Such a pair makes NaN of
   its element in c, if it isn't left out: without NaN in c there is none. */
int WG_NAME(guarded_matmul)(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b, bool second) {
    if (WG_NAME(matmul)(wg, c, a, b)) return 1;
    if (!WG_NAME(has_nan)(c)) return 0;
    if (second)
        WG_NAME(guarded_product)(wg_transposed(c), wg_transposed(b), wg_transposed(a));
    else
        WG_NAME(guarded_product)(c, a, b);
    return 0;
}

/* 'U' or 'L' if the other triangle of `a` is zero, else 0. It stops at the first element that says no. */
static char WG_NAME(triangle)(wg_matrix a) {
    bool upper = true, lower = true;
    for (int64_t i = 0; i < a.n[0] && (upper || lower); i++) {
        for (int64_t j = 0; j < i && upper; j++) upper = AT(a, i, j) == 0;
        for (int64_t j = i + 1; j < a.n[1] && lower; j++) lower = AT(a, i, j) == 0;
    }
    return upper ? 'U' : lower ? 'L' : 0;
}

/* x = a^-1 b of a triangular matrix, by substitution. */
static int WG_NAME(substitute)(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a, wg_matrix b, char triangle) {
    for (int64_t i = 0; i < a.n[0]; i++)
        if (AT(a, i, i) == 0) return wg_singular(wg, site);
    const int32_t n = (int32_t)a.n[0], columns = (int32_t)b.n[1];
    int32_t ld;
    const bool by_rows = wg_has_unit_rows(a, &ld), by_columns = !by_rows && wg_has_unit_rows(wg_transposed(a), &ld);
    const wg_matrix own = by_rows || by_columns ? a : WG_NAME(copied)(wg, a, true);
    const wg_matrix right = WG_NAME(copied)(wg, b, true);
    if (!own.data || !right.data) return 1;
    if (own.data != a.data) ld = n;
    const char side = 'L', other = triangle == 'U' ? 'L' : 'U', diagonal = 'N';
    const char transposed = by_rows ? 'T' : 'N', half = by_rows ? other : triangle; /* rows are the transpose's columns */
    const T one = 1;
    void (*const trsm)(const char *, const char *, const char *, const char *, wg_size, wg_size, const T *, const T *,
                       wg_size, T *, wg_size) = WG_ROUTINE(TRSM);
    trsm(&side, &half, &transposed, &diagonal, &n, &columns, &one, own.data, &ld, right.data, &n);
    WG_NAME(copy)(x, right);
    wg_free(wg, wg_block_of(right.data));
    if (own.data != a.data) wg_free(wg, wg_block_of(own.data));
    return 0;
}

/* x = a^-1 b, by columns throughout as NumPy does, so that rounding agrees (a triangular matrix needs no factors). */
int WG_NAME(solve)(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a, wg_matrix b) {
    if (!wg_fits(a.n[0]) || !wg_fits(b.n[1])) return wg_too_large(wg, site, a.n[0]);
    if (a.n[0] == 0 || b.n[1] == 0) return 0;
    const char triangle = WG_NAME(triangle)(a);
    if (triangle) return WG_NAME(substitute)(wg, site, x, a, b, triangle);
    const int32_t n = (int32_t)a.n[0], columns = (int32_t)b.n[1];
    const wg_matrix factor = WG_NAME(copied)(wg, a, true);
    const wg_matrix right = WG_NAME(copied)(wg, b, true);
    int32_t *const pivots = wg_alloc(wg, wg_times(n, sizeof(int32_t)), false);
    if (!factor.data || !right.data || !pivots) return 1;
    int32_t info = 0;
    void (*const gesv)(wg_size, wg_size, T *, wg_size, int32_t *, T *, wg_size, int32_t *) =
        WG_ROUTINE(GESV);
    gesv(&n, &columns, factor.data, &n, pivots, right.data, &n, &info);
    if (info > 0) return wg_singular(wg, site);
    WG_NAME(copy)(x, right);
    wg_free(wg, wg_block_of(pivots));
    wg_free(wg, wg_block_of(right.data));
    wg_free(wg, wg_block_of(factor.data));
    return 0;
}

int WG_NAME(inv)(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a) {
    const wg_matrix identity = WG_NAME(new)(wg, a, false);
    if (!identity.data) return 1;
    for (int64_t i = 0; i < a.n[0]; i++)
        for (int64_t j = 0; j < a.n[1]; j++) AT(identity, i, j) = i == j;
    if (WG_NAME(solve)(wg, site, x, a, identity)) return 1;
    wg_free(wg, wg_block_of(identity.data));
    return 0;
}

/* The lower triangle by rows is the upper one by columns, and its factor U^T is the wanted L, conjugates included. */
int WG_NAME(cholesky)(wg *wg, const wg_site *site, wg_matrix l, wg_matrix a) {
    if (!wg_fits(a.n[0])) return wg_too_large(wg, site, a.n[0]);
    if (a.n[0] == 0) return 0;
    const int32_t n = (int32_t)a.n[0];
    const wg_matrix factor = WG_NAME(new)(wg, a, false);
    if (!factor.data) return 1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) AT(factor, i, j) = j <= i ? AT(a, i, j) : 0;
    const char upper = 'U';
    int32_t info = 0;
    void (*const potrf)(const char *, wg_size, T *, wg_size, int32_t *) = WG_ROUTINE(POTRF);
    potrf(&upper, &n, factor.data, &n, &info);
    if (info > 0) return wg_fail(wg, site, "LinAlgError", "Matrix is not positive definite", 0, NULL);
    WG_NAME(copy)(l, factor);
    wg_free(wg, wg_block_of(factor.data));
    return 0;
}

#ifndef COMPLEX
/* `x`, the adjoint of a lower factor `l`, becomes that of the lower triangle of l l^T. */
static void WG_NAME(cholesky_adjoint_block)(T *x, int64_t ldx, const T *l, int64_t ld, int64_t n) {
    for (int64_t j = n - 1; j >= 0; j--) {
        const T *const r = l + j * ld;
        T *const r_adj = x + j * ldx;
        const T d = r[j];
        T d_adj = r_adj[j];
        for (int64_t i = j + 1; i < n; i++) {
            d_adj -= l[i * ld + j] * x[i * ldx + j] / d;
            x[i * ldx + j] /= d;
        }
        d_adj /= d;
        WG_LANES
        for (int64_t k = 0; k < j; k++) r_adj[k] -= d_adj * r[k];
        for (int64_t i = j + 1; i < n; i++) {
            const T c_adj = x[i * ldx + j], *const b = l + i * ld;
            T *const b_adj = x + i * ldx;
            WG_LANES
            for (int64_t k = 0; k < j; k++) {
                r_adj[k] -= c_adj * b[k];
                b_adj[k] -= c_adj * r[k];
            }
        }
        r_adj[j] = d_adj / 2;
    }
}

/* The adjoint of the lower triangle of a = l l^T, given that of l: I. Murray, "Differentiation of the Cholesky
   decomposition", arXiv:1602.07527 (2016), by blocks of rows from the last to the first. BLAS works by columns, where
   the rows of a matrix are the columns of its transpose. */
int WG_NAME(cholesky_adjoint)(wg *wg, wg_matrix a_adj, wg_matrix l, wg_matrix l_adj) {
    const int64_t n = l.n[0]; /* LAPACK made the factor: it fits */
    int32_t ld;
    const wg_matrix factor = wg_has_unit_rows(l, &ld) ? l : WG_NAME(copied)(wg, l, false);
    const wg_matrix own = wg_has_unit_rows(a_adj, &ld) ? a_adj : WG_NAME(new)(wg, a_adj, false);
    T *const square = wg_alloc(wg, WG_CHOLESKY_ROWS * WG_CHOLESKY_ROWS * sizeof(T), false);
    if (!factor.data || !own.data || !square) return 1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) AT(own, i, j) = j <= i ? AT(l_adj, i, j) : 0;
    const int64_t dl = n > 1 ? factor.s[0] : 1, dx = n > 1 ? own.s[0] : 1;
    const int32_t ldl = (int32_t)dl, ldx = (int32_t)dx;
    const char plain = 'N', transposed = 'T', left = 'L', upper = 'U';
    const T one = 1, minus = -1;
    void (*const gemm)(const char *, const char *, wg_size, wg_size, wg_size, const T *, const T *,
                       wg_size, const T *, wg_size, const T *, T *, wg_size) = WG_ROUTINE(GEMM);
    void (*const trsm)(const char *, const char *, const char *, const char *, wg_size, wg_size, const T *, const T *,
                       wg_size, T *, wg_size) = WG_ROUTINE(TRSM);
    for (int64_t end = n; end > 0;) {
        const int64_t begin = end > WG_CHOLESKY_ROWS ? end - WG_CHOLESKY_ROWS : 0;
        const int32_t size = (int32_t)(end - begin), before = (int32_t)begin, after = (int32_t)(n - end);
        const T *const r = (const T *)factor.data + begin * dl, *const d = r + begin, *const b = r + size * dl,
                *const c = b + begin;
        T *const r_adj = (T *)own.data + begin * dx, *const d_adj = r_adj + begin, *const b_adj = r_adj + size * dx,
          *const c_adj = b_adj + begin;
        if (after) {
            trsm(&left, &upper, &plain, &plain, &size, &after, &one, d, &ldl, c_adj, &ldx); /* c_adj d^-1 */
            gemm(&plain, &transposed, &size, &size, &after, &minus, c, &ldl, c_adj, &ldx, &one, d_adj, &ldx);
        }
        WG_NAME(cholesky_adjoint_block)(d_adj, dx, d, dl, size);
        if (before) {
            for (int64_t i = 0; i < size; i++)
                for (int64_t j = 0; j <= i; j++)
                    square[i * size + j] = square[j * size + i] = d_adj[i * dx + j] * (i == j ? 2 : 1);
            gemm(&plain, &plain, &before, &size, &size, &minus, r, &ldl, square, &size, &one, r_adj, &ldx);
        }
        if (before && after) {
            gemm(&plain, &transposed, &before, &size, &after, &minus, b, &ldl, c_adj, &ldx, &one, r_adj, &ldx);
            gemm(&plain, &plain, &before, &after, &size, &minus, r, &ldl, c_adj, &ldx, &one, b_adj, &ldx);
        }
        for (int64_t i = 0; i < size; i++)
            for (int64_t j = i + 1; j < size; j++) d_adj[i * dx + j] = 0;
        end = begin;
    }
    if (own.data != a_adj.data) {
        WG_NAME(copy)(a_adj, own);
        wg_free(wg, wg_block_of(own.data));
    }
    if (factor.data != l.data) wg_free(wg, wg_block_of(factor.data));
    wg_free(wg, wg_block_of(square));
    return 0;
}
#endif

int WG_NAME(det)(wg *wg, void *d, wg_matrix a) {
    T product = 1;
    if (!wg_fits(a.n[0])) return wg_too_large(wg, NULL, a.n[0]);
    const int32_t n = (int32_t)a.n[0];
    if (n > 0) {
        const wg_matrix factor = WG_NAME(copied)(wg, a, true);
        int32_t *const pivots = wg_alloc(wg, wg_times(n, sizeof(int32_t)), false);
        if (!factor.data || !pivots) return 1;
        int32_t info = 0;
        void (*const getrf)(wg_size, wg_size, T *, wg_size, int32_t *, int32_t *) = WG_ROUTINE(GETRF);
        getrf(&n, &n, factor.data, &n, pivots, &info);
        for (int64_t i = 0; i < n; i++) product *= pivots[i] == i + 1 ? AT(factor, i, i) : -AT(factor, i, i);
        if (info > 0) product = 0;
        wg_free(wg, wg_block_of(pivots));
        wg_free(wg, wg_block_of(factor.data));
    }
    *(T *)d = product;
    return 0;
}

/* Eigenvalues (ascending) and vectors of the lower triangle; the routine says itself how much work space it wants. */
int WG_NAME(eigh)(wg *wg, const wg_site *site, wg_vector w, wg_matrix v, wg_matrix a) {
    if (!wg_fits(a.n[0])) return wg_too_large(wg, site, a.n[0]);
    if (a.n[0] == 0) return 0;
    const int32_t n = (int32_t)a.n[0];
    const wg_matrix vectors = WG_NAME(copied)(wg, a, true);
    REAL *const values = wg_alloc(wg, wg_times(n, sizeof(REAL)), false);
    if (!vectors.data || !values) return 1;
    const char job = 'V', lower = 'L';
    int32_t info = 0, asked = -1, integer_size = 0;
    T size = 0;
#ifdef COMPLEX
    void (*const eigh)(const char *, const char *, wg_size, T *, wg_size, REAL *, T *, wg_size, REAL *,
                       wg_size, int32_t *, wg_size, int32_t *) = WG_ROUTINE(EIGH);
    REAL real_size = 0;
    eigh(&job, &lower, &n, vectors.data, &n, values, &size, &asked, &real_size, &asked, &integer_size, &asked, &info);
    const int32_t real_count = (int32_t)real_size;
    REAL *const real_work = wg_alloc(wg, wg_times(real_count, sizeof(REAL)), false);
    if (!real_work) return 1;
#else
    void (*const eigh)(const char *, const char *, wg_size, T *, wg_size, REAL *, T *, wg_size,
                       int32_t *, wg_size, int32_t *) = WG_ROUTINE(EIGH);
    eigh(&job, &lower, &n, vectors.data, &n, values, &size, &asked, &integer_size, &asked, &info);
#endif
    const int32_t count = (int32_t)creal((double _Complex)size) + 1;
    T *const work = wg_alloc(wg, wg_times(count, sizeof(T)), false);
    int32_t *const integer_work = wg_alloc(wg, wg_times(integer_size, sizeof(int32_t)), false);
    if (!work || !integer_work) return 1;
#ifdef COMPLEX
    eigh(&job, &lower, &n, vectors.data, &n, values, work, &count, real_work, &real_count, integer_work, &integer_size,
         &info);
    wg_free(wg, wg_block_of(real_work));
#else
    eigh(&job, &lower, &n, vectors.data, &n, values, work, &count, integer_work, &integer_size, &info);
#endif
    if (info > 0) return wg_fail(wg, site, "LinAlgError", "Eigenvalues did not converge", 0, NULL);
    WG_NAME(copy)(v, vectors);
    for (int64_t i = 0; i < n; i++) ((REAL *)w.data)[i * w.s] = values[i];
    wg_free(wg, wg_block_of(integer_work));
    wg_free(wg, wg_block_of(work));
    wg_free(wg, wg_block_of(values));
    wg_free(wg, wg_block_of(vectors.data));
    return 0;
}

#include "factorisations_of.c"

#undef AT
#undef PRODUCT
#undef T
#undef REAL
#undef SUFFIX
#undef TYPE

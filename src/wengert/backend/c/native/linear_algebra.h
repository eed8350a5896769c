/* Dense linear algebra: wg_<operation>_<dtype>. */
#ifndef WG_LINEAR_ALGEBRA_H
#define WG_LINEAR_ALGEBRA_H

#include "wengert.h"

/* Names of BLAS and LAPACK routines: all of single precision, then double, complex, double complex. */
#define WG_ROUTINE_NAMES                                                                                             \
    "sgemm sgemv sgesv sgetrf spotrf ssyevd strsm dgemm dgemv dgesv dgetrf dpotrf dsyevd dtrsm "                     \
    "cgemm cgemv cgesv cgetrf cpotrf cheevd ctrsm zgemm zgemv zgesv zgetrf zpotrf zheevd ztrsm"
enum { WG_GEMM, WG_GEMV, WG_GESV, WG_GETRF, WG_POTRF, WG_EIGH, WG_TRSM, WG_ROUTINE_COUNT };
extern void *wg_routine[4 * WG_ROUTINE_COUNT];

#define WG_LINEAR_ALGEBRA(suffix)                                                                                    \
    int wg_matmul_##suffix(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b);                                           \
    int wg_solve_##suffix(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a, wg_matrix b);                       \
    int wg_inv_##suffix(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a);                                      \
    int wg_cholesky_##suffix(wg *wg, const wg_site *site, wg_matrix l, wg_matrix a);                                 \
    int wg_det_##suffix(wg *wg, void *d, wg_matrix a);                                                               \
    int wg_eigh_##suffix(wg *wg, const wg_site *site, wg_vector w, wg_matrix v, wg_matrix a);
WG_LINEAR_ALGEBRA(f32)
WG_LINEAR_ALGEBRA(f64)
WG_LINEAR_ALGEBRA(c64)
WG_LINEAR_ALGEBRA(c128)

#endif

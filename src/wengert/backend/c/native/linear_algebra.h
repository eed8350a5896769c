/* Dense linear algebra: wg_<operation>_<dtype>. */
#ifndef WG_LINEAR_ALGEBRA_H
#define WG_LINEAR_ALGEBRA_H

#include "wengert.h"

/* Names of BLAS and LAPACK routines: all of single precision, then double, complex, double complex. */
#define WG_ROUTINE_NAMES                                                                                             \
    "sgemm sgemv sgesv sgetrf spotrf ssyevd strsm sgesdd sgeqrf sorgqr sgeev ssyrk "                                 \
    "dgemm dgemv dgesv dgetrf dpotrf dsyevd dtrsm dgesdd dgeqrf dorgqr dgeev dsyrk "                                 \
    "cgemm cgemv cgesv cgetrf cpotrf cheevd ctrsm cgesdd cgeqrf cungqr cgeev csyrk "                                 \
    "zgemm zgemv zgesv zgetrf zpotrf zheevd ztrsm zgesdd zgeqrf zungqr zgeev zsyrk"
enum {
    WG_GEMM, WG_GEMV, WG_GESV, WG_GETRF, WG_POTRF, WG_EIGH, WG_TRSM, WG_GESDD, WG_GEQRF, WG_ORGQR, WG_GEEV, WG_SYRK,
    WG_ROUTINE_COUNT
};
extern void *wg_routine[4 * WG_ROUTINE_COUNT];

#define WG_LINEAR_ALGEBRA(suffix)                                                                                    \
    int wg_matmul_##suffix(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b);                                           \
    int wg_add_matmul_##suffix(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b, bool negative);                        \
    int wg_ranged_matmul_##suffix(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b, wg_vector low, wg_vector high,      \
                                  int side, int axis);                                                               \
    int wg_guarded_matmul_##suffix(wg *wg, wg_matrix c, wg_matrix a, wg_matrix b, bool second);                      \
    int wg_solve_##suffix(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a, wg_matrix b);                       \
    int wg_inv_##suffix(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a);                                      \
    int wg_cholesky_##suffix(wg *wg, const wg_site *site, wg_matrix l, wg_matrix a);                                 \
    int wg_det_##suffix(wg *wg, void *d, wg_matrix a);                                                               \
    int wg_eigh_##suffix(wg *wg, const wg_site *site, wg_vector w, wg_matrix v, wg_matrix a);              \
    int wg_svd_##suffix(wg *wg, const wg_site *site, wg_matrix u, wg_vector s, wg_matrix vh, wg_matrix a);           \
    int wg_full_svd_##suffix(wg *wg, const wg_site *site, wg_matrix u, wg_vector s, wg_matrix vh, wg_matrix a);      \
    int wg_pinv_##suffix(wg *wg, const wg_site *site, wg_matrix x, wg_matrix a, double rcond);                       \
    int wg_qr_##suffix(wg *wg, const wg_site *site, wg_matrix q, wg_matrix r, wg_matrix a);
WG_LINEAR_ALGEBRA(f32)
WG_LINEAR_ALGEBRA(f64)
WG_LINEAR_ALGEBRA(c64)
WG_LINEAR_ALGEBRA(c128)
int wg_cholesky_adjoint_f32(wg *wg, wg_matrix a_adj, wg_matrix l, wg_matrix l_adj);
int wg_cholesky_adjoint_f64(wg *wg, wg_matrix a_adj, wg_matrix l, wg_matrix l_adj);
int wg_eig_c64(wg *wg, const wg_site *site, wg_vector w, wg_matrix v, wg_vector largest, wg_matrix a, bool real);
int wg_eig_c128(wg *wg, const wg_site *site, wg_vector w, wg_matrix v, wg_vector largest, wg_matrix a, bool real);

#endif

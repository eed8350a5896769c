"""What is supported of NumPy: one line for each public function or method, with a call that tests run.

A line is `name | call`, and after a second bar why it has no derivative, where it has none on purpose. Lines without a
reason are differentiable: value, JVP, VJP and second derivatives of the call are tested. A name in the calls stands for
an array or a number of its own (`tests/frontend/numpy_api/expressions.py`); calls of IN_PLACE change copies `y` of the
vector w and `r` of the matrix z.
"""

from __future__ import annotations

CREATE = """
array | np.array([[a, v[0]], [x, 2.0]])
asarray | np.asarray(v) * v
asanyarray | np.asanyarray(v) * v
ascontiguousarray | np.ascontiguousarray(m.T) * a
asfortranarray | np.asfortranarray(m) * a
copy | np.copy(m) * a
empty | np.empty((3, 2)).shape | constant
empty_like | np.empty_like(m).shape | constant
zeros | np.zeros((3, 2)) | constant
zeros_like | np.zeros_like(m) | constant
ones | np.ones((3, 2)) | constant
ones_like | np.ones_like(m) | constant
full | np.full((2, 3), a) * a
full_like | np.full_like(m, a) * a
eye | np.eye(3, 4, 1) | constant
identity | np.identity(3) | constant
diag | np.diag(v) * a
diagflat | np.diagflat(z) * a
tri | np.tri(3, 4, 1) | constant
tril | np.tril(m) * m
triu | np.triu(m, 1) * m
vander | np.vander(u, 4)
arange | np.arange(2, 9, 2) | constant
linspace | np.linspace(a, 3.0, 7) ** 2
logspace | np.logspace(0, a, 5)
geomspace | np.geomspace(a, 50, 4)
meshgrid | np.meshgrid(v, w)[0] * np.meshgrid(v, w)[1]
mgrid | np.mgrid[0:3, 0:2] | constant
ogrid | np.ogrid[0:3, 0:2] | constant
r_ | np.r_[v, a, w * 2] ** 2
c_ | np.c_[v, w] ** 2
s_ | v[np.s_[2:5]] ** 2
index_exp | m[np.index_exp[1:3, 2]] ** 2
indices | np.indices((2, 3)) | integers
fromfunction | np.fromfunction(lambda p, q: (p + a) * q, (3, 4))
diag_indices | np.diag_indices(3) | integers
diag_indices_from | np.diag_indices_from(z) | integers
tril_indices | np.tril_indices(3) | integers
triu_indices | np.triu_indices(3) | integers
tril_indices_from | np.tril_indices_from(z) | integers
triu_indices_from | np.triu_indices_from(z) | integers
mask_indices | np.mask_indices(3, np.triu) | integers
ix_ | m[np.ix_([0, 1], [1, 2])] ** 2
bartlett | np.bartlett(7) | constant
blackman | np.blackman(7) | constant
hamming | np.hamming(7) | constant
hanning | np.hanning(7) | constant
kaiser | np.kaiser(7, 2.0) | constant
"""

UFUNCS = """
add | np.add(v, w) * v
subtract | np.subtract(v, w) * v
multiply | np.multiply(v, w)
divide | np.divide(v, u)
true_divide | np.true_divide(v, u)
floor_divide | np.floor_divide(v, 0.3) * v
remainder | np.remainder(v, 0.7) * v
mod | np.mod(v, u) * v
fmod | np.fmod(v, 0.7) * v
divmod | np.divmod(v, 0.4)[1] * v
negative | np.negative(v) * v
positive | np.positive(v) * v
absolute | np.absolute(v) * v
abs | np.abs(c)
fabs | np.fabs(v) * v
sign | np.sign(v) * v
heaviside | np.heaviside(v, 0.5) * v
conj | np.conj(c) * c
conjugate | np.conjugate(c) * c
power | np.power(u, w)
pow | np.pow(u, w)
float_power | np.float_power(u, 1.7)
square | np.square(v)
sqrt | np.sqrt(u)
cbrt | np.cbrt(u)
reciprocal | np.reciprocal(u)
exp | np.exp(v)
exp2 | np.exp2(v)
expm1 | np.expm1(v)
log | np.log(u)
log2 | np.log2(u)
log10 | np.log10(u)
log1p | np.log1p(u)
logaddexp | np.logaddexp(v, w)
logaddexp2 | np.logaddexp2(v, w)
sin | np.sin(v)
cos | np.cos(v)
tan | np.tan(v)
arcsin | np.arcsin(u / 3)
arccos | np.arccos(u / 3)
arctan | np.arctan(v)
asin | np.asin(u / 3)
acos | np.acos(u / 3)
atan | np.atan(v)
arctan2 | np.arctan2(v, w)
atan2 | np.atan2(v, w)
hypot | np.hypot(v, w)
sinh | np.sinh(v)
cosh | np.cosh(v)
tanh | np.tanh(v)
arcsinh | np.arcsinh(v)
arccosh | np.arccosh(u + 1)
arctanh | np.arctanh(u / 3)
asinh | np.asinh(v)
acosh | np.acosh(u + 1)
atanh | np.atanh(u / 3)
degrees | np.degrees(v) * v
radians | np.radians(v) * v
deg2rad | np.deg2rad(v) * v
rad2deg | np.rad2deg(v) * v
copysign | np.copysign(u, w) * u
floor | np.floor(v) * v
ceil | np.ceil(v) * v
trunc | np.trunc(v) * v
rint | np.rint(v) * v
modf | np.modf(v)[0] * v
frexp | np.frexp(u)[0] * v
ldexp | np.ldexp(v, l) * v
nextafter | np.nextafter(v, w) * v
spacing | np.spacing(v) | it is a step
maximum | np.maximum(v, w) ** 2
minimum | np.minimum(v, w) ** 2
fmax | np.fmax(q, v) ** 2
fmin | np.fmin(q, v) ** 2
greater | np.greater(v, w) | truth values
greater_equal | np.greater_equal(v, w) | truth values
less | np.less(v, w) | truth values
less_equal | np.less_equal(v, w) | truth values
equal | np.equal(v, w) | truth values
not_equal | np.not_equal(v, w) | truth values
logical_and | np.logical_and(b, v) | truth values
logical_or | np.logical_or(b, v > 0) | truth values
logical_xor | np.logical_xor(b, v > 0) | truth values
logical_not | np.logical_not(b) | truth values
isnan | np.isnan(q) | truth values
isinf | np.isinf(v / 0) | truth values
isfinite | np.isfinite(q) | truth values
signbit | np.signbit(v) | truth values
gcd | np.gcd(i, 12) | integers
lcm | np.lcm(i, 4) | integers
bitwise_and | np.bitwise_and(i, 3) | integers
bitwise_or | np.bitwise_or(i, 3) | integers
bitwise_xor | np.bitwise_xor(i, 3) | integers
bitwise_not | np.bitwise_not(i) | integers
bitwise_invert | np.bitwise_invert(i) | integers
invert | np.invert(i) | integers
bitwise_count | np.bitwise_count(i) | integers
left_shift | np.left_shift(l, 2) | integers
right_shift | np.right_shift(l, 1) | integers
bitwise_left_shift | np.bitwise_left_shift(l, 2) | integers
bitwise_right_shift | np.bitwise_right_shift(l, 1) | integers
sinc | np.sinc(v)
i0 | np.i0(v)
real | np.real(c * c)
imag | np.imag(c * c)
angle | np.angle(c)
real_if_close | np.real_if_close(v) * v
clip | np.clip(v, -0.5, 0.5) ** 2
nan_to_num | np.nan_to_num(q) ** 2
round | np.round(v) * v
around | np.around(v, 1) * v
fix | np.fix(v) * v
unwrap | np.unwrap(np.cumsum(v) * 2) ** 2
ufunc.outer | np.multiply.outer(v, w)
ufunc.reduce | np.multiply.reduce(u)
ufunc.reduceat | np.multiply.reduceat(u, [0, 4, 3, 8])
ufunc.accumulate | np.multiply.accumulate(u)
"""

REDUCE = """
sum | np.sum(m * m, axis=0)
prod | np.prod(u)
mean | np.mean(m * m, axis=1)
std | np.std(m, axis=1)
var | np.var(m, axis=0, ddof=1)
max | np.max(m, axis=0) ** 2
min | np.min(m, axis=0) ** 2
amax | np.amax(m) ** 2
amin | np.amin(m) ** 2
ptp | np.ptp(v) ** 2
argmax | np.argmax(m, axis=0) | integers
argmin | np.argmin(m, axis=0) | integers
any | np.any(p, axis=0) | truth values
all | np.all(p, axis=0) | truth values
count_nonzero | np.count_nonzero(p) | integers
cumsum | np.cumsum(v * w)
cumprod | np.cumprod(u)
cumulative_sum | np.cumulative_sum(v * v)
cumulative_prod | np.cumulative_prod(u)
nansum | np.nansum(q) ** 2
nanprod | np.nanprod(q) ** 2
nanmean | np.nanmean(h, axis=0) ** 2
nanstd | np.nanstd(h)
nanvar | np.nanvar(h, axis=0)
nanmax | np.nanmax(q) ** 2
nanmin | np.nanmin(q) ** 2
nanargmax | np.nanargmax(q) | integers
nanargmin | np.nanargmin(q) | integers
nancumsum | np.nancumsum(q) ** 2
nancumprod | np.nancumprod(q) * a
nanmedian | np.nanmedian(q) ** 2
nanpercentile | np.nanpercentile(q, 30) ** 2
nanquantile | np.nanquantile(q, 0.3) ** 2
average | np.average(v, weights=u)
median | np.median(m, axis=0) ** 2
percentile | np.percentile(v, 30) ** 2
quantile | np.quantile(v, 0.2) ** 2
cov | np.cov(m[:3])
corrcoef | np.corrcoef(v, w)
diff | np.diff(v, 2) ** 2
ediff1d | np.ediff1d(v) ** 2
gradient | np.gradient(v, np.cumsum(u))
trapezoid | np.trapezoid(v, np.cumsum(u))
convolve | np.convolve(v, w[:5])
correlate | np.correlate(v, w[:4], "same")
interp | np.interp(u * 5, np.cumsum(u), w)
bincount | np.bincount(l, weights=v * v)
histogram | np.histogram(v, 4, range=(-1, 1), weights=w * w)[0]
histogram2d | np.histogram2d(v, w, [3, 4], range=[[-1, 1], [-1, 1]], weights=w * w)[0]
histogramdd | np.histogramdd(m[:, :3], 2, weights=v[:9] ** 2)[0]
histogram_bin_edges | np.histogram_bin_edges(v, 4) ** 2
digitize | np.digitize(v, np.array([-1.0, 0.0, 1.0])) | integers
searchsorted | np.searchsorted(np.sort(v), w) | integers
"""

PRODUCTS = """
dot | np.dot(m, n)
matmul | np.matmul(m, n)
vdot | np.vdot(c, c).real
inner | np.inner(m, m)
outer | np.outer(v, w)
tensordot | np.tensordot(t, t, axes=([1, 2], [1, 2]))
einsum | np.einsum("ij,jk->ik", m, n)
einsum_path | np.einsum_path("ij,jk->ik", m, n)[0] | a plan, no numbers
kron | np.kron(v, z)
cross | np.cross(m[:, :3], w[:3])
trace | np.trace(m * m)
vecdot | np.vecdot(m, m)
matvec | np.matvec(m, v[:10])
vecmat | np.vecmat(v[:9], m)
linalg.cross | np.linalg.cross(m[:, :3], m[:, 3:6])
linalg.outer | np.linalg.outer(v, w)
linalg.matmul | np.linalg.matmul(m, n)
linalg.tensordot | np.linalg.tensordot(m, n, axes=1)
linalg.trace | np.linalg.trace(z * z)
linalg.diagonal | np.linalg.diagonal(z * z)
linalg.vecdot | np.linalg.vecdot(m, m)
linalg.matrix_transpose | np.linalg.matrix_transpose(m) * a
linalg.multi_dot | np.linalg.multi_dot([m, n, n.T])
linalg.matrix_power | np.linalg.matrix_power(z, 3)
"""

LINALG = """
linalg.inv | np.linalg.inv(z)
linalg.solve | np.linalg.solve(z, m[:3])
linalg.det | np.linalg.det(z)
linalg.slogdet | np.linalg.slogdet(z)[1]
linalg.cholesky | np.linalg.cholesky(s)
linalg.qr | np.linalg.qr(m[:, :4])
linalg.svd | np.abs(np.linalg.svd(m[:3, :4])[2])
linalg.svdvals | np.linalg.svdvals(m[:, :3])
linalg.eig | np.abs(np.linalg.eig(z)[1])
linalg.eigvals | np.abs(np.linalg.eigvals(z))
linalg.eigh | np.linalg.eigh(s)[0]
linalg.eigvalsh | np.linalg.eigvalsh(s)
linalg.lstsq | np.linalg.lstsq(m[:, :4], v[:9])[0]
linalg.pinv | np.linalg.pinv(m[:, :4])
linalg.matrix_rank | np.linalg.matrix_rank(m) | integers
linalg.cond | np.linalg.cond(z)
linalg.norm | np.linalg.norm(m, 2)
linalg.matrix_norm | np.linalg.matrix_norm(m, ord="nuc")
linalg.vector_norm | np.linalg.vector_norm(v, ord=3)
linalg.tensorsolve | np.linalg.tensorsolve(z, v[:3])
linalg.tensorinv | np.linalg.tensorinv(z, ind=1)
"""

SHAPE = """
reshape | np.reshape(m * m, (10, 9))
ravel | np.ravel(m) ** 2
transpose | np.transpose(m) ** 2
permute_dims | np.permute_dims(t, (1, 0, 2)) ** 2
matrix_transpose | np.matrix_transpose(t) ** 2
swapaxes | np.swapaxes(t, 0, 2) ** 2
moveaxis | np.moveaxis(t, 0, -1) ** 2
rollaxis | np.rollaxis(t, 2) ** 2
squeeze | np.squeeze(z[:1]) ** 2
expand_dims | np.expand_dims(v, 0) ** 2
atleast_1d | np.atleast_1d(a) ** 2
atleast_2d | np.atleast_2d(v) ** 2
atleast_3d | np.atleast_3d(v) ** 2
broadcast_to | np.broadcast_to(v, (3, 12)) * a
broadcast_arrays | np.broadcast_arrays(v, m[:, :1])[0] ** 2
broadcast_shapes | np.broadcast_shapes((3, 1), (1, 4)) | a shape
broadcast | np.broadcast(v, m[:, :1]).shape | a shape
ndim | np.ndim(m) | a shape
shape | np.shape(m) | a shape
size | np.size(m) | a shape
flip | np.flip(v) * v
fliplr | np.fliplr(m) * m
flipud | np.flipud(m) * m
rot90 | np.rot90(z) * z
roll | np.roll(v, 2) * v
diagonal | np.diagonal(m * m)
concatenate | np.concatenate([v, w * v])
concat | np.concat([v, w * v])
stack | np.stack([v, w], axis=1) * a
hstack | np.hstack((m, m * m))
vstack | np.vstack((m, m * m))
dstack | np.dstack((m, m * m))
column_stack | np.column_stack((v, w)) * a
unstack | np.unstack(z)[1] ** 2
append | np.append(v, w * v)
block | np.block([[z, z * z], [z, z]])
split | np.split(v * v, 3)[1]
array_split | np.array_split(v * v, 5)[1]
hsplit | np.hsplit(m * m, 2)[1]
vsplit | np.vsplit(m * m, 3)[1]
dsplit | np.dsplit(t[:, :, :4] ** 2, 2)[1]
tile | np.tile(v, (2, 2)) * a
repeat | np.repeat(m, 3, axis=1) ** 2
resize | np.resize(v, (3, 5)) ** 2
pad | np.pad(v, 2, mode="reflect") ** 2
insert | np.insert(v, 2, a) ** 2
delete | np.delete(v, 2) ** 2
trim_zeros | np.trim_zeros(np.maximum(v, 0)) ** 2
astype | np.astype(v, np.float64) ** 2
require | np.require(v) ** 2
apply_along_axis | np.apply_along_axis(lambda r: r * r, 1, m)
apply_over_axes | np.apply_over_axes(np.sum, t * t, [0, 2])
vectorize | np.vectorize(lambda y: y * y if y > 0 else -y)(v)
"""

SELECT = """
where | np.where(b, v * v, w)
select | np.select([v > 1, v > 0], [v, v * v], 9.0)
choose | np.choose(l % 2, [v, w]) ** 2
piecewise | np.piecewise(v, [v < 0], [lambda y: -y * y, lambda y: y * y])
nonzero | np.nonzero(i) | integers
flatnonzero | np.flatnonzero(i) | integers
argwhere | np.argwhere(p) | integers
compress | np.compress(b, v) ** 2
extract | np.extract(b, v) ** 2
take | np.take(v, l) * w
take_along_axis | np.take_along_axis(m, np.argsort(m, axis=1), axis=1) * m
sort | np.sort(v) * w
sort_complex | np.sort_complex(v + 1j * w).imag * u
argsort | np.argsort(v) | integers
lexsort | np.lexsort((v, l)) | integers
partition | np.partition(v, 3)[3] ** 2
argpartition | np.sort(np.argpartition(v, 3)[:4]) | integers
unique | np.unique(l) | integers
unique_counts | np.unique_counts(l) | integers
unique_inverse | np.unique_inverse(l) | integers
unique_all | np.unique_all(l) | integers
isin | np.isin(l, [1, 2, 5]) | truth values
setdiff1d | np.setdiff1d(l, [1, 3]) | integers
setxor1d | np.setxor1d(l, i) | integers
union1d | np.union1d(v, w) ** 2
intersect1d | np.intersect1d(l, i) | integers
isclose | np.isclose(v, w) | truth values
allclose | np.allclose(v, w) | truth values
array_equal | np.array_equal(v, w) | truth values
array_equiv | np.array_equiv(v, w) | truth values
iscomplex | np.iscomplex(c) | truth values
isreal | np.isreal(c) | truth values
iscomplexobj | np.iscomplexobj(c) | truth values
isrealobj | np.isrealobj(v) | truth values
iterable | np.iterable(v) | truth values
isscalar | np.isscalar(a) | truth values
isposinf | np.isposinf(v) | truth values
isneginf | np.isneginf(v) | truth values
result_type | np.result_type(v, f) | a dtype
promote_types | np.promote_types(np.float32, np.int64) | a dtype
common_type | np.common_type(v, f) | a dtype
can_cast | np.can_cast(np.float32, np.float64) | truth values
issubdtype | np.issubdtype(v.dtype, np.floating) | truth values
isdtype | np.isdtype(v.dtype, "real floating") | truth values
min_scalar_type | np.min_scalar_type(7) | a dtype
finfo | np.finfo(v.dtype).eps | constant
iinfo | np.iinfo(l.dtype).max | constant
unravel_index | np.unravel_index(l, (3, 4)) | integers
ravel_multi_index | np.ravel_multi_index((l % 3, l % 4), (3, 4)) | integers
lib.stride_tricks.sliding_window_view | np.lib.stride_tricks.sliding_window_view(m, (2, 3)) ** 2
ndindex | sum(m[k] for k in np.ndindex(2, 3)) ** 2
ndenumerate | sum(y * y for _, y in np.ndenumerate(z))
"""

POLYNOMIALS = """
poly | np.poly(v[:3])
polyval | np.polyval([1.0, a, 2.0], v)
polyfit | np.polyfit(np.cumsum(u), w, 2)
polyder | np.polyder(v[:4]) * a
polyint | np.polyint(v[:4], 2, [a, 1.0]) * a
polymul | np.polymul(v[:4], w[:3])
polyadd | np.polyadd(v[:3], w[:4]) ** 2
polysub | np.polysub(v[:3], w[:4]) ** 2
polydiv | np.polydiv(v[:4], u[:2])[0]
roots | np.abs(np.roots(v[:4]))
poly1d | np.poly1d(v[:4])(a)
polynomial.polynomial.polyval | np.polynomial.polynomial.polyval(v, w[:4])
polynomial.polynomial.polyder | np.polynomial.polynomial.polyder(v[:4]) ** 2
polynomial.polynomial.polyint | np.polynomial.polynomial.polyint(v[:4]) ** 2
polynomial.polynomial.polyadd | np.polynomial.polynomial.polyadd(v[:4], w[:3]) ** 2
polynomial.polynomial.polymul | np.polynomial.polynomial.polymul(v[:4], w[:3])
polynomial.chebyshev.chebval | np.polynomial.chebyshev.chebval(v, w[:4])
polynomial.chebyshev.chebder | np.polynomial.chebyshev.chebder(v[:4]) ** 2
polynomial.chebyshev.chebint | np.polynomial.chebyshev.chebint(v[:4]) ** 2
polynomial.chebyshev.chebvander | np.polynomial.chebyshev.chebvander(v, 3)
polynomial.legendre.legval | np.polynomial.legendre.legval(v, w[:4])
polynomial.legendre.legder | np.polynomial.legendre.legder(v[:4]) ** 2
polynomial.legendre.legint | np.polynomial.legendre.legint(v[:4]) ** 2
polynomial.legendre.legvander | np.polynomial.legendre.legvander(v, 3)
polynomial.hermite.hermval | np.polynomial.hermite.hermval(v, w[:4])
polynomial.hermite.hermder | np.polynomial.hermite.hermder(v[:4]) ** 2
polynomial.hermite.hermint | np.polynomial.hermite.hermint(v[:4]) ** 2
polynomial.hermite.hermvander | np.polynomial.hermite.hermvander(v, 3)
polynomial.hermite_e.hermeval | np.polynomial.hermite_e.hermeval(v, w[:4])
polynomial.hermite_e.hermeder | np.polynomial.hermite_e.hermeder(v[:4]) ** 2
polynomial.hermite_e.hermeint | np.polynomial.hermite_e.hermeint(v[:4]) ** 2
polynomial.hermite_e.hermevander | np.polynomial.hermite_e.hermevander(v, 3)
polynomial.laguerre.lagval | np.polynomial.laguerre.lagval(v, w[:4])
polynomial.laguerre.lagder | np.polynomial.laguerre.lagder(v[:4]) ** 2
polynomial.laguerre.lagint | np.polynomial.laguerre.lagint(v[:4]) ** 2
polynomial.laguerre.lagvander | np.polynomial.laguerre.lagvander(v, 3)
polynomial.polynomial.polyfit | np.polynomial.polynomial.polyfit(np.cumsum(u), w, 2)
"""

FOURIER = """
fft.fft | np.abs(np.fft.fft(v)) ** 2
fft.ifft | np.abs(np.fft.ifft(c)) ** 2
fft.rfft | np.abs(np.fft.rfft(v)) ** 2
fft.irfft | np.fft.irfft(c) ** 2
fft.fft2 | np.abs(np.fft.fft2(m)) ** 2
fft.ifft2 | np.abs(np.fft.ifft2(d)) ** 2
fft.rfft2 | np.abs(np.fft.rfft2(m)) ** 2
fft.irfft2 | np.fft.irfft2(d) ** 2
fft.fftn | np.abs(np.fft.fftn(t)) ** 2
fft.ifftn | np.abs(np.fft.ifftn(t)) ** 2
fft.rfftn | np.abs(np.fft.rfftn(t)) ** 2
fft.irfftn | np.fft.irfftn(d) ** 2
fft.hfft | np.fft.hfft(c) ** 2
fft.ihfft | np.abs(np.fft.ihfft(v)) ** 2
fft.fftfreq | np.fft.fftfreq(10, 0.5) | constant
fft.rfftfreq | np.fft.rfftfreq(10, 0.5) | constant
fft.fftshift | np.fft.fftshift(v) ** 2
fft.ifftshift | np.fft.ifftshift(v) ** 2
"""

METHODS = """
ndarray.T | m.T ** 2
ndarray.mT | m.mT ** 2
ndarray.real | c.real ** 2
ndarray.imag | c.imag ** 2
ndarray.flat | m.flat[13] ** 2
ndarray.shape | m.shape | a shape
ndarray.size | m.size | a shape
ndarray.ndim | m.ndim | a shape
ndarray.dtype | m.dtype | a dtype
ndarray.itemsize | m.itemsize | constant
ndarray.nbytes | m.nbytes | constant
ndarray.all | p.all() | truth values
ndarray.any | p.any() | truth values
ndarray.argmax | v.argmax() | integers
ndarray.argmin | v.argmin() | integers
ndarray.argsort | v.argsort() | integers
ndarray.argpartition | np.sort(v.argpartition(3)[:4]) | integers
ndarray.choose | (l % 2).choose([v, w]) ** 2
ndarray.astype | v.astype(complex).real ** 2
ndarray.clip | v.clip(-0.5, 0.5) ** 2
ndarray.compress | v.compress(b) ** 2
ndarray.conj | (c.conj() * c).real
ndarray.conjugate | (c.conjugate() * c).real
ndarray.copy | m.copy() ** 2
ndarray.cumprod | u.cumprod()
ndarray.cumsum | v.cumsum() ** 2
ndarray.diagonal | m.diagonal() ** 2
ndarray.dot | m.dot(n)
ndarray.flatten | m.flatten() ** 2
ndarray.item | m.item(2, 3) ** 2
ndarray.max | m.max(axis=0) ** 2
ndarray.mean | m.mean(axis=0) ** 2
ndarray.min | m.min(axis=0) ** 2
ndarray.nonzero | i.nonzero() | integers
ndarray.prod | u.prod()
ndarray.ravel | m.ravel() ** 2
ndarray.repeat | m.repeat(2, 1) ** 2
ndarray.reshape | m.reshape(-1, 3) ** 2
ndarray.round | v.round(1) * v
ndarray.searchsorted | np.sort(v).searchsorted(w) | integers
ndarray.squeeze | z[:1].squeeze() ** 2
ndarray.std | m.std(axis=0)
ndarray.sum | (m * m).sum(axis=0)
ndarray.swapaxes | t.swapaxes(0, 2) ** 2
ndarray.take | v.take([3, 1]) ** 2
ndarray.tolist | z.tolist()[1][2] ** 2
ndarray.trace | (m * m).trace()
ndarray.transpose | t.transpose(2, 0, 1) ** 2
ndarray.var | m.var(axis=0)
ndarray.view | v.view() ** 2
"""

IN_PLACE = """
copyto | np.copyto(y, v * v)
put | np.put(y, [1, 3], [a, x])
place | np.place(y, b, v[:2])
putmask | np.putmask(y, b, v * v)
put_along_axis | np.put_along_axis(y, np.array([1, 3]), a, 0)
fill_diagonal | np.fill_diagonal(r, a)
ufunc.at | np.add.at(y, l, v * v)
ndarray.fill | y.fill(a)
ndarray.put | y.put([1, 3, 5], [a, x])
ndarray.sort | y.sort()
ndarray.partition | y.partition(2)
"""

UNSUPPORTED = """
lib.stride_tricks.as_strided | it looks at memory by its bytes: use sliding_window_view or broadcast_to
scipy.integrate.odeint | a library of Fortran: call scipy.integrate.solve_ivp
scipy.optimize.fmin_powell scipy.optimize.fmin_slsqp scipy.optimize.fmin_tnc | call scipy.optimize.minimize
packbits unpackbits | bits of integers
unique_values | its order is left open
fromiter frompyfunc nditer nested_iters flatiter | iteration over Python objects
may_share_memory shares_memory | memory is not part of what a program means
isfortran ndarray.flags ndarray.strides | neither is its order
ndarray.resize ndarray.setflags ndarray.getfield ndarray.setfield ndarray.byteswap | memory reinterpreted in place
"""

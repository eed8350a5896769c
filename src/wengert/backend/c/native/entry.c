/* From Python and back: one builtin function of one argument, the tuple of leaves. */

/* What Python hands over once: callables and types of its own. */
enum { WG_RAISE, WG_EMPTY, WG_ZEROS, WG_RECYCLED, WG_FFT, WG_COMPLEX_TYPE, WG_DTYPES, WG_SCALAR_TYPES, WG_HOOK_COUNT };
static PyObject *wg_hooks[WG_HOOK_COUNT];
static PyObject *wg_dtypes[13], *wg_scalar_types[13];
static const int64_t wg_sizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 8, 16};
static const char *const wg_dtype_names[] = {"bool",   "int8",   "int16",  "int32",   "int64",   "uint8",     "uint16",
                                             "uint32", "uint64", "float32", "float64", "complex64", "complex128"};

/* The entry's part of a context. */
typedef struct {
    Py_buffer *leaf;   /* by leaf; obj is NULL where no buffer is held */
    wg_value *value;   /* by parameter */
    wg_result *result; /* by result, and so the next two */
    PyObject **array;
    Py_buffer *view;
} wg_scratch;

static wg_scratch *wg_new_scratch(void) {
    const wg_program *p = &wg_the_program;
    wg_scratch *s = calloc(1, sizeof(wg_scratch));
    if (!s) return NULL;
    s->leaf = calloc((size_t)p->leaves + 1, sizeof(Py_buffer));
    s->value = calloc((size_t)p->params + 1, sizeof(wg_value));
    s->result = calloc((size_t)p->results + 1, sizeof(wg_result));
    s->array = calloc((size_t)p->results + 1, sizeof(PyObject *));
    s->view = calloc((size_t)p->results + 1, sizeof(Py_buffer));
    return s->leaf && s->value && s->result && s->array && s->view ? s : NULL;
}

/* -- arguments --------------------------------------------------------------------------------------------------- */

static bool wg_is_dtype(const Py_buffer *view, int dtype) {
    const char *f = view->format ? view->format : "B";
    if (view->itemsize != wg_sizes[dtype]) return false;
    switch (dtype) {
    case WG_BOOL: return !strcmp(f, "?");
    case WG_I8: case WG_I16: case WG_I32: case WG_I64: return f[0] && strchr("bhilq", f[0]) && !f[1];
    case WG_U8: case WG_U16: case WG_U32: case WG_U64: return f[0] && strchr("BHILQ", f[0]) && !f[1];
    case WG_F32: return !strcmp(f, "f");
    case WG_F64: return !strcmp(f, "d");
    case WG_C64: return !strcmp(f, "Zf");
    default: return !strcmp(f, "Zd");
    }
}

static int wg_take_array(const wg_param *p, PyObject *leaf, Py_buffer *view) {
    if (!view->obj) {
        const int flags = PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (p->written ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(leaf, view, flags)) {
            PyErr_Clear();
            view->obj = NULL;
            PyErr_Format(PyExc_TypeError, "%s: a C-contiguous%s array of %s is needed", p->name,
                         p->written ? ", writable" : "", wg_dtype_names[p->dtype]);
            return 1;
        }
    }
    const uintptr_t alignment = (uintptr_t)(wg_sizes[p->dtype] > 8 ? 8 : wg_sizes[p->dtype]);
    if (view->ndim != p->rank || !wg_is_dtype(view, p->dtype) || (uintptr_t)view->buf % alignment) {
        PyErr_Format(PyExc_TypeError, "%s: an aligned array of %s and rank %d is needed, not of format %s and rank %d",
                     p->name, wg_dtype_names[p->dtype], (int)p->rank, view->format ? view->format : "B", view->ndim);
        return 1;
    }
    return 0;
}

static int wg_take_extent(const wg_param *p, PyObject *leaf, Py_buffer *view, int64_t *extent) {
    if (!view->obj && PyObject_GetBuffer(leaf, view, PyBUF_STRIDES | PyBUF_FORMAT)) {
        view->obj = NULL;
        return 1;
    }
    if (p->axis >= view->ndim) {
        PyErr_Format(PyExc_TypeError, "%s: an array of rank above %d is needed", p->name, (int)p->axis);
        return 1;
    }
    *extent = view->shape[p->axis];
    return 0;
}

static int wg_take_integer(const wg_param *p, PyObject *leaf, wg_number *to) {
    const bool is_signed = p->dtype <= WG_I64;
    PyObject *index = PyNumber_Index(leaf);
    if (!index) return 1;
    const int bits = (int)(8 * wg_sizes[p->dtype]);
    bool fits;
    long long i = 0;
    unsigned long long u = 0;
    if (is_signed) {
        i = PyLong_AsLongLong(index);
        fits = bits == 64 || (i >= -(1LL << (bits - 1)) && i < 1LL << (bits - 1));
    } else {
        u = PyLong_AsUnsignedLongLong(index);
        fits = bits == 64 || u >> bits == 0;
    }
    Py_DecRef(index);
    if ((i == -1 || u == (unsigned long long)-1) && PyErr_Occurred()) return 1;
    if (!fits) {
        PyErr_Format(PyExc_OverflowError, "%s: the integer does not fit in %s", p->name, wg_dtype_names[p->dtype]);
        return 1;
    }
    switch (p->dtype) {
    case WG_I8: to->i8 = (int8_t)i; break;
    case WG_I16: to->i16 = (int16_t)i; break;
    case WG_I32: to->i32 = (int32_t)i; break;
    case WG_I64: to->i64 = i; break;
    case WG_U8: to->u8 = (uint8_t)u; break;
    case WG_U16: to->u16 = (uint16_t)u; break;
    case WG_U32: to->u32 = (uint32_t)u; break;
    default: to->u64 = u; break;
    }
    return 0;
}

static int wg_take_scalar(const wg_param *p, PyObject *leaf, wg_number *to) {
    switch (p->dtype) {
    case WG_BOOL: {
        const int truth = PyObject_IsTrue(leaf);
        to->truth = truth > 0;
        return truth < 0;
    }
    case WG_F32:
    case WG_F64: {
        const double x = PyFloat_AsDouble(leaf);
        if (x == -1 && PyErr_Occurred()) return 1;
        if (p->dtype == WG_F64) to->f64 = x;
        else to->f32 = (float)x;
        return 0;
    }
    case WG_C64:
    case WG_C128: {
        PyObject *z = PyObject_CallFunctionObjArgs(wg_hooks[WG_COMPLEX_TYPE], leaf, NULL);
        if (!z) return 1;
        const double re = PyComplex_RealAsDouble(z), im = PyComplex_ImagAsDouble(z);
        Py_DecRef(z);
        if (p->dtype == WG_C128) to->c128 = wg_complex_f64(re, im);
        else to->c64 = wg_complex_f32(re, im);
        return 0;
    }
    default: return wg_take_integer(p, leaf, to);
    }
}

static int wg_take_arguments(wg_scratch *s, PyObject *leaves) {
    const wg_program *program = &wg_the_program;
    for (int32_t k = 0; k < program->params; k++) {
        const wg_param *p = &program->param[k];
        PyObject *leaf = PyTuple_GetItem(leaves, p->leaf);
        if (!leaf) return 1;
        switch (p->from) {
        case WG_FROM_ARRAY:
            if (wg_take_array(p, leaf, &s->leaf[p->leaf])) return 1;
            s->value[k].data = s->leaf[p->leaf].buf;
            s->value[k].extent = s->leaf[p->leaf].shape;
            break;
        case WG_FROM_EXTENT:
            if (wg_take_extent(p, leaf, &s->leaf[p->leaf], &s->value[k].as.i64)) return 1;
            break;
        default:
            if (wg_take_scalar(p, leaf, &s->value[k].as)) return 1;
            s->value[k].data = &s->value[k].as;
        }
    }
    const int wrong = program->mismatch(s->value);
    if (wrong >= 0) {
        PyErr_Format(PyExc_ValueError, "%s: the extents are not those that the program was compiled for",
                     program->param[wrong].name);
        return 1;
    }
    return 0;
}

/* -- results ----------------------------------------------------------------------------------------------------- */

#define WG_LARGE_RESULT ((int64_t)256 << 10)

/* A new array, and its memory in *view; a large one in memory that an earlier one had. */
static PyObject *wg_new_array(bool zero, int dtype, int rank, const int64_t *extent, Py_buffer *view) {
    PyObject *shape;
    int64_t bytes = wg_sizes[dtype];
    for (int k = 0; k < rank; k++) bytes = wg_times(bytes, extent[k]);
    if (rank == 1) {
        shape = PyLong_FromLongLong(extent[0]);
    } else {
        shape = PyTuple_New(rank);
        for (int k = 0; shape && k < rank; k++) {
            PyObject *n = PyLong_FromLongLong(extent[k]);
            if (!n) {
                Py_DecRef(shape);
                return NULL;
            }
            PyTuple_SetItem(shape, k, n);
        }
    }
    if (!shape) return NULL;
    PyObject *const maker = wg_hooks[bytes >= WG_LARGE_RESULT ? WG_RECYCLED : zero ? WG_ZEROS : WG_EMPTY];
    PyObject *zeroed = bytes >= WG_LARGE_RESULT ? PyBool_FromLong(zero) : NULL; /* NULL ends the arguments */
    PyObject *array = PyObject_CallFunctionObjArgs(maker, shape, wg_dtypes[dtype], zeroed, NULL);
    if (zeroed) Py_DecRef(zeroed);
    Py_DecRef(shape);
    if (array && PyObject_GetBuffer(array, view, PyBUF_WRITABLE)) {
        Py_DecRef(array);
        return NULL;
    }
    return array;
}

/* Make the arrays of results whose extents are known. Where that fails the program goes on without: it may have another
   error first. */
static void wg_make_ready(wg_scratch *s) {
    const wg_program *program = &wg_the_program;
    if (program->foresee) program->foresee(s->value, s->result);
    for (int32_t k = 0; k < program->results; k++) {
        const wg_returned *r = &program->returned[k];
        wg_result *result = &s->result[k];
        result->ready = NULL;
        if (!r->known) continue;
        int64_t count = 1;
        for (int d = 0; d < r->rank; d++) count = wg_times(count, result->extent[d]);
        if (count > ((int64_t)1 << 60) / wg_sizes[r->dtype]) continue;
        s->array[k] = wg_new_array(r->zero, r->dtype, r->rank, result->extent, &s->view[k]);
        if (!s->array[k]) {
            PyErr_Clear();
            continue;
        }
        result->ready = s->view[k].buf;
        result->ready_bytes = count * wg_sizes[r->dtype];
    }
}

/* Copy a strided array to contiguous memory; returns the end of that. */
static char *wg_gather(char *to, const char *from, int rank, const int64_t *extent, const int64_t *stride,
                       int64_t size) {
    if (rank == 0) {
        memcpy(to, from, (size_t)size);
        return to + size;
    }
    if (rank == 1 && stride[0] == 1) {
        if (extent[0] > 0) memcpy(to, from, (size_t)(extent[0] * size));
        return to + extent[0] * size;
    }
    for (int64_t i = 0; i < extent[0]; i++)
        to = wg_gather(to, from + i * stride[0] * size, rank - 1, extent + 1, stride + 1, size);
    return to;
}

static PyObject *wg_python_number(int dtype, const wg_number *n) {
    switch (dtype) {
    case WG_BOOL: return PyBool_FromLong(n->truth);
    case WG_I8: return PyLong_FromLongLong(n->i8);
    case WG_I16: return PyLong_FromLongLong(n->i16);
    case WG_I32: return PyLong_FromLongLong(n->i32);
    case WG_I64: return PyLong_FromLongLong(n->i64);
    case WG_U8: return PyLong_FromLongLong(n->u8);
    case WG_U16: return PyLong_FromLongLong(n->u16);
    case WG_U32: return PyLong_FromLongLong(n->u32);
    case WG_U64: return PyLong_FromUnsignedLongLong(n->u64);
    case WG_F32: return PyFloat_FromDouble((double)n->f32);
    case WG_F64: return PyFloat_FromDouble(n->f64);
    case WG_C64: return PyComplex_FromDoubles((double)crealf(n->c64), (double)cimagf(n->c64));
    default: return PyComplex_FromDoubles(creal(n->c128), cimag(n->c128));
    }
}

static PyObject *wg_scalar_result(int dtype, const wg_number *n) {
    PyObject *number = wg_python_number(dtype, n);
    if (!number) return NULL;
    PyObject *scalar = PyObject_CallFunctionObjArgs(wg_scalar_types[dtype], number, NULL);
    Py_DecRef(number);
    return scalar;
}

/* A new reference to the k-th result. */
static PyObject *wg_take_result(wg *context, int32_t k, PyObject *leaves) {
    wg_scratch *s = context->scratch;
    const wg_returned *r = &wg_the_program.returned[k];
    wg_result *result = &s->result[k];
    if (r->leaf >= 0) {
        PyObject *leaf = PyTuple_GetItem(leaves, r->leaf);
        if (leaf) Py_IncRef(leaf);
        return leaf;
    }
    if (r->rank == 0) return wg_scalar_result(r->dtype, &result->value);
    if (!s->array[k] || result->data != result->ready) {
        if (s->array[k]) {
            PyBuffer_Release(&s->view[k]);
            Py_DecRef(s->array[k]);
        }
        s->array[k] = wg_new_array(false, r->dtype, r->rank, result->extent, &s->view[k]);
        if (!s->array[k]) return NULL;
        int64_t bytes = wg_sizes[r->dtype];
        for (int d = 0; d < r->rank; d++) bytes = wg_times(bytes, result->extent[d]);
        wg_count(context, bytes);
        wg_gather(s->view[k].buf, result->data, r->rank, result->extent, result->stride, wg_sizes[r->dtype]);
    }
    PyBuffer_Release(&s->view[k]);
    PyObject *array = s->array[k];
    s->array[k] = NULL;
    return array;
}

static PyObject *wg_take_results(wg *context, PyObject *leaves) {
    const int32_t count = wg_the_program.results;
    PyObject *results = PyTuple_New(count);
    for (int32_t k = 0; results && k < count; k++) {
        PyObject *result = wg_take_result(context, k, leaves);
        if (!result) {
            Py_DecRef(results);
            return NULL;
        }
        PyTuple_SetItem(results, k, result);
    }
    return results;
}

/* -- errors -------------------------------------------------------------------------------------------------------- */

/* Let Python's hook raise what was recorded. */
static void wg_raise(const wg *context) {
    PyObject *shown = PyTuple_New(context->shown_count);
    if (!shown) return;
    for (int k = 0; k < context->shown_count; k++) {
        const wg_shown *x = &context->shown[k];
        PyObject *number = x->kind == 'b'   ? PyBool_FromLong(x->integer != 0)
                           : x->kind == 'i' ? PyLong_FromLongLong(x->integer)
                           : x->kind == 'u' ? PyLong_FromUnsignedLongLong((unsigned long long)x->integer)
                           : x->kind == 'f' ? PyFloat_FromDouble(x->real)
                                            : PyComplex_FromDoubles(x->real, x->imaginary);
        if (!number) {
            Py_DecRef(shown);
            return;
        }
        PyTuple_SetItem(shown, k, number);
    }
    const wg_site *site = context->site;
    PyObject *const raise = wg_hooks[WG_RAISE];
    PyObject *done = site ? PyObject_CallFunction(raise, "ssO(siiiss)", context->exception, context->message, shown,
                                                  site->file, site->line, site->column, site->end_column,
                                                  site->function, site->text)
                          : PyObject_CallFunction(raise, "ssO()", context->exception, context->message, shown);
    Py_DecRef(shown);
    if (done) {
        Py_DecRef(done);
        PyErr_SetString(PyExc_RuntimeError, context->message);
    }
}

/* -- the entry --------------------------------------------------------------------------------------------------- */

static void wg_let_go(wg_scratch *s) {
    for (int32_t k = 0; k < wg_the_program.leaves; k++) {
        if (s->leaf[k].obj) PyBuffer_Release(&s->leaf[k]);
        s->leaf[k].obj = NULL;
    }
    for (int32_t k = 0; k < wg_the_program.results; k++) {
        if (!s->array[k]) continue;
        PyBuffer_Release(&s->view[k]);
        Py_DecRef(s->array[k]);
        s->array[k] = NULL;
    }
}

static PyObject *wg_entry(PyObject *self, PyObject *leaves) {
    (void)self;
    const Py_ssize_t count = PyTuple_Size(leaves);
    if (count < 0) return NULL;
    if (count != wg_the_program.leaves) {
        PyErr_Format(PyExc_TypeError, "%d leaves are needed, not %zd", (int)wg_the_program.leaves, count);
        return NULL;
    }
    wg *context = wg_enter();
    if (context && !context->scratch) context->scratch = wg_new_scratch();
    if (!context || !context->scratch) {
        PyErr_SetString(PyExc_MemoryError, "cannot make a run-time context");
        return NULL;
    }
    wg_scratch *s = context->scratch;
    PyObject *results = NULL;
    if (!wg_take_arguments(s, leaves)) {
        wg_make_ready(s);
        context->thread_state = PyEval_SaveThread();
        const int failed = wg_the_program.run(context, s->value, s->result);
        PyEval_RestoreThread(context->thread_state);
        if (!failed) results = wg_take_results(context, leaves);
        else if (context->exception) wg_raise(context);
    }
    wg_let_go(s);
    wg_leave(context);
    return results;
}

/* Fast Fourier transforms are NumPy's. */
static int wg_fft(wg *wg, wg_vector y, wg_vector x, bool inverse, int dtype) {
    const int64_t n = x.n, size = wg_sizes[dtype];
    char *const data = wg_alloc(wg, wg_times(2 * n, size), false);
    if (!data) return 1;
    wg_gather(data, x.data, 1, &n, &x.s, size);
    PyEval_RestoreThread(wg->thread_state);
    PyObject *flag = PyBool_FromLong(inverse);
    PyObject *memory = PyMemoryView_FromMemory(data, (Py_ssize_t)(2 * n * size), PyBUF_WRITE);
    PyObject *done =
        memory ? PyObject_CallFunctionObjArgs(wg_hooks[WG_FFT], memory, wg_dtypes[dtype], flag, NULL) : NULL;
    Py_DecRef(flag);
    if (memory) Py_DecRef(memory);
    if (done) Py_DecRef(done);
    wg->thread_state = PyEval_SaveThread();
    if (!done) return 1;
    for (int64_t i = 0; i < n; i++) memcpy((char *)y.data + i * y.s * size, data + (n + i) * size, (size_t)size);
    wg_free(wg, wg_block_of(data));
    return 0;
}

int wg_fft_c64(wg *wg, wg_vector y, wg_vector x, bool inverse) { return wg_fft(wg, y, x, inverse, WG_C64); }
int wg_fft_c128(wg *wg, wg_vector y, wg_vector x, bool inverse) { return wg_fft(wg, y, x, inverse, WG_C128); }

/* -- what Python finds in the library ----------------------------------------------------------------------------- */

/* Hand over the hooks, a tuple in the order of the enumeration. */
WG_EXPORT int wg_install(PyObject *hooks) {
    for (int k = 0; k < WG_HOOK_COUNT; k++) {
        PyObject *hook = PyTuple_GetItem(hooks, k);
        if (!hook) return -1;
        Py_IncRef(hook);
        if (wg_hooks[k]) Py_DecRef(wg_hooks[k]);
        wg_hooks[k] = hook;
    }
    for (int k = 0; k < 13; k++) {
        wg_dtypes[k] = PyTuple_GetItem(wg_hooks[WG_DTYPES], k);
        wg_scalar_types[k] = PyTuple_GetItem(wg_hooks[WG_SCALAR_TYPES], k);
        if (!wg_dtypes[k] || !wg_scalar_types[k]) return -1;
    }
    return 0;
}

/* The names of the routines that the program needs, or NULL; and a place in its table of addresses. */
WG_EXPORT const char *wg_wanted_routines(void) { return wg_the_program.routines; }
WG_EXPORT void wg_set_routine(int index, void *address) { wg_the_program.routine[index] = address; }
WG_EXPORT const char *wg_wanted_specials(void) { return wg_the_program.specials; }
WG_EXPORT void wg_set_special(int index, void *address) { wg_the_program.special[index] = address; }

WG_EXPORT void wg_configure(int64_t memory_limit, int64_t depth_limit, unsigned long main_thread, int alone) {
    wg_limit = memory_limit;
    wg_depth_limit = depth_limit;
    wg_main_thread = main_thread;
    wg_alone = alone;
}

/* For the next call in this thread: fail rather than allocate more than so many bytes at a time. */
WG_EXPORT void wg_limit_next(int64_t limit) { wg_next_limit = limit > 0 ? limit : 1; }

/* For the next call in this thread: tapes may have so many bytes on disk, in a directory whose name is there until the
   call ends. */
WG_EXPORT void wg_disk_next(const char *directory, int64_t bytes) {
    wg_next_directory = directory;
    wg_next_disk = bytes;
}

/* The bytes that tapes had on disk in the latest call in this thread. */
WG_EXPORT int64_t wg_own_disk(void) { return wg_disk_here; }

/* The turns of a loop that is counted, in the latest call in this thread. */
WG_EXPORT int64_t wg_own_turns(int loop) { return wg_turns_here[loop]; }

/* The peak of the latest call in this thread. */
WG_EXPORT int64_t wg_own_peak(void) { return wg_peak_here; }

/* Peak bytes of the latest call and of all calls, bytes cached in idle contexts, calls. */
WG_EXPORT void wg_stats(int64_t *out) {
    out[0] = wg_last_peak;
    out[1] = wg_most_peak;
    out[2] = 0;
    for (wg *context = wg_idle; context; context = context->next) out[2] += context->cached;
    out[3] = wg_calls;
}

/* The builtin function itself. */
WG_EXPORT PyObject *wg_function(void) {
    static PyMethodDef definition = {"kernel", wg_entry, METH_O, "A compiled program: leaves -> results."};
    return PyCFunction_NewEx(&definition, NULL, NULL);
}

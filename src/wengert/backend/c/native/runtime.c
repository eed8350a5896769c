/* The run-time library: compiled once per compiler, linked into every program. */
#define _POSIX_C_SOURCE 200112L

#include "wengert.h"

#include "python.h"

#include "arena.c"
#include "special.c"
#include "sort.c"
#include "linear_algebra.c"
#include "entry.c"

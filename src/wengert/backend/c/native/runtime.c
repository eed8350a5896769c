/* The part of the run-time library that every program needs: compiled once per compiler, linked into each. */
#define _POSIX_C_SOURCE 200112L

#include "wengert.h"

#include "python.h"

#include "arena.c"
#include "special.c"
#include "entry.c"

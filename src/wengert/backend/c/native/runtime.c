/* The part of the run-time library that every program needs: compiled once per compiler, linked into each. */
#define _GNU_SOURCE /* pthread_getattr_np */

#include "wengert.h"

#include "python.h"

#include "disk.c"

#include "arena.c"
#include "special.c"
#include "entry.c"

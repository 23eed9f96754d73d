# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The runtime of the compiled engine: guest memory, TLB, block cache, run loop. No instruction's meaning is here."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memmove, memset
from cext.v128 cimport V128, i64, u64

import importlib

include "inline.pxi"
include "generated/inline.pxi"
include "generated/twins.pxi"
include "generated/inline_packed.pxi"
include "generated/shared.pxi"
include "memory.pxi"
include "blocks.pxi"
include "loop.pxi"


cdef u64 *table_of(tuple values) except NULL:
    """A constant tuple of a shared text as a C array."""
    cdef u64 *table = <u64*>malloc(len(values) * sizeof(u64))
    cdef size_t n
    if table == NULL:
        raise MemoryError
    for n in range(len(values)):
        table[n] = <u64>values[n]
    return table


include "engine.pxi"

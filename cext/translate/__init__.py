"""Makes Cython of the instruction texts (`emu/isa`) and the shared texts (`emu/cpu`), at build time.

`python -m cext.translate` writes `cext/generated/`; `docs/semantics.md` describes the language translated.
"""

"""Imports every instruction family, in the order their encodings are numbered."""

import importlib

FAMILIES = ("arithmetic", "moves", "stack", "control", "shifts", "bits", "multiply", "strings",
            "flagops", "system", "ports", "svm", "segments", "x87_move", "x87_arithmetic", "x87_compare", "x87_control",
            "x87_transcendental", "mmx", "mmx_move", "sse_move", "sse_integer", "sse_float",
            "sse_convert", "fxsave")

for _name in FAMILIES:
    try:
        importlib.import_module(f"emu.isa.{_name}")
    except ModuleNotFoundError as _error:
        if _error.name != f"emu.isa.{_name}":
            raise

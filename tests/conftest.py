"""Fixtures that the whole suite shares."""

from __future__ import annotations

import importlib.util

import pytest

from emu.engines.python import PythonEngine


def _engines():
    """The engines by name. Not built, the compiled one is absent; built but broken, it is an error here
    rather than a suite that passes without it."""
    found = {"python": PythonEngine}
    if importlib.util.find_spec("cext.core") is not None:
        from emu.engines.compiled import CompiledEngine
        found["compiled"] = CompiledEngine
    return found


ENGINES = _engines()


@pytest.fixture(params=list(ENGINES))
def engine_class(request):
    """Each engine that exists here."""
    return ENGINES[request.param]

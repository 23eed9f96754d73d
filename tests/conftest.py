"""Fixtures that the whole suite shares."""

from __future__ import annotations

import pytest

from emu.engines.python import PythonEngine


def _engines():
    found = {"python": PythonEngine}
    try:
        from emu.engines.compiled import CompiledEngine
        found["compiled"] = CompiledEngine
    except ImportError:
        pass                # not built: the Python engine alone is tested
    return found


ENGINES = _engines()


@pytest.fixture(params=list(ENGINES))
def engine_class(request):
    """Each engine that exists here."""
    return ENGINES[request.param]

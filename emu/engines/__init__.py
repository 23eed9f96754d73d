"""Who executes instructions: the engines by name."""

from __future__ import annotations

from emu.errors import ConfigurationError

NAMES = ("compiled", "python")


def available() -> list[str]:
    """Names of the engines that work here, the faster first."""
    try:
        import emu.engines.compiled  # noqa: F401
    except ImportError:
        return ["python"]
    return list(NAMES)


def create(name, memory, bus, seed=0):
    """An engine: "compiled", "python", or None for the fastest there is. Raises ConfigurationError."""
    if name not in (None, *NAMES):
        raise ConfigurationError(f"there is no engine {name!r}", f"choose one of: {', '.join(NAMES)}")
    if name != "python":
        try:
            from emu.engines.compiled import CompiledEngine
        except ImportError as error:
            if name == "compiled":
                raise ConfigurationError(f"the compiled engine is not built ({error})",
                                         "build it with a C compiler (make build), or use --engine python") from None
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigurationError(f"the compiled engine was built from other sources ({type(error).__name__}: {error})",
                                     "build it again (make build), or use --engine python") from None
        else:
            return CompiledEngine(memory, bus, seed)
    from emu.engines.python import PythonEngine
    return PythonEngine(memory, bus, seed)

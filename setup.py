"""Builds the compiled engine: translate the instruction texts, then Cython, then the C compiler.

Without a C compiler the build goes on without it, and Ringzero runs on the Python engine alone.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# Handlers end in tail calls: these must stay jumps whatever flags the environment brings, or the stack overflows.
FLAGS = ["-O2", "-foptimize-sibling-calls", "-fno-strict-aliasing", "-fno-semantic-interposition", "-fwrapv",
         "-fno-stack-protector", "-fno-ipa-icf", "-fcf-protection=none", "-Wno-unused-function", "-Wno-unused-variable", "-g0"]


def extensions():
    from cext.translate.__main__ import generate

    families = generate()
    runtime = sorted(str(p.relative_to(HERE)) for p in (HERE / "cext").glob("*.pxi"))
    common = ["cext/core.pxd", "cext/v128.pxd", "cext/inline.pxi", "cext/primitives.pxi", "cext/generated/inline.pxi"]
    modules = [Extension("cext.core", ["cext/core.pyx"], depends=[*common, *runtime, "cext/generated/shared.pxi"])]
    modules += [Extension(f"cext.generated.isa_{f}", [f"cext/generated/isa_{f}.pyx"], depends=common) for f in families]
    for module in modules:
        module.extra_compile_args = FLAGS
        module.optional = True
    return modules


def cythonized():
    from Cython.Build import cythonize

    modules = cythonize(extensions(), nthreads=2, quiet=True, build_dir="build/cython",
                        compiler_directives={"language_level": 3, "embedsignature": False})
    for module in modules:
        module.optional = True          # cythonize doesn't keep it
    return modules


class BuildExtensions(build_ext):
    """Two compilers at a time, and a plain sentence when there is none."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or 2

    def copy_extensions_to_source(self):
        # A module that some process has mapped must not be overwritten in place.
        for extension in self.extensions:
            target = HERE / self.get_ext_filename(self.get_ext_fullname(extension.name))
            if Path(self.get_ext_fullpath(extension.name)).exists():
                target.unlink(missing_ok=True)
        super().copy_extensions_to_source()

    def run(self):
        super().run()
        missing = [e.name for e in self.extensions if not Path(self.get_ext_fullpath(e.name)).exists()]
        if missing:
            print(f"ringzero: {len(missing)} of {len(self.extensions)} native modules could not be compiled "
                  f"({missing[0]} ...); without them everything runs on the Python engine, about 300 times slower.",
                  file=sys.stderr)


def wanted():
    """Metadata needs no engine; and make, which builds it in place by itself, installs without (RINGZERO_EXTENSIONS=0)."""
    return os.environ.get("RINGZERO_EXTENSIONS") != "0" and not {"egg_info", "dist_info"} & set(sys.argv[1:])


setup(ext_modules=cythonized() if wanted() else [], cmdclass={"build_ext": BuildExtensions})

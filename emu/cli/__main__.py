"""`python -m emu.cli`: the same as `ringzero`."""

from emu.cli.main import run

run()

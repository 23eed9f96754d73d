"""Ringzero's computer: an x86-64 machine in Python. This module holds the version and imports nothing."""

__version__ = "0.1.0"

"""Loaders: from a file to guest memory and the CPU state it starts in."""

"""Ringzero beside its peers: the same freestanding programs, timed in one run."""

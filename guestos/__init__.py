"""The guest: a small Linux-compatible kernel, its user programs, and their builder."""

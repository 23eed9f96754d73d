"""Boards: which devices a machine has, where, and how their interrupts are wired."""

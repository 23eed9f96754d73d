"""Tests of programs and of isolation on a booted guest: the pytest plugin `ringzero`, and what it is made of."""

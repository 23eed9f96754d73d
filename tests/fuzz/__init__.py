"""One instruction at a time on random state, here and on Unicorn: generation, comparison, shrinking.

`python -m tests.fuzz --seed N --seconds S` runs until the time is over; `tests/isa/test_unicorn_integer.py` runs a
fixed number of cases of the same kind.
"""

"""The primitives' two twins, driven with the same values."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.cpu import primitives

core = pytest.importorskip("cext.core", reason="the compiled engine is not built: make build")

U64 = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**63, 2**63 - 1, 2**64 - 1]))
NONZERO = U64.filter(bool)
ONE_ARGUMENT = ("popcount", "trailing_zeros", "leading_bit")
PRODUCTS = ("umul_high", "imul_high")
DIVISIONS = ("udiv128", "urem128")


def both(name, *arguments):
    native = core.primitive(name, *arguments)
    assert native == getattr(primitives, name)(*arguments), f"{name}{tuple(map(hex, arguments))}"


@pytest.mark.parametrize("name", ONE_ARGUMENT)
@given(value=NONZERO)
def test_bit_counts_are_equal(name, value):
    both(name, value)


@pytest.mark.parametrize("name", PRODUCTS)
@given(a=U64, b=U64)
def test_wide_products_are_equal(name, a, b):
    both(name, a, b)


@pytest.mark.parametrize("name", DIVISIONS)
@given(high=U64, low=U64, divisor=NONZERO)
def test_wide_divisions_are_equal(name, high, low, divisor):
    both(name, high % divisor, low, divisor)


def test_every_primitive_is_compared():
    written = {name for name, value in vars(primitives).items()
               if inspect.isfunction(value) and value.__module__ == primitives.__name__}
    assert written == {*ONE_ARGUMENT, *PRODUCTS, *DIVISIONS}

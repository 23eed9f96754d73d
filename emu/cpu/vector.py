"""A 128-bit vector value, seen as lanes of any width: the Python twin of the runtime's V128 union."""

import struct


class Lanes:
    """One lane view: `v.u32[i]` reads or writes lane `i`, little-endian, as an unsigned (or i: signed) number."""

    __slots__ = ("owner", "size", "signed")

    def __init__(self, owner, size, signed):
        self.owner, self.size, self.signed = owner, size, signed

    def __getitem__(self, i):
        return int.from_bytes(self.owner.data[i * self.size:(i + 1) * self.size], "little", signed=self.signed)

    def __setitem__(self, i, value):
        data = (value & ((1 << 8 * self.size) - 1)).to_bytes(self.size, "little")
        self.owner.data[i * self.size:(i + 1) * self.size] = data


class V128:
    """Sixteen bytes; lanes u8 u16 u32 u64 (unsigned) and i8 i16 i32 i64 (signed). Copies by `copy()`."""

    __slots__ = ("data",)

    def __init__(self, low=0, high=0):
        self.data = bytearray(struct.pack("<QQ", low, high))

    u8 = property(lambda self: Lanes(self, 1, False))
    u16 = property(lambda self: Lanes(self, 2, False))
    u32 = property(lambda self: Lanes(self, 4, False))
    u64 = property(lambda self: Lanes(self, 8, False))
    i8 = property(lambda self: Lanes(self, 1, True))
    i16 = property(lambda self: Lanes(self, 2, True))
    i32 = property(lambda self: Lanes(self, 4, True))
    i64 = property(lambda self: Lanes(self, 8, True))

    def copy(self):
        other = V128()
        other.data[:] = self.data
        return other

    def __int__(self):
        return int.from_bytes(self.data, "little")

    def __eq__(self, other):
        return isinstance(other, V128) and self.data == other.data

    def __repr__(self):
        return f"V128({int(self):#034x})"


def vector(low=0, high=0):
    """A V128 of two 64-bit halves."""
    return V128(low, high)

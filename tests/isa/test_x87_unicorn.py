"""Short x87 programs on finite numbers against Unicorn: values, stack and tags where no AMD host is there to ask."""

from __future__ import annotations

import struct
from random import Random

import pytest

from tests.flat import CODE, DATA, FlatMachine

unicorn = pytest.importorskip("unicorn")
RSI = pytest.importorskip("unicorn.x86_const").UC_X86_REG_RSI

SAVED = DATA + 256
LOADS = [f"dd 46 {8 * n:02x}" for n in range(8)] + ["d9 46 40", "df 46 44", "db 46 48", "df 6e 58", "d9 e8", "d9 ee"]
STEPS = ["d8 c1", "d8 ca", "d8 e1", "d8 e9", "d8 f1", "d8 fa", "dc c1", "dc e1", "dc e9", "dc f2", "dc f9", "d8 46 40",
         "dc 4e 08", "dc 66 10", "dc 6e 18", "dc 76 20", "dc 7e 28", "de 46 44", "da 4e 48", "d9 e0", "d9 e1", "d9 fc",
         "d9 c9", "d9 ca", "dd d1", "dd da", "d9 5e 60", "dd 56 60", "db 5e 60", "df 7e 60", "d9 fd",
         "d9 e1 d9 fa"]
FINISH = "dd b6 00 01 00 00"        # fnsave [rsi + 256]


def program(r: Random) -> str:
    """Three loads, some steps that keep at least the operands they need on the stack, and FNSAVE."""
    depth, code = 0, ["db e3", f"d9 6e {r.choice((0x50, 0x52, 0x54, 0x56)):02x}"]
    for _ in range(14):
        if depth < 3 or depth < 7 and r.random() < .2:
            code.append(r.choice(LOADS))
            depth += 1
        else:
            step = r.choice(STEPS)
            code.append(step)
            depth -= step in ("dd da", "d9 5e 60", "db 5e 60", "df 7e 60")
    return " ".join(code) + " " + FINISH


def data(r: Random) -> bytes:
    doubles = [r.choice((r.uniform(-100, 100), r.uniform(-1, 1) * 10.0 ** r.randrange(-20, 20), float(r.randrange(-9, 9) or 1)))
               for _ in range(8)]
    return struct.pack("<8dfhxxi4xHHHHq", *doubles, r.uniform(-5, 5), r.randrange(-999, 999) or 1,
                       r.randrange(-10**6, 10**6) or 1, 0x37F, 0x27F, 0xF7F, 0x77F, r.randrange(-10**12, 10**12))


def unicorn_save(code: bytes, memory: bytes) -> bytes:
    machine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    machine.mem_map(0, 1 << 21)
    machine.mem_write(CODE, code)
    machine.mem_write(DATA, memory)
    machine.reg_write(RSI, DATA)
    machine.emu_start(CODE, CODE + len(code))
    return bytes(machine.mem_read(SAVED, 108))


def test_programs(engine_class):
    m, r = FlatMachine(engine_class), Random(87)
    for _ in range(150):
        text, memory = program(r), data(r)
        expected = unicorn_save(bytes.fromhex(text.replace(" ", "")), memory)
        m.memory.write(DATA, memory)
        m.run(text, rsi=DATA)
        actual = m.memory.read(SAVED, 108)
        assert actual[:2] == expected[:2] and actual[8:10] == expected[8:10], text
        assert actual[5] & 0x38 == expected[5] & 0x38, text
        tags = struct.unpack_from("<H", expected, 8)[0]
        top = expected[5] >> 3 & 7
        for i in range(8):
            if tags >> 2 * (top + i & 7) & 3 != 3:
                assert actual[28 + 10 * i:38 + 10 * i] == expected[28 + 10 * i:38 + 10 * i], f"ST({i}) after {text}"

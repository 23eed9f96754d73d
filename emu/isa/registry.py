"""Every instruction, once: the `@instruction` decorator and the list it fills.

An encoding is written as the manuals' opcode tables write it (Intel SDM vol. 2, appendix A.2):

    "[NP|66|F3|F2] [0F|0F38|0F3A] OPCODE[+r] [/r|/0../7] [mod=reg|mod=mem] [rm=N] [operands] [attributes]"

`/digit` and `/r` say that a ModRM byte follows; `+r` that the opcode's low three bits name a register. Immediates
follow from the operands (Ib, Iz, Jb ...). Attributes: `i64` invalid in 64-bit mode, `o64` valid only there, `d64`
operand size 64 by default there, `f64` 64 always there, `w0`/`w1` REX.W must be so, `np66` a 66 prefix is allowed and ignored.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field

MAPS = {"": 0, "0F": 1, "0F38": 2, "0F3A": 3}
PREFIXES = {"": -1, "NP": 0, "66": 1, "F3": 2, "F2": 3}

# Operand codes: (kind, size). Kinds: E register or memory of ModRM.rm, G ModRM.reg, M memory only, R register only
# of rm, Z register in the opcode, I immediate, S sign-extended immediate, J relative target, O absolute address,
# V/W/U vector registers (reg, rm or memory, rm register only), P/Q/N the same for MMX, F an x87 register of rm,
# C/D control and debug registers of reg, T segment register of reg, = a fixed register, 1 the constant one,
# X/Y the string source and destination. Sizes in bits, or v (16/32/64 by operand size), z (16/32), y (32/64),
# p (far pointer: selector above an offset of operand size), a (address only).
FIXED_REGISTERS = {"AL": (0, 8), "CL": (1, 8), "AX": (0, 16), "DX": (2, 16), "rAX": (0, "v"), "rDX": (2, "v"),
                   "eAX": (0, "z")}
SEGMENTS = {"ES": 0, "CS": 1, "SS": 2, "DS": 3, "FS": 4, "GS": 5}
SIZES = {"b": 8, "w": 16, "d": 32, "q": 64, "t": 80, "x": 128, "dq": 128, "v": "v", "z": "z", "y": "y", "p": "p", "a": "a"}
OPERAND = re.compile(r"^(E|G|M|R|Z|I|sI|J|O|V|W|U|P|Q|N|C|D|X|Y)(b|w|dq|d|q|t|x|v|z|y|p|a)$")


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand code of an encoding, as the manuals name it."""

    code: str
    kind: str
    size: int | str
    register: int = 0

    @classmethod
    def parse(cls, code: str) -> Operand:
        if code in FIXED_REGISTERS:
            number, size = FIXED_REGISTERS[code]
            return cls(code, "=", size, number)
        if code in SEGMENTS:
            return cls(code, "T=", 16, SEGMENTS[code])
        if code == "Sw":
            return cls(code, "T", 16)
        if code == "1":
            return cls(code, "1", 8)
        if code == "Fi":
            return cls(code, "F", 80)
        if code == "Cd" or code == "Dd":
            return cls(code, code[0], 64)
        match = OPERAND.match(code)
        if not match:
            raise ValueError(f"unknown operand code {code!r}; see emu/isa/registry.py for the list")
        kind = "S" if match[1] == "sI" else match[1]
        return cls(code, kind, SIZES[match[2]])

    def width(self, opsize: int) -> int:
        """Bits of this operand at operand size 16, 32 or 64; a far pointer counts its offset part."""
        if isinstance(self.size, int):
            return self.size
        return {"v": opsize, "z": min(opsize, 32), "y": max(opsize, 32), "p": opsize, "a": opsize}[self.size]


@dataclass(eq=False, slots=True)
class Encoding:
    """One way of writing an instruction in bytes."""

    instruction: Instruction
    text: str
    prefix: int = -1
    map: int = 0
    opcode: int = 0
    plus_r: bool = False
    modrm: bool = False
    reg: int = -1
    mod: str = ""
    rm: int = -1
    operands: tuple[Operand, ...] = ()
    attributes: frozenset[str] = frozenset()
    number: int = -1

    def opsizes(self) -> tuple[int, ...]:
        """The operand sizes at which this encoding's meaning differs; (0,) when it has one only."""
        sizes = {o.size for o in self.operands}
        if "v" in sizes or "z" in sizes or "p" in sizes or self.instruction.sized or "a" in sizes:
            return (16, 32, 64)
        return (32, 64) if "y" in sizes else (0,)

    @property
    def has_memory_form(self) -> bool:
        return any(o.kind in "EMWQ" for o in self.operands) and self.mod != "reg"

    @property
    def has_register_form(self) -> bool:
        return not any(o.kind == "M" for o in self.operands) and self.mod != "mem"


@dataclass(eq=False, slots=True)
class Instruction:
    """A mnemonic, its encodings and its one meaning."""

    mnemonic: str
    meaning: Callable
    family: str
    lockable: bool = False
    serialize: bool = False   # leaves the block: changes mode, RIP by itself, or what may be pending
    rep: str = ""             # "rep" or "repe": takes F3 (and F2) as a repeat prefix
    sized: bool = False       # meaning differs by operand size though no operand shows it
    options: dict = field(default_factory=dict)
    encodings: list[Encoding] = field(default_factory=list)
    tree: ast.FunctionDef | None = None
    access: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.meaning.__name__


INSTRUCTIONS: list[Instruction] = []


def parse_encoding(instruction: Instruction, text: str) -> Encoding:
    """Read one encoding as the module's docstring writes it; ValueError names what is wrong with it."""
    words = text.split()
    encoding = Encoding(instruction, text)
    if words[0] in ("NP", "66", "F3", "F2") and len(words) > 1 and re.match(r"^(0F\w*|[0-9A-F]{2})$", words[1]):
        encoding.prefix = PREFIXES[words.pop(0)]
    if words[0] in ("0F", "0F38", "0F3A"):
        encoding.map = MAPS[words.pop(0)]
    opcode = words.pop(0)
    if opcode.endswith("+r"):
        encoding.plus_r, opcode = True, opcode[:-2]
    encoding.opcode = int(opcode, 16)
    attributes = set()
    for word in words:
        if word == "/r":
            encoding.modrm = True
        elif re.match(r"^/[0-7]$", word):
            encoding.modrm, encoding.reg = True, int(word[1])
        elif word.startswith("mod="):
            encoding.mod = word[4:]
        elif word.startswith("rm="):
            encoding.rm = int(word[3:])
        elif word in ("i64", "o64", "d64", "f64", "w0", "w1", "np66"):
            attributes.add(word)
        elif word in ("ib", "iw", "id", "iz", "iv", "cb", "cz"):
            pass    # said for the reader; the operands carry it
        else:
            encoding.operands = tuple(Operand.parse(code) for code in word.split(","))
    encoding.attributes = frozenset(attributes)
    if not encoding.modrm and any(o.kind in "EGMRVWUPQNCDFT" and o.kind != "T=" for o in encoding.operands):
        raise ValueError(f"{text!r}: an operand needs a ModRM byte; add /r or /digit")
    return encoding


def _accesses(tree: ast.FunctionDef) -> dict[str, str]:
    """For each operand parameter, whether the meaning reads ('r'), writes ('w') or does both ('rw')."""
    found = {argument.arg: set() for argument in tree.args.args[1:]}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in found:
            if node.attr.startswith("read") or node.attr == "vector":
                found[node.value.id].add("r")
            elif node.attr.startswith("write"):
                found[node.value.id].add("w")
    return {name: "".join(sorted(kinds)) for name, kinds in found.items()}


def instruction(mnemonic: str, *encodings: str, **options):
    """Declare an instruction: decorates its meaning, a function of `cpu` and one operand object a parameter."""
    known = {key: options.pop(key) for key in ("lockable", "serialize", "rep", "sized") if key in options}

    def register(meaning: Callable) -> Callable:
        family = meaning.__module__.rsplit(".", 1)[-1]
        entry = Instruction(mnemonic, meaning, family, options=options, **known)
        entry.tree = ast.parse(textwrap.dedent(inspect.getsource(meaning))).body[0]
        entry.access = _accesses(entry.tree)
        for text in encodings:
            encoding = parse_encoding(entry, text)
            if len(encoding.operands) != len(entry.access):
                raise ValueError(f"{mnemonic} {text!r}: {len(encoding.operands)} operands, "
                                 f"but {meaning.__name__} takes {len(entry.access)}")
            entry.encodings.append(encoding)
        INSTRUCTIONS.append(entry)
        return meaning
    return register


def all_encodings() -> list[Encoding]:
    """Every encoding in a fixed order, numbered; imports all families first."""
    import emu.isa.families  # noqa: F401  (fills INSTRUCTIONS)
    result = [encoding for entry in INSTRUCTIONS for encoding in entry.encodings]
    for number, encoding in enumerate(result):
        encoding.number = number
    return result

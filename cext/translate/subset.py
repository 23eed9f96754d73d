"""The subset of Python that texts are written in: expressions and statements to Cython, with every refusal located.

A `Translator` turns one function body into Cython lines. Subclasses say what a call, an attribute of `cpu`, a fault
or a return becomes: in a shared function (`shared.py`) or in an instruction's handler (`handlers.py`).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from emu.isa import language

MASK64 = language.MASK64
TEMPORARY = re.compile(r"^t\d+_$")
U64, I64, V128, BOOL, VOID = "u64", "i64", "V128", "bint", "void"
LANES = {"u8": U64, "u16": U64, "u32": U64, "u64": U64, "i8": I64, "i16": I64, "i32": I64, "i64": I64}
BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
          ast.LShift: "<<", ast.RShift: ">>", ast.FloorDiv: "//", ast.Mod: "%"}
COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
FOLD = {ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
        ast.BitAnd: lambda a, b: a & b, ast.BitOr: lambda a, b: a | b, ast.BitXor: lambda a, b: a ^ b,
        ast.LShift: lambda a, b: a << b, ast.RShift: lambda a, b: a >> b, ast.FloorDiv: lambda a, b: a // b,
        ast.Mod: lambda a, b: a % b, ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b,
        ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b,
        ast.GtE: lambda a, b: a >= b}


class SubsetError(Exception):
    """A text uses something outside the subset; the message names the file and line."""


@dataclass(slots=True)
class Value:
    """A translated expression: Cython code, its type, and its value where it is a constant."""

    code: str
    type: str = U64
    constant: int | None = None
    origin: object = None       # the operand whose read() this is, where that matters


@dataclass(slots=True)
class Signature:
    """What a caller must know of a shared function or primitive."""

    name: str
    parameters: tuple[str, ...]
    result: str
    can_fault: bool = False
    pure: bool = False


def constant(value: int, type_: str = U64) -> Value:
    """A literal that means the same in C: masked for u64, suffixed where an int would not hold it."""
    value = int(value)
    if type_ == I64 and value < 0:
        return Value(f"(<i64>({value}LL))", I64, value)
    shown = value & MASK64
    code = f"{shown}" if shown < 1 << 31 else f"0x{shown:X}ULL"
    return Value(code, type_, value)


def as_type(value: Value, type_: str) -> str:
    if value.constant is not None:
        return constant(value.constant, type_ if type_ != BOOL else U64).code
    return value.code


@dataclass
class Translator:
    """Translates one function; `globals` are the constants its module can see."""

    filename: str
    globals: dict
    signatures: dict[str, Signature]
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    locals: dict[str, str] = field(default_factory=dict)
    temporaries: int = 0
    guarded: int = 0            # inside the second operand of and/or, where nothing may be hoisted

    # What subclasses decide

    def field_type(self, name: str) -> str | None:
        raise NotImplementedError

    def read_attribute(self, node: ast.Attribute) -> Value:
        raise NotImplementedError

    def call_method(self, node: ast.Call, name: str, owner: ast.expr) -> Value:
        raise NotImplementedError

    def emit_fault_check(self) -> None:
        raise NotImplementedError

    def emit_raise(self, vector: str, error: str) -> None:
        raise NotImplementedError

    def emit_return(self, node: ast.Return) -> None:
        raise NotImplementedError

    def note_write(self) -> None:
        """An architectural write was just emitted."""

    # Output

    def fail(self, node: ast.AST, message: str):
        raise SubsetError(f"{self.filename}:{getattr(node, 'lineno', '?')}: {message}")

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def temporary(self, type_: str) -> str:
        self.temporaries += 1
        name = f"t{self.temporaries}_"
        self.locals[name] = U64 if type_ == BOOL else type_
        return name

    def declarations(self, parameters=()) -> list[str]:
        by_type: dict[str, list[str]] = {}
        for name, type_ in self.locals.items():
            if name not in parameters:
                by_type.setdefault(type_, []).append(self.local_name(name))
        return [f"    cdef {type_} {', '.join(names)}" for type_, names in by_type.items()]

    # Expressions

    def expression(self, node: ast.expr) -> Value:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            self.fail(node, f"{type(node).__name__} is outside the subset")
        return method(node)

    def _constant(self, node):
        if not isinstance(node.value, (int, bool)):
            self.fail(node, f"constant {node.value!r} is not an integer")
        return constant(int(node.value))

    def _name(self, node):
        if node.id in self.locals:
            return Value(self.local_name(node.id), self.locals[node.id])
        found = self.globals.get(node.id)
        if isinstance(found, bool) or isinstance(found, int):
            return constant(found)
        self.fail(node, f"name {node.id!r} is neither assigned before nor a constant")

    def local_name(self, name: str) -> str:
        return name if TEMPORARY.match(name) else f"v_{name}"

    def _binop(self, node):
        left, right = self.expression(node.left), self.expression(node.right)
        operator = type(node.op)
        if operator not in BINARY:
            self.fail(node, f"operator {operator.__name__} is outside the subset")
        if left.constant is not None and right.constant is not None:
            folded = FOLD[operator](left.constant, right.constant)
            return constant(folded, I64 if folded < 0 and I64 in (left.type, right.type) else U64)
        if right.constant == 0 and operator in (ast.LShift, ast.RShift, ast.Add, ast.Sub, ast.BitOr, ast.BitXor):
            return Value(left.code, left.type)
        if operator in (ast.LShift, ast.RShift):
            type_ = I64 if left.type == I64 else U64
            return Value(f"((<{type_}>{as_type(left, type_)}) {BINARY[operator]} ({right.code}))", type_)
        type_ = self.common_type(node, left, right)
        return Value(f"((<{type_}>{as_type(left, type_)}) {BINARY[operator]} (<{type_}>{as_type(right, type_)}))", type_)

    def common_type(self, node, left, right):
        types = {v.type for v in (left, right) if v.constant is None and v.origin != "weak"}
        types = {U64 if t == BOOL else t for t in types}
        if types == {U64, I64}:
            self.fail(node, "mixes signed and unsigned numbers; use wrap64() or signed() on one of them")
        if V128 in types:
            self.fail(node, "arithmetic on a whole vector; use its lanes")
        return types.pop() if types else U64

    def _unaryop(self, node):
        value = self.expression(node.operand)
        if isinstance(node.op, ast.Not):
            if value.constant is not None:
                return constant(not value.constant)
            return Value(f"(not {value.code})", BOOL)
        if isinstance(node.op, ast.Invert):
            if value.constant is not None:
                return constant(~value.constant)
            return Value(f"(~(<{value.type}>{value.code}))", value.type)
        if isinstance(node.op, ast.USub):
            if value.constant is not None:
                return constant(-value.constant, I64)
            return Value(f"((<{value.type}>0) - {value.code})", value.type)
        self.fail(node, "this unary operator is outside the subset")

    def _compare(self, node):
        if len(node.ops) != 1 or type(node.ops[0]) not in COMPARE:
            self.fail(node, "only a single ==, !=, <, <=, >, >= is in the subset")
        left, right = self.expression(node.left), self.expression(node.comparators[0])
        operator = type(node.ops[0])
        if left.constant is not None and right.constant is not None:
            return constant(FOLD[operator](left.constant, right.constant))
        type_ = self.common_type(node, left, right)
        return Value(f"((<{type_}>{as_type(left, type_)}) {COMPARE[operator]} (<{type_}>{as_type(right, type_)}))", BOOL)

    def _boolop(self, node):
        word = "and" if isinstance(node.op, ast.And) else "or"
        parts = []
        for position, operand in enumerate(node.values):
            self.guarded += position > 0
            value = self.expression(operand)
            self.guarded -= position > 0
            if value.constant is not None:
                if bool(value.constant) == (word == "or"):
                    parts.append(value)
                    break
                continue
            parts.append(value)
        if not parts:
            return constant(word == "and")
        if len(parts) == 1 and parts[0].constant is not None:
            return constant(bool(parts[0].constant))
        codes = [f"({p.code} != 0)" if p.type != BOOL and p.constant is None else p.code for p in parts]
        return Value("(" + f" {word} ".join(codes) + ")", BOOL) if len(codes) > 1 else Value(codes[0], BOOL)

    def _ifexp(self, node):
        test = self.expression(node.test)
        if test.constant is not None:
            return self.expression(node.body if test.constant else node.orelse)
        self.guarded += 1
        left, right = self.expression(node.body), self.expression(node.orelse)
        self.guarded -= 1
        type_ = self.common_type(node, left, right)
        weak = all(v.constant is not None or v.origin == "weak" for v in (left, right))
        return Value(f"((<{type_}>{as_type(left, type_)}) if {test.code} else (<{type_}>{as_type(right, type_)}))", type_,
                     None, "weak" if weak else None)      # a choice of constants is of no type yet

    def _attribute(self, node):
        return self.read_attribute(node)

    def _subscript(self, node):
        owner = node.value
        index = self.expression(node.slice)
        if isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name) and owner.value.id == "cpu":
            type_ = self.field_type(owner.attr)
            if type_ is None:
                self.fail(node, f"cpu.{owner.attr} is not an array of the state")
            return Value(f"cpu.{owner.attr}[{index.code}]", type_)
        if isinstance(owner, ast.Attribute) and owner.attr in LANES:
            vector = self.expression(owner.value)
            if vector.type != V128:
                self.fail(node, f".{owner.attr} of something that is no vector")
            return Value(f"(<{LANES[owner.attr]}>{vector.code}.{owner.attr}[{index.code}])", LANES[owner.attr])
        if isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name):
            return Value(f"{owner.value.id}.{owner.attr}[{index.code}]", U64)
        if isinstance(owner, ast.Name) and isinstance(self.globals.get(owner.id), tuple):
            table = self.globals[owner.id]
            if index.constant is not None:
                return constant(table[index.constant])
            return Value(f"TABLE_{owner.id}[{index.code}]", U64)
        self.fail(node, "this subscript is outside the subset")

    def _call(self, node):
        if node.keywords:
            self.fail(node, "keyword arguments are outside the subset")
        if isinstance(node.func, ast.Name):
            return self.builtin(node)
        if isinstance(node.func, ast.Attribute):
            return self.call_method(node, node.func.attr, node.func.value)
        self.fail(node, "this call is outside the subset")

    def builtin(self, node):
        name, arguments = node.func.id, [self.expression(a) for a in node.args]
        if name in ("signed", "sign_extend", "mask") and all(a.constant is not None for a in arguments):
            folded = getattr(language, name)(*(a.constant for a in arguments))
            return constant(folded, I64 if name == "signed" else U64)
        if name in ("signed", "sign_extend"):
            value, width = arguments
            target = I64 if name == "signed" else U64
            if width.constant in (8, 16, 32):
                return Value(f"(<{target}><i64><i{width.constant}>({value.code}))", target)
            if width.constant == 64:
                return Value(f"(<{target}>({value.code}))", target)
            return Value(f"(<{target}>signed_value({value.code}, {width.code}))", target)
        if name == "mask":
            return Value(f"mask_value({arguments[0].code})", U64)
        if name == "wrap64":
            value = arguments[0]
            return constant(value.constant & MASK64) if value.constant is not None else Value(f"(<u64>({value.code}))")
        if name == "vector":
            return Value(f"make_vector({', '.join(as_type(a, U64) for a in arguments)})", V128)
        self.fail(node, f"call of {name}(): only signed, sign_extend, mask, wrap64 are plain functions of the subset")

    def call_shared(self, node, signature: Signature, arguments: list[Value], receiver="cpu") -> Value:
        """A call of a shared function or primitive; hoisted into a temporary when it may fault."""
        if len(arguments) != len(signature.parameters):
            self.fail(node, f"{signature.name}() takes {len(signature.parameters)} arguments, got {len(arguments)}")
        codes = []
        for argument, type_ in zip(arguments, signature.parameters):
            actual = U64 if argument.type == BOOL else argument.type
            if argument.constant is None and actual != type_:
                self.fail(node, f"{signature.name}(): a {type_} is expected, this is a {actual}")
            codes.append(as_type(argument, type_))
        code = f"{signature.name}({', '.join([receiver] + codes if receiver else codes)})"
        if not signature.can_fault:
            return Value(code, signature.result)
        if self.guarded:
            self.fail(node, f"{signature.name}() may fault: it can't stand in and/or/if-else expressions")
        if signature.result == VOID:
            self.emit(code)
            self.emit_fault_check()
            return Value("", VOID)
        name = self.temporary(signature.result)
        self.emit(f"{name} = {code}")
        self.emit_fault_check()
        return Value(name, signature.result)

    # Statements; each returns True when nothing after it on its path runs

    def body(self, statements: list[ast.stmt]) -> bool:
        for statement in statements:
            method = getattr(self, f"do_{type(statement).__name__.lower()}", None)
            if method is None:
                self.fail(statement, f"{type(statement).__name__} is outside the subset")
            if method(statement):
                return True
        return False

    def block(self, statements: list[ast.stmt]) -> bool:
        self.depth += 1
        before = len(self.lines)
        ended = self.body(statements)
        if len(self.lines) == before:
            self.emit("pass")
        self.depth -= 1
        return ended

    def do_expr(self, node):
        if isinstance(node.value, ast.Constant):
            return False                    # the docstring
        if not isinstance(node.value, ast.Call):
            self.fail(node, "an expression whose value is dropped")
        value = self.expression(node.value)
        if value.code:
            self.emit(value.code)
        return self.ended_by(node.value)

    def ended_by(self, call: ast.Call) -> bool:
        return False

    def do_pass(self, node):
        return False

    def assign_local(self, node, name, value, annotation=None):
        type_ = annotation or (U64 if value.type == BOOL else value.type)
        if type_ == VOID:
            self.fail(node, f"{name} is assigned from a call that returns nothing")
        known = self.locals.get(name)
        if known is None:
            self.locals[name] = known = type_
        elif known != type_ and value.constant is None:
            self.fail(node, f"{name} was a {known} before and is now a {type_}; annotate its first assignment")
        self.emit(f"{self.local_name(name)} = {as_type(value, known)}")

    def do_assign(self, node):
        if len(node.targets) != 1:
            self.fail(node, "chained assignment is outside the subset")
        self.store(node, node.targets[0], self.expression(node.value))
        return False

    def do_annassign(self, node):
        names = {"i64": I64, "u64": U64, "V128": V128}
        type_ = names.get(ast.unparse(node.annotation))
        if type_ is None or not isinstance(node.target, ast.Name) or node.value is None:
            self.fail(node, "an annotation must be u64, i64 or V128, of a local that is assigned")
        self.assign_local(node, node.target.id, self.expression(node.value), type_)
        return False

    def do_augassign(self, node):
        target = ast.copy_location(ast.parse(ast.unparse(node.target), mode="eval").body, node)
        ast.fix_missing_locations(target)
        combined = ast.copy_location(ast.BinOp(left=target, op=node.op, right=node.value), node)
        self.store(node, node.target, self.expression(combined))
        return False

    def store(self, node, target, value):
        if isinstance(target, ast.Name):
            self.assign_local(node, target.id, value)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "cpu":
            self.store_field(node, target.attr, value)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            self.emit(f"{target.value.id}.{target.attr} = {as_type(value, U64)}")
        elif isinstance(target, ast.Subscript):
            place = target.value
            index = self.expression(target.slice)
            if isinstance(place, ast.Attribute) and place.attr in LANES:
                vector = self.expression(place.value)
                self.emit(f"{vector.code}.{place.attr}[{index.code}] = <{place.attr}>({as_type(value, U64)})")
                if isinstance(place.value, ast.Subscript):
                    self.note_write()
            elif isinstance(place, ast.Attribute) and isinstance(place.value, ast.Name) and place.value.id == "cpu":
                type_ = self.field_type(place.attr)
                if type_ is None:
                    self.fail(node, f"cpu.{place.attr} is not an array of the state")
                self.emit(f"cpu.{place.attr}[{index.code}] = {as_type(value, type_)}")
                self.note_write()
            else:
                self.fail(node, "this assignment is outside the subset")
        else:
            self.fail(node, "this assignment is outside the subset")

    def store_field(self, node, name, value):
        type_ = self.field_type(name)
        if type_ is None:
            self.fail(node, f"cpu.{name} is not in emu/cpu/state.py")
        self.emit(f"cpu.{name} = {as_type(value, type_)}")
        self.note_write()

    def do_if(self, node):
        test = self.expression(node.test)
        if test.constant is not None:
            return self.body(node.body if test.constant else node.orelse)
        self.emit(f"if {test.code}:")
        ended = self.block(node.body)
        if node.orelse:
            self.emit("else:")
            return self.block(node.orelse) and ended
        return False

    def do_while(self, node):
        if node.orelse:
            self.fail(node, "while/else is outside the subset")
        self.guarded += 1
        test = self.expression(node.test)
        self.guarded -= 1
        self.emit("while True:" if test.constant else f"while {test.code}:")
        self.block(node.body)
        forever = bool(test.constant) and not any(isinstance(n, ast.Break) for n in ast.walk(node))
        return forever

    def do_for(self, node):
        call = node.iter
        if node.orelse or not isinstance(node.target, ast.Name) or not (
                isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"):
            self.fail(node, "only `for name in range(...)` is in the subset")
        bounds = [self.expression(a) for a in call.args]
        self.locals.setdefault(node.target.id, U64)
        name = self.local_name(node.target.id)
        if len(bounds) == 3:
            self.fail(node, "range() with a step is outside the subset")
        first = bounds[0].code if len(bounds) == 2 else "0"
        self.emit(f"for {name} in range(<u64>{first}, <u64>({bounds[-1].code})):")
        self.block(node.body)
        return False

    def do_break(self, node):
        self.emit("break")
        return True

    def do_continue(self, node):
        self.emit("continue")
        return True

    def do_raise(self, node):
        call = node.exc
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Fault"):
            self.fail(node, "only `raise Fault(vector, error)` is in the subset")
        arguments = [self.expression(a).code for a in call.args]
        self.emit_raise(arguments[0], arguments[1] if len(arguments) > 1 else "0")
        return True

    def do_return(self, node):
        self.emit_return(node)
        return True

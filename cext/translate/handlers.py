"""Specialises an instruction's meaning for one encoding, operand size and register-or-memory form: a native handler.

Up to five versions of a handler come from the one text:
 - fast: 64-bit code with 64-bit addresses; memory through the TLB alone. Whatever it can't do (a TLB miss, unmasked
   floating-point exceptions ...) it hands to the cold one by a tail call, before it has changed anything.
 - cold: any mode, any address, with every check. Only where it would differ from the fast one.
 - no flags: the fast one without its flags, for blocks in which the next instruction overwrites them.
 - after a difference, a sum, a result: a fast one that reads conditions and may take for granted how they were made.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from cext.translate.shared import CONTEXT, Library
from cext.translate.subset import I64, U64, V128, VOID, SubsetError, Translator, Value, as_type, constant
from emu.cpu.state import BY_NAME
from emu.isa.registry import Encoding, Operand

C_TYPES = {8: "u8", 16: "u16", 32: "u32", 64: "u64"}
KINDS = {"flags_sub": 0, "flags_logic": 0, "flags_add": 1, "flags_result": 2, "flags_set": 3}
STACK = {"push", "pop", "peek", "drop", "check_target"}
BLOCKED = {"sse": "cpu.fpu_blocked & 6", "x87": "(cpu.fpu_blocked & 1) | (cpu.fsw & 0x80)", "x87_nowait": "cpu.fpu_blocked & 1"}
NO_FLAGS = -1
READS = {"read", "read_at", "vector", "second", "pop", "peek"}      # of operands and the stack: they can fault

# Instructions made once more together with the Jcc behind them: one dispatch less a loop, and the condition straight
# from the operands (4 to 30%). Overflow and parity are too rare to be worth their code.
FUSED = {"cmp", "test", "sub", "add", "dec"}
FUSED_CONDITIONS = {2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15}


class NotFast(Exception):
    """This text has no fast version: it would probe memory after it changed something."""


@dataclass(slots=True)
class Bound:
    """An operand of the handler being made: what it is and, in a fast handler, where its memory was found."""

    operand: Operand
    width: int
    is_memory: bool
    access: str
    immediate: int = 0          # which immediate of the instruction it is
    pointer: str = ""           # C name of the host pointer found by a probe
    writable: bool = False


@dataclass(slots=True)
class Facts:
    """What the block builder must know of a handler."""

    flags_kind: int = 0         # 0 none; 1..4 difference, sum, result, bits, unconditionally; 7 sometimes
    reads_flags: bool = False
    may_leave: bool = False     # can fault, or touch a device
    ends_block: bool = False
    direct: bool = False        # jumps to its immediate


class HandlerTranslator(Translator):
    """One version of one handler."""

    def setup(self, library: Library, encoding: Encoding, opsize: int, memory: bool, fast: bool, cold_name: str, assume):
        self.library, self.encoding, self.opsize, self.fast = library, encoding, opsize, fast
        self.cold_name, self.assume = cold_name, assume
        self.branch = None          # the (library, encoding, module) of a fused conditional branch
        self.dirty = False
        self.called_out = False
        self.needs_context = False
        self.pointers = 0
        self.facts = Facts()
        self.origins: dict[str, object] = {}        # of locals: which are a direct jump's target
        entry = encoding.instruction
        self.serialize = entry.serialize or bool(entry.rep)
        self.facts.ends_block = self.serialize
        self.facts.may_leave = self.serialize or memory or any(o.kind == "O" for o in encoding.operands)
        self.operands: dict[str, Bound] = {}
        immediates = 0
        for (name, access), operand in zip(entry.access.items(), encoding.operands):
            is_memory = operand.kind in "O" or (memory and operand.kind in "EMWQ")
            bound = Bound(operand, operand.width(opsize or 32), is_memory, access)
            if operand.kind in "ISJ":
                bound.immediate = immediates
                immediates += 1
            self.operands[name] = bound

    def then_branch(self):
        """Fused: go on in the conditional branch that follows, without a dispatch."""
        library, encoding, module = self.branch
        self.emit("i = i + 1")
        translator = HandlerTranslator(module.__file__, vars(module), library.signatures)
        translator.setup(library, encoding, 64, False, True, "", None)
        translator.depth = self.depth
        translator.temporaries = 100
        if not translator.body(encoding.instruction.tree.body):
            translator.finish()
        self.lines += translator.lines
        self.locals.update(translator.locals)

    # Leaving the handler

    def bail(self):
        """To the cold version, which starts the instruction over."""
        if self.dirty:
            raise NotFast
        self.emit(f"    {self.cold_name}(cpu, i)")
        self.emit("    return")

    def finish(self):
        if self.branch is not None:
            self.then_branch()
        elif self.serialize:
            self.emit("leave_serialized(cpu, i)")
        elif self.fast and not self.called_out:
            self.emit("i[1].run(cpu, i + 1)")
        else:
            self.emit("next_cold(cpu, i)")

    def emit_fault_check(self):
        self.facts.may_leave = True
        self.emit("if cpu.fault:")
        self.emit("    leave_fault(cpu, i)")
        self.emit("    return")

    def emit_raise(self, vector, error):
        self.facts.may_leave = True
        self.emit(f"cpu.fault = 256 | ({vector})")
        self.emit(f"cpu.fault_error = {error}")
        self.emit("leave_fault(cpu, i)")
        self.emit("return")

    def emit_return(self, node):
        if node.value is not None:
            self.fail(node, "an instruction returns nothing")
        self.finish()
        self.emit("return")

    def note_write(self):
        self.dirty = True

    def do_if(self, node):
        # A version is dirty after an `if` when one of the branches that go on is.
        test = self.expression(node.test)
        if test.constant is not None:
            return self.body(node.body if test.constant else node.orelse)
        before = self.dirty
        pointers = {name: (b.pointer, b.writable) for name, b in self.operands.items()}
        self.emit(f"if {test.code}:")
        ended = self.block(node.body)
        after_then = before if ended else self.dirty
        self.dirty = before
        self._forget_pointers(pointers)
        other_ended = False
        if node.orelse:
            self.emit("else:")
            other_ended = self.block(node.orelse)
            self._forget_pointers(pointers)
        after_else = before if other_ended else self.dirty
        self.dirty = after_then or after_else
        return ended and other_ended

    def _forget_pointers(self, known):
        for name, (pointer, writable) in known.items():
            self.operands[name].pointer, self.operands[name].writable = pointer, writable

    def do_while(self, node):
        if self.fast:
            raise NotFast
        return super().do_while(node)

    def do_for(self, node):
        before = self.dirty
        result = super().do_for(node)
        if self.fast and self.dirty and not before and any(b.is_memory for b in self.operands.values()):
            body = ast.unparse(ast.Module(node.body, []))
            if "_at(" in body or "read_" in body or "write_memory" in body:
                raise NotFast
        return result

    # Attributes

    def field_type(self, name):
        if name == "rep_budget":
            return I64
        found = BY_NAME.get(name)
        return found.type if found else None

    def read_attribute(self, node):
        owner = node.value
        if isinstance(owner, ast.Name) and owner.id in self.operands:
            return self.operand_attribute(node, self.operands[owner.id])
        if not (isinstance(owner, ast.Name) and owner.id == "cpu"):
            self.fail(node, f"attribute .{node.attr} is outside the subset")
        name = node.attr
        if name == "condition_code":
            return constant(self.encoding.opcode & 15)
        if name == "opcode":
            return constant(self.encoding.opcode)
        if name == "x87_opcode":
            return Value("i.imm")
        if name == "opsize":
            return constant(self.opsize)
        if name == "addrsize":
            return constant(64) if self.fast else Value("(<u64>i.addrsize)")
        if name == "rep":
            return Value("(<u64>i.rep)")
        if name == "next_rip":
            return Value("next_rip_of(cpu, i)")
        if name == "insn_rip":
            return Value("insn_rip_of(cpu, i)")
        if name == "rep_budget":
            return Value("cpu.budget", I64)
        if name == "retired":
            self.needs_context = True
            return Value("retired_now(cpu)")
        type_ = self.field_type(name)
        if type_ is None:
            self.fail(node, f"cpu.{name} is not in emu/cpu/state.py")
        return Value(f"cpu.{name}", type_)

    def operand_attribute(self, node, bound):
        if node.attr == "width":
            return constant(bound.width)
        if node.attr == "is_memory":
            return constant(bound.is_memory)
        if node.attr == "index":
            if bound.operand.kind == "T=":
                return constant(bound.operand.register)
            if bound.operand.kind == "R":
                return Value(f"((<u64>{self.slot(bound)} - (<u64>&cpu.gpr[0] - <u64>cpu)) >> 3)")
            return Value("(<u64>i.m)" if bound.operand.kind == "F" else "(<u64>i.r)")
        if node.attr == "segment":
            return constant(0) if bound.operand.kind == "Y" else Value("(<u64>i.segment)")
        self.fail(node, f"operands have no .{node.attr}")

    def store_field(self, node, name, value):
        if name == "rip" and not self.serialize:
            self.fail(node, "only an instruction with serialize=True may set cpu.rip; use cpu.jump()")
        if name.startswith("cc_"):
            self.fail(node, "set the flags through cpu.flags_...(), so that the block builder knows")
        super().store_field(node, name, value)

    # Calls

    def call_method(self, node, name, owner):
        if isinstance(owner, ast.Name) and owner.id in self.operands:
            return self.operand_call(node, name, self.operands[owner.id])
        if name == "copy":
            return self.expression(owner)
        if not (isinstance(owner, ast.Name) and owner.id == "cpu"):
            self.fail(node, f"call of .{name}() is outside the subset")
        if name in KINDS:
            return self.flags_call(node, name)
        if name in self.library.reads_flags:
            self.facts.reads_flags = True
        if name in self.library.writes_flags:
            self.facts.flags_kind = 7
        arguments = [self.expression(a) for a in node.args]
        if name == "vector":
            return Value(f"make_vector({', '.join(as_type(a, U64) for a in arguments)})", V128)
        if name == "jump":
            return self.jump(arguments[0])
        if self.fast and name in STACK:
            return getattr(self, f"fast_{name}")(arguments)
        if self.fast and name == "fp_begin":
            self.emit("if (cpu.mxcsr & 0x1F80) != 0x1F80:")
            self.bail()
            return Value("", VOID)
        if self.fast and name == "fp_end":
            return Value("", VOID)
        signature = self.signatures.get(name)
        if signature is None:
            self.fail(node, f"cpu.{name}() is neither a shared function nor a primitive")
        if not signature.pure and name not in ("count_iterations",):
            if name not in ("write_register",):
                self.called_out = True
            self.facts.may_leave = self.facts.may_leave or name not in ("write_register",)
        if name in self.library.uses_context or signature.can_fault or name == "now":
            self.needs_context = True
        value = self.call_shared(node, signature, arguments)
        if not signature.pure:
            self.note_write()
        return value

    def flags_call(self, node, name):
        if self.assume == NO_FLAGS:
            return Value("", VOID)
        kind = KINDS[name] + 1
        self.facts.flags_kind = kind if self.depth == 1 and self.facts.flags_kind in (0, kind) else 7
        for call in (n for a in node.args for n in ast.walk(a) if isinstance(n, ast.Call)):
            if ast.unparse(call.func).rsplit(".", 1)[-1] in READS:
                self.fail(call, f"read into a local before cpu.{name}(): where its flags aren't wanted, the read would be lost")
        arguments = [self.expression(a) for a in node.args]
        value = self.call_shared(node, self.signatures[name], arguments)
        self.note_write()
        return value

    def ended_by(self, call):
        function = call.func
        return isinstance(function, ast.Attribute) and function.attr == "jump"

    def do_expr(self, node):
        if isinstance(node.value, ast.Call) and self.assume == NO_FLAGS:
            function = node.value.func
            if isinstance(function, ast.Attribute) and function.attr in KINDS:
                return False            # not even its arguments are wanted
        return super().do_expr(node)

    def jump(self, target):
        self.facts.ends_block = True
        if self.serialize:
            self.emit(f"cpu.rip = {target.code}")
            self.finish()
        elif target.origin == "direct":
            self.facts.direct = True
            self.emit("goto_direct(cpu, i)" if self.fast else "goto_direct_cold(cpu, i)")
        else:
            self.emit(f"{'goto_indirect' if self.fast else 'goto_indirect_cold'}(cpu, i, {target.code})")
        self.emit("return")
        return Value("", VOID)

    def assign_local(self, node, name, value, annotation=None):
        super().assign_local(node, name, value, annotation)
        self.origins[name] = value.origin

    def _name(self, node):
        value = super()._name(node)
        value.origin = self.origins.get(node.id)
        return value

    # Fast stack: 64-bit code, RSP, no segment

    def fast_pointer(self, address: str, size: int, write: bool) -> str:
        if self.dirty:
            raise NotFast
        self.pointers += 1
        name = f"p{self.pointers}"
        self.emit(f"{name} = probe_{'write' if write else 'read'}(cpu, {address}, {size})")
        self.emit(f"if {name} == NULL:")
        self.bail()
        return name

    def fast_push(self, arguments):
        value, width = arguments
        size = width.constant >> 3
        held = self.temporary(U64)
        self.emit(f"{held} = {as_type(value, U64)}")
        pointer = self.fast_pointer(f"cpu.gpr[4] - {size}", size, True)
        type_ = C_TYPES[width.constant]
        self.emit(f"(<{type_}*>{pointer})[0] = <{type_}>{held}")
        self.emit(f"cpu.gpr[4] = cpu.gpr[4] - {size}")
        self.note_write()
        self.facts.may_leave = True
        return Value("", VOID)

    def fast_peek(self, arguments):
        depth, width = arguments
        pointer = self.fast_pointer(f"cpu.gpr[4] + {depth.code}", width.constant >> 3, False)
        name = self.temporary(U64)
        self.emit(f"{name} = (<{C_TYPES[width.constant]}*>{pointer})[0]")
        self.facts.may_leave = True
        return Value(name)

    def fast_drop(self, arguments):
        self.emit(f"cpu.gpr[4] = cpu.gpr[4] + {arguments[0].code}")
        self.note_write()
        return Value("", VOID)

    def fast_pop(self, arguments):
        value = self.fast_peek([constant(0), arguments[0]])
        self.fast_drop([constant(arguments[0].constant >> 3)])
        return value

    def fast_check_target(self, arguments):
        if arguments[0].origin != "direct":
            self.emit(f"if not canonical({arguments[0].code}):")
            self.bail()
        return Value("", VOID)

    # Operands

    def slot(self, bound) -> str:
        return "i.r" if bound.operand.kind in "GVP" else "i.m"

    def operand_call(self, node, name, bound):
        if name == "wrap":
            value = self.expression(node.args[0])
            if value.constant is not None:
                return constant(value.constant & ((1 << bound.width) - 1))
            return Value(f"(<u64><{C_TYPES[bound.width]}>({value.code}))")
        method = getattr(self, f"op_{name}", None)
        if method is None:
            self.fail(node, f"operands have no .{name}()")
        return method(node, bound, *node.args)

    def op_read(self, node, bound):
        kind, width = bound.operand.kind, bound.width
        if kind in "IS" or kind == "J":
            code = "i.imm" if bound.immediate == 0 else "i.disp"
            return Value(code, U64, None, "direct" if kind == "J" else None)
        if kind == "1":
            return constant(1)
        if bound.is_memory:
            return self.memory_read(bound)
        if kind == "=":
            return Value(f"(<u64><{C_TYPES[width]}>cpu.gpr[{bound.operand.register}])")
        if kind in "ERGZVWUPQN":
            return Value(f"(<u64>(<{C_TYPES[width]}*>(<char*>cpu + {self.slot(bound)}))[0])")
        self.fail(node, f"operand {bound.operand.code} can't be read()")

    def op_second(self, node, bound):
        return Value("i.disp")

    def op_write(self, node, bound, argument):
        kind, width = bound.operand.kind, bound.width
        value = as_type(self.expression(argument), U64)
        if bound.is_memory:
            return self.memory_write(bound, value)
        if kind == "=":
            self.emit(f"write_register(cpu, {bound.operand.register}, {width}, {value})")
        elif kind in "ERGZ" and width == 32:
            self.emit(f"(<u64*>(<char*>cpu + {self.slot(bound)}))[0] = <u64><u32>({value})")
        elif kind in "PQN":
            self.emit(f"write_mmx(cpu, {self.slot(bound)}, {value})")
        elif kind in "ERGZVWU":
            self.emit(f"(<{C_TYPES[width]}*>(<char*>cpu + {self.slot(bound)}))[0] = <{C_TYPES[width]}>({value})")
        else:
            self.fail(node, f"operand {bound.operand.code} can't be written")
        self.note_write()
        return Value("", VOID)

    def op_offset(self, node, bound):
        return Value("offset_fast(cpu, i)" if self.fast else "offset_any(cpu, i)")

    def probe_operand(self, bound, size: int, write: bool):
        if not bound.pointer or (write and not bound.writable):
            bound.pointer = self.fast_pointer("address_fast(cpu, i)", size, write)
            bound.writable = write

    def memory_read(self, bound):
        changed = "w" in bound.access
        type_ = C_TYPES[bound.width]
        name = self.temporary(U64)
        if self.fast:
            self.probe_operand(bound, bound.width >> 3, changed)
            self.emit(f"{name} = (<{type_}*>{bound.pointer})[0]")
        else:
            function = "read_memory_to_write" if changed else "read_memory"
            self.emit(f"{name} = {function}(cpu, i.segment, offset_any(cpu, i), {bound.width})")
            self.emit_fault_check()
        return Value(name)

    def memory_write(self, bound, value):
        type_ = C_TYPES[bound.width]
        if self.fast:
            held = value
            if not bound.pointer:
                held = self.temporary(U64)
                self.emit(f"{held} = {value}")
                self.probe_operand(bound, bound.width >> 3, True)
            self.emit(f"(<{type_}*>{bound.pointer})[0] = <{type_}>({held})")
        else:
            self.emit(f"write_memory(cpu, i.segment, offset_any(cpu, i), {bound.width}, {value})")
            self.emit_fault_check()
        self.note_write()
        return Value("", VOID)

    def op_read_at(self, node, bound, delta, width):
        delta, width = self.expression(delta), self.expression(width)
        name = self.temporary(U64)
        changed = "w" in bound.access
        if self.fast and width.constant:
            pointer = self.fast_pointer(f"address_fast(cpu, i) + {delta.code}", width.constant >> 3, changed)
            self.emit(f"{name} = (<{C_TYPES[width.constant]}*>{pointer})[0]")
        else:
            if self.fast:
                raise NotFast
            function = "read_memory_to_write" if changed else "read_memory"
            self.emit(f"{name} = {function}(cpu, i.segment, offset_plus(cpu, i, {delta.code}), {width.code})")
            self.emit_fault_check()
        return Value(name)

    def op_write_at(self, node, bound, delta, width, value):
        if self.fast:
            raise NotFast
        delta, width, value = self.expression(delta), self.expression(width), self.expression(value)
        self.emit(f"write_memory(cpu, i.segment, offset_plus(cpu, i, {delta.code}), {width.code}, {as_type(value, U64)})")
        self.emit_fault_check()
        self.note_write()
        return Value("", VOID)

    def op_probe(self, node, bound, size, access):
        if self.fast:
            raise NotFast
        size, access = self.expression(size), self.expression(access)
        self.emit(f"probe_memory(cpu, i.segment, offset_any(cpu, i), {size.code}, {access.code})")
        self.emit_fault_check()
        return Value("", VOID)

    def op_vector(self, node, bound):
        name = self.temporary(V128)
        unaligned = self.encoding.instruction.options.get("unaligned", False)
        if not bound.is_memory:
            self.emit(f"{name} = (<V128*>(<char*>cpu + {self.slot(bound)}))[0]")
        elif self.fast:
            if not unaligned:
                self.emit("if address_fast(cpu, i) & 15:")
                self.bail()
            self.probe_operand(bound, 16, "w" in bound.access)
            self.emit(f"{name} = load_vector({bound.pointer})")
        else:
            self.emit(f"{name} = read_vector(cpu, i, {int(not unaligned)})")
            self.emit_fault_check()
        return Value(name, V128)

    def op_write_vector(self, node, bound, argument):
        value = self.expression(argument)
        if value.type != V128:
            self.fail(node, "write_vector() takes a V128")
        unaligned = self.encoding.instruction.options.get("unaligned", False)
        if not bound.is_memory:
            self.emit(f"(<V128*>(<char*>cpu + {self.slot(bound)}))[0] = {value.code}")
        elif self.fast:
            if not unaligned:
                self.emit("if address_fast(cpu, i) & 15:")
                self.bail()
            self.probe_operand(bound, 16, True)
            self.emit(f"store_vector({bound.pointer}, {value.code})")
        else:
            self.emit(f"write_vector(cpu, i, {int(not unaligned)}, {value.code})")
            self.emit_fault_check()
        self.note_write()
        return Value("", VOID)


@dataclass(slots=True)
class Form:
    """The handlers of one (encoding, operand size, register-or-memory form)."""

    key: str
    versions: dict[str, str]
    facts: Facts
    reads_flags_without: bool = False
    condition: int = 255                # of a Jcc, which a comparison before it may take along
    fused: tuple[str, ...] = ()         # handlers of this and a following Jcc, by condition


def _translate(library, encoding, opsize, memory, fast, cold_name, name, module, assume=None, branch=None):
    entry = encoding.instruction
    translator = HandlerTranslator(module.__file__, vars(module), library.signatures)
    translator.setup(library, encoding, opsize, memory, fast, cold_name, assume)
    translator.branch = branch
    requirement = entry.options.get("requires")
    if requirement:
        translator.facts.may_leave = True
        if fast and requirement in BLOCKED:
            translator.emit(f"if {BLOCKED[requirement]}:")
            translator.bail()
        else:
            signature = library.signatures.get(f"require_{requirement}")
            if signature is None:
                raise SubsetError(f"{module.__file__}: requires={requirement!r}, but emu/cpu has no require_{requirement}()")
            translator.emit(f"require_{requirement}(cpu)")
            translator.emit_fault_check()
            translator.called_out = translator.needs_context = True
    try:
        ended = translator.body(entry.tree.body)
    except SubsetError as error:
        raise SubsetError(f"{error} (in {entry.name}, {encoding.text!r}; text begins at line {entry.meaning.__code__.co_firstlineno})") from None
    if not ended:
        translator.finish()
    lines = [f"cdef void {name}(CPU *cpu, Insn *i) noexcept nogil:"]
    lines += translator.declarations()
    if translator.pointers:
        lines.append("    cdef char " + ", ".join(f"*p{n + 1}" for n in range(translator.pointers)))
    if assume is not None and assume >= 0:
        lines += [f"    if (cpu.cc_kind & 0xFF) != {assume}:", "        unreachable()"]
    if not fast or translator.needs_context or translator.called_out or translator.serialize:
        lines.append("    set_context(cpu, i)")
    names = set(entry.meaning.__code__.co_names)
    if translator.serialize or names & (CONTEXT | library.uses_sizes):
        lines.append(f"    set_sizes(cpu, i, {opsize or 32})")
    if translator.serialize:
        lines.append("    cpu.rip = next_rip_of(cpu, i)")
    return lines + translator.lines, translator


def needs_two_versions(encoding: Encoding, memory: bool) -> bool:
    """Whether a fast version would differ from the cold one."""
    entry = encoding.instruction
    if entry.serialize or entry.rep:
        return False
    names = {n.attr for n in ast.walk(entry.tree) if isinstance(n, ast.Attribute)}
    return (memory or bool(names & (STACK | {"jump", "fp_begin", "addrsize"})) or any(o.kind == "O" for o in encoding.operands)
            or entry.options.get("requires") in BLOCKED)


def make_form(library: Library, encoding: Encoding, opsize: int, memory: bool, module, number: int):
    """All versions of one form: (Form, lines of Cython)."""
    key = f"{encoding.instruction.name}|{encoding.text}|{opsize}|{'m' if memory else 'r'}"
    lines = [f"# {encoding.instruction.mnemonic} {key}"]
    versions, cold = {}, f"c{number}"
    arguments = (library, encoding, opsize, memory)
    two = needs_two_versions(encoding, memory)
    fast_ok = True
    if two:
        text, translator = _translate(*arguments, False, cold, cold, module)
        lines += text
        versions["cold"] = cold
        facts = translator.facts
        try:
            text, translator = _translate(*arguments, True, cold, f"h{number}", module)
        except NotFast:
            fast_ok = False
    else:
        text, translator = _translate(*arguments, not (encoding.instruction.serialize or encoding.instruction.rep),
                                      cold, f"h{number}", module)
    form = Form(key, versions, translator.facts)
    if encoding.instruction.name == "jcc":
        form.condition = encoding.opcode & 15
    if not fast_ok:
        versions["fast"] = cold
        form.facts = facts
        return form, lines
    lines += text
    versions["fast"] = f"h{number}"
    facts = form.facts
    if 1 <= facts.flags_kind <= 4:
        try:
            text, without = _translate(*arguments, True, cold, f"n{number}", module, NO_FLAGS)
            lines += text
            versions["no_flags"] = f"n{number}"
            form.reads_flags_without = without.facts.reads_flags
        except NotFast:
            pass
    if opsize != 16 and "i64" not in encoding.attributes and (
            encoding.instruction.name in FUSED if not memory else encoding.instruction.name in ("cmp", "test")):
        branches = {e.opcode & 15: e for e in library.branches}
        fused = []
        for condition in range(16):
            if condition in FUSED_CONDITIONS:
                name = f"f{number}_{condition}"
                branch = (library, branches[condition], library.branch_module)
                text, _ = _translate(*arguments, True, cold, name, module, branch=branch)
                lines += text
                fused.append(name)
            else:
                fused.append("")
        form.fused = tuple(fused)
    names = {n.attr for n in ast.walk(encoding.instruction.tree) if isinstance(n, ast.Attribute)}
    if "condition" in names and not encoding.instruction.serialize:
        for kind, label in ((0, "difference"), (1, "sum"), (2, "result")):
            text, _ = _translate(*arguments, True, cold, f"k{kind}_{number}", module, kind)
            lines += text
            versions[label] = f"k{kind}_{number}"
    return form, lines

"""Translates the shared texts of `emu/cpu`, and knows what every function a text may call takes, gives and may do."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from cext.translate.subset import BOOL, I64, U64, V128, VOID, Signature, Translator, Value, as_type
from emu.cpu.cpu import SHARED
from emu.cpu.state import BY_NAME

HERE = Path(__file__).resolve().parent.parent

# Modules whose functions are compiled into every family: small, hot, without faults of their own.
INLINE = ("flags", "registers", "packed")

# Shared texts that the runtime puts a cache in front of; the text itself is the miss path, named `..._shared`.
CACHED = ("read_linear", "write_linear", "read_memory", "write_memory")

# What the runtime supplies (`cext/core.pyx`), besides the twins found in the .pxi files.
RUNTIME = """
u64 physical_read(u64 pa, u64 size)
void physical_write(u64 pa, u64 size, u64 value)
void remember_read(u64 la, u64 pa)
void remember_write(u64 la, u64 pa)
void evict(u64 la)
void evict_all()
void mode_changed(u64 previous)
void switch_world(u64 world, u64 leaving)
void breakpoints_changed()
u64 port_read(u64 port, u64 size)
void port_write(u64 port, u64 size, u64 value)
u64 bus_msr_known(u64 index)
u64 bus_msr_read(u64 index)
u64 bus_msr_write(u64 index, u64 value)
u64 bus_tpr_read()
void bus_tpr_write(u64 value)
void count_iterations(u64 n)
u64 bulk_copy(u64 destination, u64 source, u64 count, u64 width)
u64 bulk_fill(u64 destination, u64 count, u64 width, u64 value)
u64 bulk_compare(u64 left, u64 right, u64 count, u64 width)
u64 bulk_scan(u64 la, u64 count, u64 width, u64 value, u64 equal)
u64 now()
"""
RUNTIME_FILES = {"inline.pxi", "primitives.pxi", "memory.pxi", "blocks.pxi", "loop.pxi", "engine.pxi"}
CONTEXT = {"insn_rip", "next_rip", "opsize", "addrsize", "rep", "rep_budget", "retired", "segment"}
SIZES = {"opsize", "addrsize", "rep"}
TWIN = re.compile(r"^cdef (?:inline )?(?!class)(u64|i64|V128|void) (\w+)\(CPU \*cpu(?:, )?([^)]*)\)", re.M)


@dataclass
class Library:
    """Every callable of the texts: signatures, sources, and the facts found by following calls."""

    signatures: dict[str, Signature] = field(default_factory=dict)
    trees: dict[str, ast.FunctionDef] = field(default_factory=dict)
    modules: dict[str, object] = field(default_factory=dict)
    uses_context: set[str] = field(default_factory=set)
    uses_sizes: set[str] = field(default_factory=set)       # read cpu.opsize, addrsize or rep, or call what does
    writes_flags: set[str] = field(default_factory=set)         # sets cc_*, itself or through another
    reads_flags: set[str] = field(default_factory=set)
    twin_files: dict[str, str] = field(default_factory=dict)     # which .pxi a primitive's native twin is in
    branches: list = field(default_factory=list)        # encodings of Jcc, for fusing
    branch_module: object = None


def function_signature(tree: ast.FunctionDef) -> Signature:
    types = []
    for argument in tree.args.args[1:]:
        if argument.arg == "d":
            types.append("Decoded *")
        else:
            types.append(ast.unparse(argument.annotation) if argument.annotation else U64)
    returns = [n for n in ast.walk(tree) if isinstance(n, ast.Return) and n.value is not None]
    result = ast.unparse(tree.returns) if tree.returns else (U64 if returns else VOID)
    return Signature(tree.name, tuple(types), VOID if result == "None" else result)


def _methods_called(tree: ast.AST) -> set[str]:
    return {n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
            and isinstance(n.func.value, ast.Name) and n.func.value.id == "cpu"}


def _writes_state(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(
            node, (ast.AugAssign, ast.AnnAssign)) else []
        for target in targets:
            while isinstance(target, (ast.Subscript, ast.Attribute)):
                target = target.value
                if isinstance(target, ast.Name) and target.id == "cpu":
                    return True
    return False


def load_library() -> Library:
    """Parse every shared module and twin file, and work out which functions may fault and which only compute."""
    library = Library()
    for path in sorted(HERE.glob("*.pxi")):
        for result, name, parameters in TWIN.findall(path.read_text()):
            types = tuple(p.split()[0] for p in parameters.split(",") if p.strip())
            library.signatures[name] = Signature(name, types, result, pure=result != VOID)
            if path.name not in RUNTIME_FILES:
                library.twin_files[name] = path.name
    for line in RUNTIME.strip().splitlines():
        result, name, parameters = re.match(r"(\w+) (\w+)\((.*)\)", line).groups()
        types = tuple(p.split()[0] for p in parameters.split(",") if p.strip())
        library.signatures[name] = Signature(name, types, result)
    for module_name in (*SHARED, "decode"):
        try:
            module = importlib.import_module(f"emu.cpu.{module_name}")
        except ModuleNotFoundError as error:
            if error.name != f"emu.cpu.{module_name}":
                raise
            continue
        for node in ast.parse(Path(module.__file__).read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and (
                    node.args.args and node.args.args[0].arg == "cpu"):
                library.trees[node.name] = node
                library.modules[node.name] = module
                library.signatures[node.name] = function_signature(node)
    _follow(library)
    return library


def _follow(library: Library) -> None:
    for name, tree in library.trees.items():
        library.signatures[name].can_fault = any(isinstance(n, ast.Raise) for n in ast.walk(tree))
        library.signatures[name].pure = not _writes_state(tree)
        if any(isinstance(n, ast.Attribute) and n.attr in CONTEXT and isinstance(n.value, ast.Name)
               and n.value.id == "cpu" for n in ast.walk(tree)):
            library.uses_context.add(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("cc_"):
                (library.writes_flags if isinstance(node.ctx, ast.Store) else library.reads_flags).add(name)
        if any(isinstance(n, ast.Attribute) and n.attr in SIZES for n in ast.walk(tree)):
            library.uses_sizes.add(name)
    changed = True
    while changed:
        changed = False
        for name, tree in library.trees.items():
            own = library.signatures[name]
            for called in _methods_called(tree):
                other = library.signatures.get(called)
                if other is None:
                    continue
                if other.can_fault and not own.can_fault:
                    own.can_fault = changed = True
                if not other.pure and own.pure:
                    own.pure, changed = False, True
                if called in library.uses_sizes and name not in library.uses_sizes:
                    library.uses_sizes.add(name)
                    changed = True
                for facts in (library.uses_context, library.writes_flags, library.reads_flags):
                    if called in facts and name not in facts:
                        facts.add(name)
                        changed = True


def c_name(name: str) -> str:
    return f"{name}_shared" if name in CACHED else name


def prototype(signature: Signature, names: list[str], inline=False) -> str:
    parameters = "".join(f", {t}{'' if t.endswith('*') else ' '}{n}" for t, n in zip(signature.parameters, names))
    keyword = "cdef inline" if inline else "cdef"
    return f"{keyword} {signature.result} {c_name(signature.name)}(CPU *cpu{parameters}) noexcept nogil"


class SharedTranslator(Translator):
    """A function of `emu/cpu`: faults are recorded in the CPU and returned from at once."""

    result = VOID

    def field_type(self, name):
        if name == "rep_budget":
            return I64
        field_ = BY_NAME.get(name)
        return field_.type if field_ else None

    def read_attribute(self, node):
        owner = node.value
        if isinstance(owner, ast.Name) and owner.id == "d":
            return Value(f"d.{node.attr}", U64)
        if not (isinstance(owner, ast.Name) and owner.id == "cpu"):
            self.fail(node, f"attribute .{node.attr} is outside the subset")
        special = {"rep_budget": ("cpu.budget", I64), "retired": ("retired_now(cpu)", U64),
                   "next_rip": ("current_next_rip(cpu)", U64)}
        if node.attr in special:
            return Value(*special[node.attr])
        type_ = self.field_type(node.attr)
        if type_ is None:
            self.fail(node, f"cpu.{node.attr} is not in emu/cpu/state.py")
        return Value(f"cpu.{node.attr}", type_)

    def call_method(self, node, name, owner):
        if name == "copy":
            return self.expression(owner)
        if isinstance(owner, ast.Name) and owner.id == "cpu":
            arguments = []
            for argument in node.args:
                if isinstance(argument, ast.Name) and argument.id == "d":
                    arguments.append(Value("d", "Decoded *"))
                else:
                    arguments.append(self.expression(argument))
            if name == "vector":
                return Value(f"make_vector({', '.join(as_type(a, U64) for a in arguments)})", V128)
            signature = self.signatures.get(name)
            if signature is None:
                self.fail(node, f"cpu.{name}() is neither a shared function nor a primitive")
            return self.call_shared(node, signature, arguments)
        self.fail(node, f"call of .{name}() is outside the subset")

    def emit_fault_check(self):
        self.emit("if cpu.fault:")
        self.emit(f"    return{self.nothing()}")

    def nothing(self):
        return {VOID: "", V128: " make_vector(0, 0)"}.get(self.result, " 0")

    def emit_raise(self, vector, error):
        self.emit(f"cpu.fault = 256 | ({vector})")
        self.emit(f"cpu.fault_error = {error}")
        self.emit(f"return{self.nothing()}")

    def emit_return(self, node):
        if node.value is None:
            self.emit("return")
            return
        value = self.expression(node.value)
        actual = U64 if value.type == BOOL else value.type
        if value.constant is None and actual != self.result:
            self.fail(node, f"returns a {actual}, but its result is a {self.result}")
        self.emit(f"return {as_type(value, self.result)}")


def translate_function(library: Library, name: str) -> list[str]:
    """The Cython lines of one shared function."""
    tree, module, signature = library.trees[name], library.modules[name], library.signatures[name]
    translator = SharedTranslator(module.__file__, vars(module), library.signatures)
    translator.result = signature.result
    names = [a.arg for a in tree.args.args[1:]]
    for parameter, type_ in zip(names, signature.parameters):
        if parameter != "d":
            translator.locals[parameter] = type_
    ended = translator.body(tree.body)
    if not ended and signature.result != VOID:
        translator.emit(f"return{translator.nothing()}")
    shown = [n if n == "d" else f"v_{n}" for n in names]
    inline = module.__name__.rsplit(".", 1)[-1] in INLINE
    lines = [prototype(signature, shown, inline) + ":"]
    lines += translator.declarations(names)
    lines += translator.lines or ["    pass"]
    return lines + [""]


def tables_used(library: Library) -> dict[str, tuple]:
    """Constant tuples of numbers that shared functions index, by name."""
    found = {}
    for name, tree in library.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
                table = vars(library.modules[name]).get(node.value.id)
                if isinstance(table, tuple):
                    if found.setdefault(node.value.id, table) != table:
                        raise ValueError(f"two different tables are called {node.value.id}")
    return found


__all__ = ["CONTEXT", "I64", "INLINE", "Library", "c_name", "load_library", "prototype", "tables_used",
           "translate_function"]

"""The translator: what the subset means in Cython, and that everything outside of it is refused with its place."""

import ast
import sys
import textwrap

import pytest

from cext.translate.handlers import HandlerTranslator
from cext.translate.shared import Library, SharedTranslator, load_library, translate_function
from cext.translate.subset import SubsetError
from emu.isa import language
from emu.isa.registry import all_encodings


def translate(source):
    tree = ast.parse(textwrap.dedent(source)).body[0]
    translator = SharedTranslator("text.py", vars(language), load_library().signatures)
    translator.result = "u64"
    for argument in tree.args.args[1:]:
        translator.locals[argument.arg] = ast.unparse(argument.annotation) if argument.annotation else "u64"
    translator.body(tree.body)
    return "\n".join(translator.lines)


@pytest.mark.parametrize("body, said", [
    ("x = [1]", "List is outside the subset"),
    ("a, b = 1, 2", "outside the subset"),
    ("x = 1.5", "not an integer"),
    ("x = 'text'", "not an integer"),
    ("x = unknown", "'unknown' is neither assigned before nor a constant"),
    ("x = cpu.no_such_field", "not in emu/cpu/state.py"),
    ("cpu.no_such_function()", "neither a shared function nor a primitive"),
    ("x = cpu.read_memory(DS, 0)", "takes 3 arguments, got 2"),
    ("x = signed(a, 8) + a", "mixes signed and unsigned"),
    ("raise ValueError(1)", "only `raise Fault"),
    ("x = a and cpu.pop(64)", "may fault"),
    ("for x in a: pass", "only `for name in range"),
    ("with a: pass", "With is outside the subset"),
    ("x = a if a < 1 < 2 else 0", "only a single"),
    ("x = signed(a, 8)\n    x = a", "was a i64 before and is now a u64"),
])
def test_what_is_outside_is_refused_with_its_line(body, said):
    with pytest.raises(SubsetError) as error:
        translate(f"def f(cpu, a):\n    {body}\n")
    assert said in str(error.value)
    assert str(error.value).startswith("text.py:2") or str(error.value).startswith("text.py:3")


def test_constants_above_31_bits_are_unsigned_long_longs():
    assert "0xFFFFFFFF00000000ULL" in translate("def f(cpu, a):\n    return a & ~0xFFFFFFFF\n")


def test_a_fault_returns_at_once():
    text = translate("def f(cpu, a):\n    x = cpu.pop(64)\n    cpu.cr2 = x\n    return x\n")
    lines = [line.strip() for line in text.splitlines()]
    assert lines[lines.index("if cpu.fault:") + 1] == "return 0"
    assert lines.index("if cpu.fault:") < next(n for n, line in enumerate(lines) if line.startswith("cpu.cr2"))


def test_every_shared_text_is_in_the_subset():
    library: Library = load_library()
    for name in library.trees:
        assert translate_function(library, name)[0].startswith("cdef")


def test_facts_are_found_through_calls():
    library = load_library()
    assert library.signatures["push"].can_fault and library.signatures["pop"].can_fault
    assert not library.signatures["is_canonical"].can_fault and library.signatures["is_canonical"].pure
    assert {"condition", "carry"} <= library.reads_flags and "flags_replace" in library.writes_flags


def test_a_read_inside_a_flags_call_is_refused():
    # The version without flags leaves the call out, and the fault of the read would go with it.
    encoding = next(e for e in all_encodings() if e.instruction.name == "add")
    library, module = load_library(), sys.modules[encoding.instruction.meaning.__module__]
    translator = HandlerTranslator(module.__file__, vars(module), library.signatures)
    translator.setup(library, encoding, 32, True, True, "cold", None)
    with pytest.raises(SubsetError, match="read into a local before"):
        translator.body(ast.parse("cpu.flags_logic(dst.read(), dst.width)").body)

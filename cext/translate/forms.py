"""What the compiled engine must know of an encoding to build its decoded instruction: forms and register classes."""


def register_class(encoding, kinds):
    """How the compiled engine addresses the operand that `kinds` of ModRM field names (see slot_offset in cext)."""
    for operand in encoding.operands:
        if operand.kind in kinds:
            if operand.kind in "EGRZ":
                return 2 if operand.size == 8 else 1
            return 3 if operand.kind in "VWU" else 4 if operand.kind in "PQN" else 5
    return 0


def encoding_info(encoding):
    """(keys of the six forms by operand size and memory, classes of reg and rm, kind of immediates) of an encoding."""
    entry = encoding.instruction
    keys = []
    sizes = encoding.opsizes()
    for opsize in (16, 32, 64):
        size = opsize if opsize in sizes else (0 if sizes == (0,) else 32 if opsize == 16 else opsize)
        for memory in (False, True):
            has = encoding.has_memory_form and encoding.modrm if memory else encoding.has_register_form or not encoding.modrm
            if any(o.kind == "M" for o in encoding.operands):
                has = memory
            keys.append(f"{entry.name}|{encoding.text}|{size}|{'m' if memory else 'r'}" if has else "")
    kinds = [o.kind for o in encoding.operands]
    immediates = sum(k in ("I", "S") for k in kinds)
    special = 2 if "O" in kinds else 1 if immediates == 2 or any(o.size == "p" and o.kind == "I" for o in encoding.operands) else 0
    rm = register_class(encoding, "ERWUQNF")
    if encoding.plus_r:
        rm = register_class(encoding, "Z") or rm
    return keys, register_class(encoding, "GVPCDT"), rm, special

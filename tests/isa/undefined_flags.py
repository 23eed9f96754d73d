"""The flags each instruction leaves undefined: bits that a comparison with another processor ignores.

From the "Flags Affected" tables of APM vol. 3, chapter 3 (SDM vol. 1, appendix A.1 agrees unless said otherwise).
What Ringzero sets them to is in each instruction's docstring; both engines set the same.
"""

from emu.isa.language import AF, CF, OF, PF, SF, ZF

UNDEFINED: dict[str, int] = {
    "AND": AF, "OR": AF, "XOR": AF, "TEST": AF,
    # OF is defined for a count of 1 only, CF of SHL and SHR not for counts of the operand size or more.
    "SHL": AF | OF | CF, "SHR": AF | OF | CF, "SAR": AF | OF,
    "SHLD": AF | OF, "SHRD": AF | OF,
    "ROL": OF, "ROR": OF, "RCL": OF, "RCR": OF,
    "BT": OF | SF | AF | PF, "BTS": OF | SF | AF | PF, "BTR": OF | SF | AF | PF, "BTC": OF | SF | AF | PF,
    "BSF": OF | SF | AF | PF | CF, "BSR": OF | SF | AF | PF | CF,
    "MUL": SF | ZF | AF | PF, "IMUL": SF | ZF | AF | PF,
    "DIV": OF | SF | ZF | AF | PF | CF, "IDIV": OF | SF | ZF | AF | PF | CF,
    "AAA": OF | SF | ZF | PF, "AAS": OF | SF | ZF | PF,
    "AAM": OF | AF | CF, "AAD": OF | AF | CF,
    "DAA": OF, "DAS": OF,
}

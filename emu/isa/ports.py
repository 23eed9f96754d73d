"""Ports: IN, OUT and their string forms (APM vol. 3, chapter 3).

Who may use a port is asked first, then whether a guest's host wants it, then whatever concerns memory (vol. 2, 15.10.2).
"""

from emu.isa.exits import IO_IN, IO_STRING
from emu.isa.language import ACCESS_WRITE, RCX, RDI, RSI
from emu.isa.registry import instruction


@instruction("IN", "E4 ib AL,Ib", "E5 ib eAX,Ib", "EC AL,DX", "ED eAX,DX", serialize=True)
def in_(cpu, dst, port):
    """dst = port. #GP(0) unless IOPL or the task's I/O permission bitmap allows it."""
    number = port.read()
    cpu.require_port(number, dst.width >> 3)
    cpu.intercept_port(number, dst.width >> 3, IO_IN, 0)
    dst.write(dst.wrap(cpu.port_read(number, dst.width >> 3)))
    cpu.meet_port(number, dst.width >> 3)


@instruction("OUT", "E6 ib Ib,AL", "E7 ib Ib,eAX", "EE DX,AL", "EF DX,eAX", serialize=True)
def out(cpu, port, src):
    """Port = src. #GP(0) as IN."""
    number = port.read()
    cpu.require_port(number, src.width >> 3)
    cpu.intercept_port(number, src.width >> 3, 0, 0)
    cpu.port_write(number, src.width >> 3, src.read())
    cpu.meet_port(number, src.width >> 3)


@instruction("INS", "6C Yb,DX", "6D Yz,DX", rep="rep")
def ins(cpu, dst, port):
    """ES:rDI = port. Memory is checked before the port is read."""
    number = port.read()
    cpu.require_port(number, dst.width >> 3)
    cpu.intercept_port(number, dst.width >> 3, IO_IN | IO_STRING, dst.segment)
    if cpu.rep and cpu.read_address_register(RCX) == 0:
        return
    while True:
        offset = cpu.read_address_register(RDI)
        cpu.probe_memory(dst.segment, offset, dst.width >> 3, ACCESS_WRITE)
        cpu.write_memory(dst.segment, offset, dst.width, dst.wrap(cpu.port_read(number, dst.width >> 3)))
        cpu.meet_port(number, dst.width >> 3)
        cpu.string_step(RDI, dst.width)
        if cpu.rep == 0 or cpu.repeat_again() == 0:
            return


@instruction("OUTS", "6E DX,Xb", "6F DX,Xz", rep="rep")
def outs(cpu, port, src):
    """Port = DS:rSI."""
    number = port.read()
    cpu.require_port(number, src.width >> 3)
    cpu.intercept_port(number, src.width >> 3, IO_STRING, src.segment)
    if cpu.rep and cpu.read_address_register(RCX) == 0:
        return
    while True:
        value = cpu.read_memory(src.segment, cpu.read_address_register(RSI), src.width)
        cpu.port_write(number, src.width >> 3, value)
        cpu.meet_port(number, src.width >> 3)
        cpu.string_step(RSI, src.width)
        if cpu.rep == 0 or cpu.repeat_again() == 0:
            return

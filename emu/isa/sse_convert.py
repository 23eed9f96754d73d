"""SSE and SSE2 conversions between integers, singles and doubles (APM vol. 4).

What does not fit an integer becomes the most negative one, and IE is raised. Forms with MM registers enter MMX mode;
CVTPI2PS and CVTPI2PD from memory do not, nor do they raise #MF.
"""

from emu.isa.registry import instruction


@instruction("CVTSI2SD", "F2 0F 2A /r Vq,Ey", requires="sse")
def cvtsi2sd(cpu, dst, src):
    """dst = src, an integer of 32 (with REX.W 64) bits, as a double; the rest of dst stays."""
    cpu.fp_begin()
    a = src.read()
    if src.width == 64:
        result = cpu.f64_from_i64(a)
    else:
        result = cpu.f64_from_i32(a)
    cpu.fp_end()
    dst.write(result)


@instruction("CVTSD2SI", "F2 0F 2D /r Gy,Wq", requires="sse")
def cvtsd2si(cpu, dst, src):
    """dst = src, a double, rounded to an integer of 32 (with REX.W 64) bits."""
    cpu.fp_begin()
    a = src.read()
    if dst.width == 64:
        result = cpu.f64_to_i64(a)
    else:
        result = cpu.f64_to_i32(a)
    cpu.fp_end()
    dst.write(result)


@instruction("CVTTSD2SI", "F2 0F 2C /r Gy,Wq", requires="sse")
def cvttsd2si(cpu, dst, src):
    """dst = src, a double, truncated to an integer of 32 (with REX.W 64) bits."""
    cpu.fp_begin()
    a = src.read()
    if dst.width == 64:
        result = cpu.f64_to_i64_truncate(a)
    else:
        result = cpu.f64_to_i32_truncate(a)
    cpu.fp_end()
    dst.write(result)


@instruction("CVTSI2SS", "F3 0F 2A /r Vd,Ey", requires="sse")
def cvtsi2ss(cpu, dst, src):
    """dst = src, an integer of 32 (with REX.W 64) bits, as a single; the rest of dst stays."""
    cpu.fp_begin()
    a = src.read()
    if src.width == 64:
        result = cpu.f32_from_i64(a)
    else:
        result = cpu.f32_from_i32(a)
    cpu.fp_end()
    dst.write(result)


@instruction("CVTSS2SI", "F3 0F 2D /r Gy,Wd", requires="sse")
def cvtss2si(cpu, dst, src):
    """dst = src, a single, rounded to an integer of 32 (with REX.W 64) bits."""
    cpu.fp_begin()
    a = src.read()
    if dst.width == 64:
        result = cpu.f32_to_i64(a)
    else:
        result = cpu.f32_to_i32(a)
    cpu.fp_end()
    dst.write(result)


@instruction("CVTTSS2SI", "F3 0F 2C /r Gy,Wd", requires="sse")
def cvttss2si(cpu, dst, src):
    """dst = src, a single, truncated to an integer of 32 (with REX.W 64) bits."""
    cpu.fp_begin()
    a = src.read()
    if dst.width == 64:
        result = cpu.f32_to_i64_truncate(a)
    else:
        result = cpu.f32_to_i32_truncate(a)
    cpu.fp_end()
    dst.write(result)


@instruction("CVTSD2SS", "F2 0F 5A /r Vd,Wq", requires="sse")
def cvtsd2ss(cpu, dst, src):
    """Low single of dst = src, a double; the rest of dst stays."""
    cpu.fp_begin()
    result = cpu.f32_from_f64(src.read())
    cpu.fp_end()
    dst.write(result)


@instruction("CVTSS2SD", "F3 0F 5A /r Vq,Wd", requires="sse")
def cvtss2sd(cpu, dst, src):
    """Low double of dst = src, a single; the rest of dst stays."""
    cpu.fp_begin()
    result = cpu.f64_from_f32(src.read())
    cpu.fp_end()
    dst.write(result)


@instruction("CVTPS2PD", "NP 0F 5A /r Vdq,Wq", requires="sse")
def cvtps2pd(cpu, dst, src):
    """dst = the two low singles of src as doubles."""
    cpu.fp_begin()
    a = src.read()
    low = cpu.f64_from_f32(a & 0xFFFFFFFF)
    high = cpu.f64_from_f32(a >> 32)
    cpu.fp_end()
    dst.write_vector(cpu.vector(low, high))


@instruction("CVTPD2PS", "66 0F 5A /r Vdq,Wdq", requires="sse")
def cvtpd2ps(cpu, dst, src):
    """dst = the two doubles of src as singles; upper half zero."""
    cpu.fp_begin()
    a = src.vector()
    low = cpu.f32_from_f64(a.u64[0])
    high = cpu.f32_from_f64(a.u64[1])
    cpu.fp_end()
    dst.write_vector(cpu.vector(low | (high << 32), 0))


@instruction("CVTDQ2PS", "NP 0F 5B /r Vdq,Wdq", requires="sse")
def cvtdq2ps(cpu, dst, src):
    """dst = the four 32-bit integers of src as singles."""
    cpu.fp_begin()
    a = src.vector()
    r = cpu.vector(0, 0)
    for i in range(4):
        r.u32[i] = cpu.f32_from_i32(a.u32[i])
    cpu.fp_end()
    dst.write_vector(r)


@instruction("CVTDQ2PD", "F3 0F E6 /r Vdq,Wq", requires="sse")
def cvtdq2pd(cpu, dst, src):
    """dst = the two low 32-bit integers of src as doubles."""
    cpu.fp_begin()
    a = src.read()
    low = cpu.f64_from_i32(a & 0xFFFFFFFF)
    high = cpu.f64_from_i32(a >> 32)
    cpu.fp_end()
    dst.write_vector(cpu.vector(low, high))


@instruction("CVTPS2DQ", "66 0F 5B /r Vdq,Wdq", requires="sse")
def cvtps2dq(cpu, dst, src):
    """dst = the four singles of src, rounded to 32-bit integers."""
    cpu.fp_begin()
    a = src.vector()
    r = cpu.vector(0, 0)
    for i in range(4):
        r.u32[i] = cpu.f32_to_i32(a.u32[i])
    cpu.fp_end()
    dst.write_vector(r)


@instruction("CVTTPS2DQ", "F3 0F 5B /r Vdq,Wdq", requires="sse")
def cvttps2dq(cpu, dst, src):
    """dst = the four singles of src, truncated to 32-bit integers."""
    cpu.fp_begin()
    a = src.vector()
    r = cpu.vector(0, 0)
    for i in range(4):
        r.u32[i] = cpu.f32_to_i32_truncate(a.u32[i])
    cpu.fp_end()
    dst.write_vector(r)


@instruction("CVTPD2DQ", "F2 0F E6 /r Vdq,Wdq", requires="sse")
def cvtpd2dq(cpu, dst, src):
    """dst = the two doubles of src, rounded to 32-bit integers; upper half zero."""
    cpu.fp_begin()
    a = src.vector()
    low = cpu.f64_to_i32(a.u64[0])
    high = cpu.f64_to_i32(a.u64[1])
    cpu.fp_end()
    dst.write_vector(cpu.vector(low | (high << 32), 0))


@instruction("CVTTPD2DQ", "66 0F E6 /r Vdq,Wdq", requires="sse")
def cvttpd2dq(cpu, dst, src):
    """dst = the two doubles of src, truncated to 32-bit integers; upper half zero."""
    cpu.fp_begin()
    a = src.vector()
    low = cpu.f64_to_i32_truncate(a.u64[0])
    high = cpu.f64_to_i32_truncate(a.u64[1])
    cpu.fp_end()
    dst.write_vector(cpu.vector(low | (high << 32), 0))


@instruction("CVTPI2PS", "NP 0F 2A /r Vq,Qq", requires="sse")
def cvtpi2ps(cpu, dst, src):
    """Low half of dst = the two 32-bit integers of src as singles."""
    if not src.is_memory:
        cpu.require_mmx()
    cpu.fp_begin()
    a = src.read()
    low = cpu.f32_from_i32(a & 0xFFFFFFFF)
    high = cpu.f32_from_i32(a >> 32)
    cpu.fp_end()
    if not src.is_memory:
        cpu.enter_mmx()
    dst.write(low | (high << 32))


@instruction("CVTPI2PD", "66 0F 2A /r Vdq,Qq", requires="sse")
def cvtpi2pd(cpu, dst, src):
    """dst = the two 32-bit integers of src as doubles."""
    if not src.is_memory:
        cpu.require_mmx()
    cpu.fp_begin()
    a = src.read()
    low = cpu.f64_from_i32(a & 0xFFFFFFFF)
    high = cpu.f64_from_i32(a >> 32)
    cpu.fp_end()
    if not src.is_memory:
        cpu.enter_mmx()
    dst.write_vector(cpu.vector(low, high))


@instruction("CVTPS2PI", "NP 0F 2D /r Pq,Wq", requires="sse")
def cvtps2pi(cpu, dst, src):
    """dst = the two low singles of src, rounded to 32-bit integers."""
    cpu.require_mmx()
    cpu.fp_begin()
    a = src.read()
    low = cpu.f32_to_i32(a & 0xFFFFFFFF)
    high = cpu.f32_to_i32(a >> 32)
    cpu.fp_end()
    cpu.enter_mmx()
    dst.write(low | (high << 32))


@instruction("CVTTPS2PI", "NP 0F 2C /r Pq,Wq", requires="sse")
def cvttps2pi(cpu, dst, src):
    """dst = the two low singles of src, truncated to 32-bit integers."""
    cpu.require_mmx()
    cpu.fp_begin()
    a = src.read()
    low = cpu.f32_to_i32_truncate(a & 0xFFFFFFFF)
    high = cpu.f32_to_i32_truncate(a >> 32)
    cpu.fp_end()
    cpu.enter_mmx()
    dst.write(low | (high << 32))


@instruction("CVTPD2PI", "66 0F 2D /r Pq,Wdq", requires="sse")
def cvtpd2pi(cpu, dst, src):
    """dst = the two doubles of src, rounded to 32-bit integers."""
    cpu.require_mmx()
    cpu.fp_begin()
    a = src.vector()
    low = cpu.f64_to_i32(a.u64[0])
    high = cpu.f64_to_i32(a.u64[1])
    cpu.fp_end()
    cpu.enter_mmx()
    dst.write(low | (high << 32))


@instruction("CVTTPD2PI", "66 0F 2C /r Pq,Wdq", requires="sse")
def cvttpd2pi(cpu, dst, src):
    """dst = the two doubles of src, truncated to 32-bit integers."""
    cpu.require_mmx()
    cpu.fp_begin()
    a = src.vector()
    low = cpu.f64_to_i32_truncate(a.u64[0])
    high = cpu.f64_to_i32_truncate(a.u64[1])
    cpu.fp_end()
    cpu.enter_mmx()
    dst.write(low | (high << 32))

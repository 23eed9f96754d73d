"""Structures of the Linux ABI as text, as strace writes them: in braces, the fields that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emu.guest import names

if TYPE_CHECKING:
    from emu.guest.layout import Struct

#: The fields shown unless all are wanted.
_BRIEF = {
    "kstat": ("st_mode", "st_size"), "utsname": ("sysname", "nodename"), "kstatfs": ("f_type", "f_bsize", "f_blocks", "f_bfree"),
    "rusage": ("ru_utime", "ru_stime"), "sysinfo": ("uptime", "totalram", "freeram"),
    "termios": ("c_iflag", "c_oflag", "c_cflag", "c_lflag"), "statx": ("stx_mask", "stx_mode", "stx_size"),
}

#: What an ioctl points to, and whether the kernel writes it. Others are numbers.
_IOCTLS = {
    "TCGETS": ("termios", True), "TCSETS": ("termios", False), "TCSETSW": ("termios", False), "TCSETSF": ("termios", False),
    "TIOCGWINSZ": ("winsize", True), "TIOCSWINSZ": ("winsize", False), "TIOCGPGRP": ("int", True), "TIOCSPGRP": ("int", False),
    "TIOCGSID": ("int", True), "FIONREAD": ("int", True), "TIOCOUTQ": ("int", True), "FIONBIO": ("int", False),
    "TIOCGPTN": ("int", True), "TIOCSPTLCK": ("int", False), "BLKGETSIZE64": ("u64", True), "BLKSSZGET": ("int", True),
}

_TERMIOS = {
    "c_iflag": "IGNBRK BRKINT IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL IUTF8",
    "c_oflag": "OPOST OLCUC ONLCR OCRNL ONOCR ONLRET OFILL OFDEL",
    "c_lflag": "ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP ECHOCTL ECHOPRT ECHOKE FLUSHO - PENDIN IEXTEN EXTPROC",
}
_NAMES = {"termios": {name: f"c_{name}" for name in ("iflag", "oflag", "cflag", "lflag", "line", "cc")},
          "winsize": {"rows": "ws_row", "columns": "ws_col", "xpixel": "ws_xpixel", "ypixel": "ws_ypixel"}}
_UTIMES = {(1 << 30) - 1: "UTIME_NOW", (1 << 30) - 2: "UTIME_OMIT"}


def ioctl_argument(command: str) -> tuple[str, bool]:
    """The type that the command's argument points to ("": it is a number), and whether the kernel writes it."""
    return _IOCTLS.get(command, ("", False))


def text(value: Struct, verbose: bool = False) -> str:
    """Any structure in guest memory. Raises NotMapped."""
    name = value._type.name
    renamed = _NAMES.get(name, {})
    fields = {field: renamed.get(field, field.rstrip("_")) for field in value._type.fields if not field.startswith(("pad", "unused", "f_spare"))}
    if name == "sigaction":
        return _sigaction(value)
    brief = () if verbose else _BRIEF.get(name, ())
    shown = [f"{label}={_field(label, getattr(value, field), verbose)}" for field, label in fields.items() if not brief or label in brief]
    return "{" + ", ".join(shown + ["..."] * bool(brief)) + "}"


def _field(name: str, content: Any, verbose: bool) -> str:
    if name in ("st_mode", "stx_mode"):
        return mode(content)
    if name in ("st_dev", "st_rdev"):
        return device(content)
    if name in _TERMIOS:
        return _termios(name, content)
    if isinstance(content, str):
        return f'"{content}"'
    if isinstance(content, list):
        return f"[{', '.join(map(str, content))}]"
    if name == "ss_flags":
        return {0: "0", 1: "SS_ONSTACK", 2: "SS_DISABLE"}.get(content, hex(content))
    if name.startswith(("ss_sp", "c_cflag", "f_type", "stx_mask")) or name.endswith("_addr"):
        return hex(content)
    return text(content, verbose) if hasattr(content, "_type") else str(content)


def _termios(name: str, flags: int) -> str:
    found = [word for bit, word in enumerate(_TERMIOS[name].split()) if flags >> bit & 1]
    return "|".join(found) or "0"


def _sigaction(value: Struct) -> str:
    handler = {0: "SIG_DFL", 1: "SIG_IGN"}.get(value.handler) or hex(value.handler)
    more = f", sa_restorer={value.restorer:#x}" if value.flags & 0x4000000 else ""
    return f"{{sa_handler={handler}, sa_mask={signal_set(value.mask)}, sa_flags={names.value('sigaction_flags', value.flags)}{more}}}"


def mode(value: int) -> str:
    """S_IFREG|0644"""
    kind = names.value("file_type", value & ~0o777)
    return f"{kind}|0{value & 0o777:o}" if kind != "0" else f"0{value & 0o777:o}"


def device(value: int) -> str:
    major = value >> 8 & 0xFFF | value >> 32 & 0xFFFFF000
    minor = value & 0xFF | value >> 12 & 0xFFFFFF00
    return f"makedev({major:#x}, {minor:#x})"


def time(data: bytes) -> str:
    """16 bytes of a timespec, with the two words that utimensat knows."""
    seconds, nanoseconds = (int.from_bytes(data[n : n + 8], "little", signed=True) for n in (0, 8))
    return _UTIMES.get(nanoseconds) or f"{{tv_sec={seconds}, tv_nsec={nanoseconds}}}"


def signal_set(bits: int) -> str:
    """[INT CHLD]; of a set that has most signals what it lacks: ~[KILL]."""
    inverted = bits.bit_count() > 32
    if inverted:
        bits ^= (1 << 64) - 1
    found = [names.signal(n + 1).removeprefix("SIG") for n in range(64) if bits >> n & 1]
    return f"{'~' * inverted}[{' '.join(found)}]"


def wait_status(status: int) -> str:
    """What a status of wait4 says, in the macros that take it apart."""
    if status == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    if status & 0xFF == 0x7F:
        return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {names.signal(status >> 8 & 0xFF)}}}"
    if status & 0x7F:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        return f"{{WIFSIGNALED(s) && WTERMSIG(s) == {names.signal(status & 0x7F)}{core}}}"
    return f"{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}"


def socket_address(data: bytes) -> str:
    """A struct sockaddr of as many bytes as the call says."""
    if len(data) < 2:
        return "{}"
    family = int.from_bytes(data[:2], "little")
    name = names.value("socket_domain", family)
    if name == "AF_UNIX":
        path = data[2:]
        if path[:1] == b"\0" and len(path) > 1:
            return f"{{sa_family=AF_UNIX, sun_path=@{quoted(path[1:], 108)}}}"
        return f"{{sa_family=AF_UNIX, sun_path={quoted(path.split(bytes(1))[0], 108)}}}" if path else "{sa_family=AF_UNIX}"
    if name == "AF_INET" and len(data) >= 8:
        port = int.from_bytes(data[2:4], "big")
        return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{".".join(map(str, data[4:8]))}")}}'
    if name == "AF_NETLINK" and len(data) >= 12:
        return f"{{sa_family=AF_NETLINK, nl_pid={int.from_bytes(data[4:8], 'little')}, nl_groups={int.from_bytes(data[8:12], 'little'):08x}}}"
    return f"{{sa_family={name}, sa_data={quoted(data[2:], 14)}}}"

_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}


def quoted(data: bytes, limit: int, more: bool = False) -> str:
    """`data` as a C string of at most `limit` characters; dots say that it goes on."""
    shown = data[:limit]
    text = ""
    for position, byte in enumerate(shown):
        if byte in _ESCAPES:
            text += _ESCAPES[byte]
        elif 32 <= byte < 127:
            text += chr(byte)
        else:
            following = shown[position + 1 : position + 2]
            text += f"\\{byte:03o}" if following.isdigit() else f"\\{byte:o}"
    return f'"{text}"{"..." if more or len(data) > limit else ""}'

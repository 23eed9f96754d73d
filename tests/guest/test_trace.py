"""System calls watched from outside: what is said of each, by which process, and that the guest can't tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emu.engines import available
from emu.errors import ConfigurationError, ImageError
from emu.guest.kernel import GuestKernel
from emu.guest.trace import Call, Exit, Lines, Signal, Tracer, trace
from emu.machine.result import Reason
from guestos import syscalls
from tests.guest.conftest import SOURCE
from tests.guestos import ours

LINE = "quiet init=/bin/traced"
PIPELINE = "cat /etc/hostname | wc -c; exit 3"


def lines_of(computer: ours.Computer, **options) -> list[str]:
    """The trace's lines, without the counts."""
    found: list[str] = []
    lines = Lines(found.append)
    result = Tracer(GuestKernel(computer, ours.guest().kernel), lines, **options).run(ours.PATIENCE)
    lines.pause()
    assert result.reason is Reason.POWER_OFF
    return found


def expected() -> list[str]:
    return re.findall(r"//= (.*)", SOURCE.read_text())


def matches(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None


@pytest.mark.parametrize("engine", available())
def test_every_call_of_a_known_program(disk, engine):
    """`traced` makes each call once, and says what its line has to be."""
    with ours.Computer(disk, LINE, engine, memory="16M") as computer:
        found = [line.split(maxsplit=2)[2] for line in lines_of(computer)]
    start = next(number for number, line in enumerate(found) if line.startswith("getppid"))
    for pattern, line in zip(expected(), found[start:], strict=True):
        assert matches(pattern, line), f"expected {pattern}\n   found {line}"


def test_the_guest_cannot_tell(disk):
    """Traced or not, the same instructions end in the same state."""
    ours.require_compiled()
    digests = []
    for traced in (False, True):
        with ours.Computer(disk, ours.command_line("traced; ls | wc")) as computer:
            if traced:
                assert len(lines_of(computer)) > 150
            else:
                computer.finish()
            digests.append((computer.retired, computer.digest()))
    assert digests[0] == digests[1]


def test_both_engines_trace_the_same(disk):
    traces = []
    for engine in available():
        with ours.Computer(disk, LINE, engine, memory="16M") as computer:
            traces.append(lines_of(computer))
    assert all(one == traces[0] for one in traces) and len(traces[0]) > 50


@pytest.fixture(scope="module")
def events(disk) -> list:
    """Of a pipeline in the guest's shell."""
    ours.require_compiled()
    with ours.Computer(disk, ours.command_line(PIPELINE)) as computer:
        return list(trace(GuestKernel(computer, ours.guest().kernel)))


def test_processes_of_a_pipeline(events):
    programs = {call.pid: call.arguments[0] for call in events if isinstance(call, Call) and call.name == "execve"}
    shell, cat, wc = sorted(programs)
    assert [programs[pid] for pid in (shell, cat, wc)] == ['"/bin/sh"', '"/bin/cat"', '"/bin/wc"']
    assert {event.pid: event.status for event in events if isinstance(event, Exit)} == {1: 3 << 8, shell: 3 << 8, cat: 0, wc: 0}
    forks = [call.result for call in events if isinstance(call, Call) and call.name == "fork" and call.pid == shell]
    assert forks == [cat, wc]


def test_events_say_when(events):
    """In the order in which calls were over; each after it had begun, and never two of one process at once."""
    ends = [event.returned if isinstance(event, Call) else event.at for event in events]
    assert ends == sorted(ends)
    busy: dict[int, int] = {}
    for call in sorted((event for event in events if isinstance(event, Call)), key=lambda call: call.entered):
        assert call.entered < call.returned and call.entered >= busy.get(call.pid, 0)
        busy[call.pid] = call.returned


def test_blocked_call_goes_over_what_others_do(events):
    wait = next(call for call in events if isinstance(call, Call) and call.name == "wait4" and call.program == "sh")
    assert any(wait.entered < call.entered and call.returned < wait.returned for call in events
               if isinstance(call, Call) and call.name == "execve")


def test_signals_have_sender_and_cause(disk):
    ours.require_compiled()
    with ours.Computer(disk, ours.command_line("traced; true")) as computer:
        signals = [event for event in trace(GuestKernel(computer, ours.guest().kernel)) if isinstance(event, Signal)]
    assert [(event.signal, event.code, event.sender == event.pid) for event in signals] == [("SIGUSR1", 0, True)]


def test_chosen_calls_and_tasks(disk):
    ours.require_compiled()
    with ours.Computer(disk, ours.command_line(PIPELINE)) as computer:
        found = lines_of(computer, calls=["%uts", "execve"], wanted=lambda task: task.pid != 1)
    assert [line.split()[2].partition("(")[0] for line in found if "+++" not in line] == ["execve"] * 3


def test_limit_is_exact_and_calls_may_be_left_over(disk):
    ours.require_compiled()
    with ours.Computer(disk, ours.command_line("sleep 1")) as computer:
        kernel = GuestKernel(computer, ours.guest().kernel)
        tracer = Tracer(kernel, lambda event: None)
        for limit in (100_000, 1, 77_777, 50_000):
            before = computer.retired
            assert tracer.run(limit).reason is Reason.LIMIT and computer.retired == before + limit
        assert [call.name for call in tracer.unfinished()][:1] == ["wait4"]
        assert computer.run(1000).reason is Reason.LIMIT       # no breakpoint is left behind


def test_unknown_names_and_kernels(disk):
    with ours.Computer(disk, LINE) as computer:
        kernel = GuestKernel(computer, ours.guest().kernel)
        with pytest.raises(ConfigurationError, match="no system call 'opne'"):
            Tracer(kernel, print, calls=["opne"])
    program = Path(ours.CACHE / "traced").read_bytes()
    with pytest.raises(ImageError, match="no debugging information|no symbol"):
        Tracer(GuestKernel(computer, program), print)


def test_every_type_of_the_table_can_be_written():
    """Each argument's type is a C integer, a structure, a set of names, or has its own way of being written."""
    from emu.guest import decode, names

    for call in syscalls.load():
        for argument in call.arguments:
            word = decode._word(argument)
            known = word in decode._SIGNED or word in decode._UNSIGNED or word in names.CHOICES or word in names.BITS
            known = known or "struct " in argument.type or hasattr(decode._Values, f"_{word}") or word in ("tid_address", "futex_word")
            assert known, f"{call.name}: nobody knows how to write {argument.type}"

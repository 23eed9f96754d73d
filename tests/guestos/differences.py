"""Where the guest and the Linux that is the oracle give different verdicts on a property of guestos/user/tests.

One row a reason. A property that fails on a system without being listed for it fails the tests, and so does one that
is listed and holds: the row then goes. "linux" is the host's kernel, "guest" ours, on whatever machine.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """On `system` the properties `names` don't hold, because `why`."""

    system: str
    why: str
    names: str      #: separated by spaces


DIFFERENCES = (
    Difference("linux", "Linux has io_uring, bpf and perf_event_open; the guest never will",
               "deliberately_absent_calls_are_ENOSYS"),
    Difference("guest", "some calls on processes and signals are not there yet",
               "RLIMIT_CPU_sends_SIGXCPU RLIMIT_NPROC_bounds_a_users_processes a_parents_death_signal_comes "
               "getrusage_tells_of_oneself_and_of_children "
               "privileged_calls_are_EPERM_to_users"),
    Difference("guest", "memory calls that are not finished",
               "dev_zero_maps_as_anonymous_memory splitting_and_joining_leaves_one_mapping "
               "RLIMIT_AS_bounds_the_address_space RLIMIT_DATA_bounds_private_writable_memory RLIMIT_DATA_bounds_the_break "
               "madvise_errors mincore_tells_what_is_there mremap_moves_to_a_fixed_place "
               "mremap_of_shared_memory_stays_shared neighbours_of_one_kind_become_one "
               "proc_self_maps_shows_stack_and_protection"),
)  # fmt: skip


def listed(system: str) -> dict[str, str]:
    """Name and reason of each property that is known not to hold on `system`."""
    return {name: row.why for row in DIFFERENCES if row.system == system for name in row.names.split()}

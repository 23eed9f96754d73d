"""The isolation properties by number: what each says, and where it is proved.

A proof is `PROGRAM:PROPERTY` (a program of tests/guestos/programs, which runs in the guest and, where that is allowed, on
Linux), `FILE::TEST` (a test of this suite), or "" with the reason why there is none so far.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Property:
    """`proofs` all belong to it; `missing` is what is not proved."""

    number: str
    says: str
    proofs: tuple[str, ...] = ()
    missing: str = ""


def _p(number: str, says: str, *proofs: str, missing: str = "") -> Property:
    return Property(number, says, proofs, missing)


_SVM, _BOX = "system/test_svm_", "guestos/test_box.py::"
CATALOGUE = (
    _p("C1", "the first child after unshare(NEWPID) is number 1, and the caller keeps its own", "nstests:the_first_child_is_number_one"),
    _p("C2", "a second unshare(NEWPID), or setns to an ancestor, is EINVAL", "nstests:a_second_unshare_of_pids_is_refused"),
    _p("C3", "an outsider cannot be killed, by number or by kill(-1)", "nstests:outsiders_cannot_be_killed"),
    _p("C4", "the namespace's init survives what its family sends", "nstests:init_survives_its_family"),
    _p("C5", "from the parent namespace SIGKILL kills it, SIGTERM does not, and si_pid reads 0", "nstests:init_is_killed_from_outside"),
    _p("C6", "with init everybody dies, and a later fork is ENOMEM", "nstests:with_init_everybody_dies"),
    _p("C7", "orphans become init's", "nstests:orphans_become_inits"),
    _p("C8", "32 nested pid namespaces; the 33rd is ENOSPC", "nstests:pid_namespaces_nest_thirty_two_deep"),
    _p("C9", "a fresh proc mount lists members, an inherited one outsiders too", "nstests:a_fresh_proc_lists_members"),
    _p("C10", "the host name is copied, then diverges", "nstests:the_host_name_is_copied_and_diverges"),
    _p("C11", "an outside shared memory id is EINVAL", missing="System V shared memory is not in the kernel"),
    _p("C12", "a new network namespace has lo alone, down: ENETUNREACH", "nettests:new_namespaces_have_lo_alone"),
    _p("C13", "abstract names are the network namespace's", "nstests:abstract_names_are_the_networks"),
    _p("C14", "an unmapped uid reads 65534, with all capabilities inside", "nstests:an_unmapped_user_has_all_capabilities_inside"),
    _p("C15", "a map is written once; overlapping and empty ranges are EINVAL", "nstests:a_map_is_written_once"),
    _p("C16", "a user maps only itself, and groups after setgroups is denied", "nstests:a_user_maps_only_itself"),
    _p("C17", "root of a user namespace rules only what it owns; no devices", "nstests:root_of_a_user_namespace_rules_what_it_owns"),
    _p("C18", "no user namespace in a chroot, with threads, or again", "nstests:user_namespaces_have_conditions"),
    _p("C19", "33 nested user namespaces, then ENOSPC", "nstests:user_namespaces_nest_thirty_three_deep"),
    _p("C20", "outside processes are closed to ptrace and in /proc", "nstests:outside_processes_are_closed", "ptracetests:a_user_namespace_keeps_in"),
    _p("C21", "set-id programs give rights, but not under no_new_privs or nosuid", "exectests:set_id_bits_give_the_owners_rights",
       "exectests:a_nosuid_mount_gives_none", "exectests:no_new_privs_gives_none"),
    _p("C22", "propagation: shared both ways, private neither, slave inward only", "mounttests:peers_share", "mounttests:receivers_only_receive",
       "mounttests:a_receiver_alone_is_private"),
    _p("C23", "in a less privileged namespace shared becomes slave", "nstests:less_privileged_mounts_receive_only"),
    _p("C24", "inherited mounts are neither taken away nor loosened there", "nstests:inherited_mounts_stay_as_they_are"),
    _p("C25", "tmpfs may be mounted there; proc, sysfs and disks may not", "nstests:what_a_user_namespace_may_mount"),
    _p("C26", "pivot_root's errors; afterwards only the new tree is there", "nstests:a_pivot_leaves_only_the_new_tree", "mounttests:pivot_errors"),
    _p("C27", "a second chroot leaves the first, but not a pivoted root", "isolationtests:a_second_chroot_leaves_the_first", "isolationtests:but_not_a_pivoted_root"),
    _p("C28", "a leaked directory leads out; with descriptors closed nothing does", "isolationtests:a_leaked_directory_leads_out",
       "isolationtests:with_descriptors_closed_nothing_does"),
    _p("C29", "nodev, noexec and read-only mounts forbid", "isolationtests:mounts_forbid"),
    _p("C30", "below a read-only bound /proc/sys writing is EROFS", "isolationtests:a_bound_proc_sys_is_read_only"),
    _p("C31", "a masked path's source is verified to be device 1:3, never a link's target", "isolationtests:a_masks_link_shows_what_it_leads_to",
       "isolationtests:a_masks_source_can_be_told_from_a_link", "guestos/test_box.py::test_a_masks_source_is_the_null_device"),
    _p("C32", "overlay writes never alter the lower layer; whiteouts hide", "overlaytests:writing_copies_up", "overlaytests:whiteouts"),
    _p("C33", "descriptors without CLOEXEC survive exec, others do not", "isolationtests:descriptors_without_cloexec_survive_exec"),
    _p("C34", "dropping from the bounding set bites at exec", "nstests:a_dropped_bounding_set_bites_at_exec"),
    _p("C35", "a filter needs no_new_privs or the capability; no_new_privs stays", "seccomptests:users_need_no_new_privs", "seccomptests:no_new_privs_stays"),
    _p("C36", "filters survive fork and exec, and only accumulate", "seccomptests:filters_survive_fork_and_exec", "seccomptests:filters_accumulate"),
    _p("C37", "a running program is not written", "isolationtests:a_running_program_is_not_written", "exectests:what_runs_is_not_written", "overlaytests:what_runs_from_it_is_not_written",
       f"{_BOX}test_the_runtimes_file_is_not_reachable"),
    _p("C38", "only listed devices open", "cgrouptests:only_listed_devices_open"),
    _p("C39", "pids.max: the fork past it is EAGAIN, outside forks work", "controllertests:the_fork_past_the_limit_fails", "controllertests:a_fork_bomb_stays_inside"),
    _p("C40", "memory.max kills inside only", "controllertests:a_memory_bomb_dies_inside"),
    _p("C41", "members or controllers, absent controllers, leaving a namespace", "controllertests:members_or_controllers",
       "cgrouptests:absent_controllers", "controllertests:a_namespace_is_not_left"),
    _p("C42", "there is no release_agent", "cgrouptests:there_is_no_release_agent"),
    _p("C43", "a cgroup namespace shows /", "cgrouptests:a_namespace_shows_its_root"),
    _p("C44", "cpu.max leaves a victim its time", "controllertests:outside_a_bomb_there_is_time", "controllertests:a_quota_is_kept"),
    _p("C45", "create does not run the program, start does", f"{_BOX}test_lifecycle"),
    _p("C46", "operations in a wrong state are errors without effect", f"{_BOX}test_lifecycle"),
    _p("C47", "a failed create leaves everything as it was", f"{_BOX}test_a_failed_create_leaves_nothing"),
    _p("C48", "delete removes only what create made", f"{_BOX}test_delete_removes_only_what_create_made"),
    _p("C49", "the daemon's death leaves containers running; a new one finds them", f"{_BOX}test_the_daemons_death_leaves_containers"),
    _p("V1", "VMRUN without SVME is #UD, outside ring 0 #GP", f"{_SVM}entry.py::test_without_svme_they_are_undefined", f"{_SVM}entry.py::test_they_are_ring_0s"),
    _p("V2", "an illegal control block: VMEXIT_INVALID", f"{_SVM}entry.py::test_invalid_states"),
    _p("V3", "the host's state after an exit is that before VMRUN", f"{_SVM}entry.py::test_the_registers_that_change_over"),
    _p("V4", "a nested page fault tells address and exact error bits", f"{_SVM}paging.py::test_nested_faults"),
    _p("V5", "faults on table walks are told from final accesses", f"{_SVM}paging.py::test_faults_of_the_guests_tables_are_writes"),
    _p("V6", "every guest access is a user access to the nested tables", f"{_SVM}paging.py::test_nested_faults"),
    _p("V7", "NX and reserved bits likewise", f"{_SVM}paging.py::test_reserved_bits"),
    _p("V8", "frames of guests and of the host's processes are disjoint", "guestos/test_nested.py::test_two_at_once_share_nothing"),
    _p("V9", "a flush leaves no stale translation of an ASID", f"{_SVM}paging.py::test_tlb_control_flushes", f"{_SVM}paging.py::test_another_asid_has_its_own"),
    _p("V10", "port exits tell port, width and direction; every byte is asked for", f"{_SVM}intercepts.py::test_ports", f"{_SVM}intercepts.py::test_every_byte_of_an_access_is_asked_for"),
    _p("V11", "MSRs outside of the map always exit", f"{_SVM}intercepts.py::test_msrs_outside_of_the_map_are_always_intercepted"),
    _p("V12", "each intercept has its exit code and next RIP", f"{_SVM}intercepts.py::test_an_intercepted_instruction_leaves_with_nothing_done"),
    _p("V13", "an unhandled exit stops that guest with a named reason", "guestos/test_vmm.py::test_how_a_guest_ends"),
    _p("V14", "a guest's triple fault: the host runs on", f"{_SVM}intercepts.py::test_a_triple_fault_is_the_hosts_to_see", "kvmtests:a_triple_fault_shuts_down"),
    _p("V15", "injected events are delivered once, after the shadow", f"{_SVM}events.py::test_an_injected_fault_has_its_error_code_and_rf"),
    _p("V16", "a guest spinning with IF=0 yields to the host's timer", "kvmtests:a_signal_ends_the_run"),
    _p("V17", "VMLOAD and VMSAVE of a guest are intercepted", f"{_SVM}entry.py::test_guests_do_not_nest"),
    _p("V18", "the control block is copied once, checked, then used", f"{_SVM}entry.py::test_a_guest_that_writes_its_own_control_block_changes_nothing",
       "kvmtests:what_the_shared_page_says_is_not_believed"),
    _p("V19", "any access to any device raises nowhere", "devices/test_any_access.py::*", "guestos/test_vmm.py::test_no_request_breaks_the_device"),
    _p("V20", "bad virtqueues are a device error in bounded work", "guestos/test_vmm.py::test_no_request_breaks_the_device"),
    _p("V21", "fresh guest memory holds nobody's bytes", "kvmtests:memory_that_changes_hands_is_followed"),
    _p("V22", "bad ioctls are errors without a change", "kvmtests:bad_arguments_are_refused", "kvmtests:random_structures_do_no_harm"),
    _p("V23", "snapshot, restore, run: the same digest", "isolation/test_isolation.py::test_V23_a_restored_snapshot_runs_on_alike"),
    _p("N1", "a secret changes nothing that others observe", "isolation/test_isolation.py::test_N1_a_secret_changes_nothing_outside"),
    _p("N2", "a victim's progress under attack stays above a floor", "controllertests:outside_a_bomb_there_is_time"),
    _p("N3", "unsupported flags fail", "isolationtests:flags_that_are_not_there_fail", "nstests:unknown_flags_are_refused"),
)  # fmt: skip


def markdown() -> str:
    """docs/isolation.md."""
    lines = ["# Isolation, property by property", "",
             "Each property has a number and a test. `PROGRAM:PROPERTY` are programs of `tests/guestos/programs`, which run in the guest and on",
             "Linux, the oracle; the others are tests under `tests`. Made by `make docs` from `tests/isolation/catalogue.py`.", "",
             "| | property | proved by |", "|---|---|---|"]
    for each in CATALOGUE:
        proofs = ", ".join(f"`{proof}`" for proof in each.proofs)
        lines.append(f"| {each.number} | {each.says} | {proofs}{'; ' if proofs and each.missing else ''}{f'not yet: {each.missing}' if each.missing else ''} |")
    return "\n".join([*lines, "", *SCORE]) + "\n"


#: What `make mutants` last said.
SCORE = (
    "## Isolation mutation score", "",
    "`make mutants` takes each marked check out of a copy of the tree, one at a time, and a test must notice. On 2026-11-24, 193 of 193 in 149 s:",
    "kernel 144, runtime 18, VMM 14, processor 17. Not marked, for no test misses them: checks that stand behind another one (in `box`: the",
    "capability sets before exec, the working directory, descriptors closed twice; in `vmm`: the width of register reads; `clear_user`; the level",
    "in `cred_capable`; `ip_forward`).")

if __name__ == "__main__":
    print(markdown(), end="")

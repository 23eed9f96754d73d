"""The names of Linux's numbers for x86-64: flags, options, errors, signals.

The errors and signals are those of the guest kernel's own headers. All others are here, the ones included
that the kernel refuses, for a program's use of them is what one wants to see.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

HEADERS = Path(__file__).resolve().parent.parent.parent / "guestos" / "kernel" / "include"

#: Types of which a value is one of the names.
CHOICES: dict[str, dict[int, str]] = {}

#: Types of which a value is a sum of bits: (value, mask, name); the value holds `name` if `value & mask == value`.
BITS: dict[str, list[tuple[int, int, str]]] = {}

#: What to call a value of BITS in which no bit is set, where 0 has a name.
NOTHING = {"mmap_prot": "PROT_NONE", "access_mode": "F_OK"}


def _choice(kind: str, text: str) -> None:
    """`text`: names, each one more than the one before; a number sets what the next has."""
    value = 0
    CHOICES[kind] = {}
    for word in text.split():
        if word[0].isdigit() or word[0] == "-":
            value = int(word, 0)
        else:
            CHOICES[kind][value] = word
            value += 1


def _bits(kind: str, text: str) -> None:
    """`text`: NAME=VALUE, or NAME=VALUE/MASK where the bits of MASK hold a number; the larger first."""
    BITS[kind] = []
    for word in text.split():
        name, _, number = word.partition("=")
        value, _, mask = number.partition("/")
        BITS[kind].append((int(value, 0), int(mask or value, 0), name))


_choice("seek_from", "SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE")
_choice("sigmask_how", "SIG_BLOCK SIG_UNBLOCK SIG_SETMASK")
_choice("itimer", "ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF")
_choice("rusage_who", "-1 RUSAGE_CHILDREN RUSAGE_SELF RUSAGE_THREAD")
_choice("ptrace_request", "PTRACE_TRACEME PTRACE_PEEKTEXT PTRACE_PEEKDATA PTRACE_PEEKUSER PTRACE_POKETEXT PTRACE_POKEDATA PTRACE_POKEUSER "
        "PTRACE_CONT PTRACE_KILL PTRACE_SINGLESTEP 12 PTRACE_GETREGS PTRACE_SETREGS PTRACE_GETFPREGS PTRACE_SETFPREGS PTRACE_ATTACH PTRACE_DETACH "
        "24 PTRACE_SYSCALL 0x4200 PTRACE_SETOPTIONS PTRACE_GETEVENTMSG PTRACE_GETSIGINFO PTRACE_SETSIGINFO PTRACE_GETREGSET PTRACE_SETREGSET "
        "PTRACE_SEIZE PTRACE_INTERRUPT PTRACE_LISTEN")
_choice("priority_of", "PRIO_PROCESS PRIO_PGRP PRIO_USER")
_choice("advice", "MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED 8 MADV_FREE MADV_REMOVE MADV_DONTFORK MADV_DOFORK "
        "MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK "
        "MADV_COLD MADV_PAGEOUT MADV_POPULATE_READ MADV_POPULATE_WRITE MADV_DONTNEED_LOCKED MADV_COLLAPSE")
_choice("fcntl_command", "F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG F_GETSIG 15 F_SETOWN_EX "
        "F_GETOWN_EX 36 F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW 1024 F_SETLEASE F_GETLEASE F_NOTIFY 1030 F_DUPFD_CLOEXEC F_SETPIPE_SZ "
        "F_GETPIPE_SZ F_ADD_SEALS F_GET_SEALS")
_choice("ioctl_command", "0x5401 TCGETS TCSETS TCSETSW TCSETSF TCGETA TCSETA TCSETAW TCSETAF TCSBRK TCXONC TCFLSH TIOCEXCL TIOCNXCL TIOCSCTTY "
        "TIOCGPGRP TIOCSPGRP TIOCOUTQ TIOCSTI TIOCGWINSZ TIOCSWINSZ TIOCMGET TIOCMBIS TIOCMBIC TIOCMSET 0x541b FIONREAD "
        "0x5420 TIOCPKT FIONBIO TIOCNOTTY TIOCSETD TIOCGETD TCSBRKP 0x5429 TIOCGSID 0x5450 FIONCLEX FIOCLEX FIOASYNC "
        "0x40045431 TIOCSPTLCK 0x80045430 TIOCGPTN 0x5441 TIOCGPTPEER 0x125e BLKROGET 0x1260 BLKGETSIZE BLKFLSBUF 0x1268 BLKSSZGET "
        "0x80081272 BLKGETSIZE64 0x8912 SIOCGIFCONF SIOCGIFFLAGS SIOCSIFFLAGS SIOCGIFADDR SIOCSIFADDR 0x8927 SIOCGIFHWADDR "
        "0x8933 SIOCGIFINDEX 0xae00 KVM_GET_API_VERSION KVM_CREATE_VM 0xae03 KVM_CHECK_EXTENSION KVM_GET_VCPU_MMAP_SIZE "
        "0xae41 KVM_CREATE_VCPU 0xae80 KVM_RUN 0xb703 NS_GET_NSTYPE")
_choice("resource", "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE RLIMIT_MEMLOCK "
        "RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME")
_choice("prctl_option", "1 PR_SET_PDEATHSIG PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_SET_DUMPABLE 7 PR_GET_KEEPCAPS PR_SET_KEEPCAPS 15 PR_SET_NAME "
        "PR_GET_NAME 21 PR_GET_SECCOMP PR_SET_SECCOMP PR_CAPBSET_READ PR_CAPBSET_DROP 27 PR_GET_SECUREBITS PR_SET_SECUREBITS PR_SET_TIMERSLACK "
        "PR_GET_TIMERSLACK 35 PR_SET_MM PR_SET_CHILD_SUBREAPER PR_GET_CHILD_SUBREAPER PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS "
        "47 PR_CAP_AMBIENT 0x53564d41 PR_SET_VMA")
_choice("arch_prctl_option", "0x1001 ARCH_SET_GS ARCH_SET_FS ARCH_GET_FS ARCH_GET_GS 0x1011 ARCH_GET_CPUID ARCH_SET_CPUID 0x3001 ARCH_CET_STATUS "
        "0x5001 ARCH_SHSTK_ENABLE ARCH_SHSTK_DISABLE ARCH_SHSTK_LOCK ARCH_SHSTK_UNLOCK ARCH_SHSTK_STATUS")
_choice("seccomp_operation", "SECCOMP_SET_MODE_STRICT SECCOMP_SET_MODE_FILTER SECCOMP_GET_ACTION_AVAIL SECCOMP_GET_NOTIF_SIZES")
_bits("seccomp_flags", "SECCOMP_FILTER_FLAG_TSYNC=1 SECCOMP_FILTER_FLAG_LOG=2 SECCOMP_FILTER_FLAG_SPEC_ALLOW=4 "
      "SECCOMP_FILTER_FLAG_NEW_LISTENER=8 SECCOMP_FILTER_FLAG_TSYNC_ESRCH=16 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV=32")
_choice("reboot_command", "0 RB_DISABLE_CAD 0x89abcdef RB_ENABLE_CAD 0xcdef0123 RB_HALT_SYSTEM 0x4321fedc RB_POWER_OFF 0x1234567 RB_AUTOBOOT")
_choice("clock", "CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW CLOCK_REALTIME_COARSE "
        "CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME")
_choice("socket_domain", "AF_UNSPEC AF_UNIX AF_INET 10 AF_INET6 16 AF_NETLINK AF_PACKET 40 AF_VSOCK")
_choice("socket_level", "SOL_IP SOL_SOCKET 6 SOL_TCP 17 SOL_UDP 41 SOL_IPV6")
_choice("shutdown_how", "SHUT_RD SHUT_WR SHUT_RDWR")
_choice("epoll_operation", "1 EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD")
_choice("wait_id_type", "P_ALL P_PID P_PGID P_PIDFD")

_bits("open_flags", "O_RDONLY=0/3 O_WRONLY=1/3 O_RDWR=2/3 O_CREAT=0o100 O_EXCL=0o200 O_NOCTTY=0o400 O_TRUNC=0o1000 O_APPEND=0o2000 "
      "O_NONBLOCK=0o4000 O_SYNC=0o4010000 O_DSYNC=0o10000 O_DIRECT=0o40000 O_LARGEFILE=0o100000 O_TMPFILE=0o20200000 O_DIRECTORY=0o200000 "
      "O_NOFOLLOW=0o400000 O_NOATIME=0o1000000 O_CLOEXEC=0o2000000 O_PATH=0o10000000")
BITS["descriptor_flags"] = [bit for bit in BITS["open_flags"] if bit[2] in ("O_CLOEXEC", "O_NONBLOCK", "O_DIRECT")]
_bits("fd_flags", "FD_CLOEXEC=1")
_bits("at_flags", "AT_SYMLINK_NOFOLLOW=0x100 AT_REMOVEDIR=0x200 AT_SYMLINK_FOLLOW=0x400 AT_NO_AUTOMOUNT=0x800 AT_EMPTY_PATH=0x1000 "
      "AT_STATX_FORCE_SYNC=0x2000 AT_STATX_DONT_SYNC=0x4000 AT_RECURSIVE=0x8000")
_bits("access_mode", "R_OK=4 W_OK=2 X_OK=1")
_bits("mmap_prot", "PROT_READ=1 PROT_WRITE=2 PROT_EXEC=4 PROT_GROWSDOWN=0x1000000 PROT_GROWSUP=0x2000000")
_bits("mmap_flags", "MAP_SHARED_VALIDATE=3/15 MAP_PRIVATE=2/15 MAP_SHARED=1/15 MAP_FIXED=0x10 MAP_ANONYMOUS=0x20 MAP_GROWSDOWN=0x100 "
      "MAP_DENYWRITE=0x800 MAP_EXECUTABLE=0x1000 MAP_LOCKED=0x2000 MAP_NORESERVE=0x4000 MAP_POPULATE=0x8000 MAP_NONBLOCK=0x10000 "
      "MAP_STACK=0x20000 MAP_HUGETLB=0x40000 MAP_SYNC=0x80000 MAP_FIXED_NOREPLACE=0x100000")
_bits("mremap_flags", "MREMAP_MAYMOVE=1 MREMAP_FIXED=2 MREMAP_DONTUNMAP=4")
_bits("msync_flags", "MS_ASYNC=1 MS_INVALIDATE=2 MS_SYNC=4")
_bits("clone_flags", "CLONE_NEWTIME=0x80 CLONE_VM=0x100 CLONE_FS=0x200 CLONE_FILES=0x400 CLONE_SIGHAND=0x800 CLONE_PIDFD=0x1000 CLONE_PTRACE=0x2000 "
      "CLONE_VFORK=0x4000 CLONE_PARENT=0x8000 CLONE_THREAD=0x10000 CLONE_NEWNS=0x20000 CLONE_SYSVSEM=0x40000 CLONE_SETTLS=0x80000 "
      "CLONE_PARENT_SETTID=0x100000 CLONE_CHILD_CLEARTID=0x200000 CLONE_DETACHED=0x400000 CLONE_UNTRACED=0x800000 CLONE_CHILD_SETTID=0x1000000 "
      "CLONE_NEWCGROUP=0x2000000 CLONE_NEWUTS=0x4000000 CLONE_NEWIPC=0x8000000 CLONE_NEWUSER=0x10000000 CLONE_NEWPID=0x20000000 "
      "CLONE_NEWNET=0x40000000 CLONE_IO=0x80000000 CLONE_CLEAR_SIGHAND=0x100000000 CLONE_INTO_CGROUP=0x200000000")
BITS["unshare_flags"] = BITS["clone_flags"]
_bits("wait_options", "WNOHANG=1 WSTOPPED=2 WEXITED=4 WCONTINUED=8 WNOWAIT=0x1000000 __WNOTHREAD=0x20000000 __WALL=0x40000000 __WCLONE=0x80000000")
_bits("lock_operation", "LOCK_SH=1 LOCK_EX=2 LOCK_NB=4 LOCK_UN=8")
_bits("mount_flags", "MS_RDONLY=1 MS_NOSUID=2 MS_NODEV=4 MS_NOEXEC=8 MS_SYNCHRONOUS=16 MS_REMOUNT=32 MS_MANDLOCK=64 MS_DIRSYNC=128 MS_NOSYMFOLLOW=256 "
      "MS_NOATIME=1024 MS_NODIRATIME=2048 MS_BIND=4096 MS_MOVE=8192 MS_REC=16384 MS_SILENT=32768 MS_POSIXACL=0x10000 MS_UNBINDABLE=0x20000 "
      "MS_PRIVATE=0x40000 MS_SLAVE=0x80000 MS_SHARED=0x100000 MS_RELATIME=0x200000 MS_STRICTATIME=0x1000000 MS_LAZYTIME=0x2000000")
_bits("umount_flags", "MNT_FORCE=1 MNT_DETACH=2 MNT_EXPIRE=4 UMOUNT_NOFOLLOW=8")
_bits("futex_operation", "FUTEX_WAIT=0/0x7f FUTEX_WAKE=1/0x7f FUTEX_REQUEUE=3/0x7f FUTEX_CMP_REQUEUE=4/0x7f FUTEX_WAKE_OP=5/0x7f FUTEX_LOCK_PI=6/0x7f "
      "FUTEX_UNLOCK_PI=7/0x7f FUTEX_TRYLOCK_PI=8/0x7f FUTEX_WAIT_BITSET=9/0x7f FUTEX_WAKE_BITSET=10/0x7f FUTEX_WAIT_REQUEUE_PI=11/0x7f "
      "FUTEX_CMP_REQUEUE_PI=12/0x7f FUTEX_PRIVATE_FLAG=0x80 FUTEX_CLOCK_REALTIME=0x100")
_bits("timer_flags", "TIMER_ABSTIME=1")
_bits("rename_flags", "RENAME_NOREPLACE=1 RENAME_EXCHANGE=2 RENAME_WHITEOUT=4")
_bits("getrandom_flags", "GRND_NONBLOCK=1 GRND_RANDOM=2 GRND_INSECURE=4")
_bits("close_range_flags", "CLOSE_RANGE_UNSHARE=2 CLOSE_RANGE_CLOEXEC=4")
_bits("socket_type", "SOCK_STREAM=1/15 SOCK_DGRAM=2/15 SOCK_RAW=3/15 SOCK_SEQPACKET=5/15 SOCK_NONBLOCK=0o4000 SOCK_CLOEXEC=0o2000000")
_bits("message_flags", "MSG_OOB=1 MSG_PEEK=2 MSG_DONTROUTE=4 MSG_CTRUNC=8 MSG_TRUNC=0x20 MSG_DONTWAIT=0x40 MSG_EOR=0x80 MSG_WAITALL=0x100 "
      "MSG_NOSIGNAL=0x4000 MSG_MORE=0x8000 MSG_CMSG_CLOEXEC=0x40000000")
_bits("epoll_flags", "EPOLL_CLOEXEC=0o2000000")
_bits("epoll_events", "EPOLLIN=1 EPOLLPRI=2 EPOLLOUT=4 EPOLLERR=8 EPOLLHUP=0x10 EPOLLRDHUP=0x2000 EPOLLEXCLUSIVE=0x10000000 EPOLLWAKEUP=0x20000000 "
      "EPOLLONESHOT=0x40000000 EPOLLET=0x80000000")
_bits("eventfd_flags", "EFD_SEMAPHORE=1 EFD_NONBLOCK=0o4000 EFD_CLOEXEC=0o2000000")
_bits("memfd_flags", "MFD_CLOEXEC=1 MFD_ALLOW_SEALING=2 MFD_HUGETLB=4")
_bits("poll_events", "POLLIN=1 POLLPRI=2 POLLOUT=4 POLLERR=8 POLLHUP=0x10 POLLNVAL=0x20 POLLRDNORM=0x40 POLLRDBAND=0x80 POLLWRNORM=0x100 "
      "POLLWRBAND=0x200 POLLMSG=0x400 POLLRDHUP=0x2000")
_bits("sigaction_flags", "SA_NOCLDSTOP=1 SA_NOCLDWAIT=2 SA_SIGINFO=4 SA_RESTORER=0x4000000 SA_ONSTACK=0x8000000 SA_RESTART=0x10000000 "
      "SA_NODEFER=0x40000000 SA_RESETHAND=0x80000000")
_bits("file_type", "S_IFIFO=0o010000/0o170000 S_IFCHR=0o020000/0o170000 S_IFDIR=0o040000/0o170000 S_IFBLK=0o060000/0o170000 "
      "S_IFREG=0o100000/0o170000 S_IFLNK=0o120000/0o170000 S_IFSOCK=0o140000/0o170000 S_ISUID=0o4000 S_ISGID=0o2000 S_ISVTX=0o1000")

#: Every system call of Linux for x86-64 by number: those that the guest's table lacks have at least a name.
_choice("system_call", """
    read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn ioctl pread64
    pwrite64 readv writev access pipe select sched_yield mremap msync mincore madvise shmget shmat shmctl dup dup2 pause nanosleep
    getitimer alarm setitimer getpid sendfile socket connect accept sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname
    getpeername socketpair setsockopt getsockopt clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd
    msgrcv msgctl fcntl flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink
    symlink readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo times ptrace getuid syslog getgid
    setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups setgroups setresuid getresuid setresgid
    getresgid getpgid setfsuid setfsgid getsid capget capset rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack
    utime mknod uselib personality ustat statfs fstatfs sysfs getpriority setpriority sched_setparam sched_getparam sched_setscheduler
    sched_getscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall munlockall vhangup
    modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex setrlimit chroot sync acct settimeofday mount umount2 swapon swapoff reboot
    sethostname setdomainname iopl ioperm create_module init_module delete_module get_kernel_syms query_module quotactl nfsservctl
    getpmsg putpmsg afs_syscall tuxcall security gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr
    llistxattr flistxattr removexattr lremovexattr fremovexattr tkill time futex sched_setaffinity sched_getaffinity set_thread_area
    io_setup io_destroy io_getevents io_submit io_cancel get_thread_area lookup_dcookie epoll_create epoll_ctl_old epoll_wait_old
    remap_file_pages getdents64 set_tid_address restart_syscall semtimedop fadvise64 timer_create timer_settime timer_gettime
    timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes
    vserver mbind set_mempolicy get_mempolicy mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load waitid
    add_key request_key keyctl ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat
    mknodat fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare
    set_robust_list get_robust_list splice tee sync_file_range vmsplice move_pages utimensat epoll_pwait signalfd timerfd_create eventfd
    fallocate timerfd_settime timerfd_gettime accept4 signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev
    rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime
    syncfs sendmmsg setns getcpu process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp
    getrandom memfd_create kexec_file_load bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect
    pkey_alloc pkey_free statx io_pgetevents rseq 424 pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree
    move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2
    mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv
    set_mempolicy_home_node
""")


@functools.cache
def errors() -> dict[int, str]:
    """Name of each error number, those that only the kernel itself sees among them."""
    return _defines("errno.h", r"E[A-Z0-9]+")


@functools.cache
def signals() -> dict[int, str]:
    """Name of each signal below the real-time ones."""
    return {number: name for number, name in _defines("signal.h", r"SIG[A-Z0-9]+").items() if number < 32}


def _defines(header: str, name: str) -> dict[int, str]:
    text = (HEADERS / header).read_text()
    return {int(value): name for name, value in re.findall(rf"^#define ({name}) (\d+)\b", text, re.MULTILINE)}


def signal(number: int) -> str:
    """SIGINT, SIGRTMIN, SIGRT_3, or the number of what is no signal."""
    return signals().get(number) or ("SIGRTMIN" if number == 32 else f"SIGRT_{number - 32}" if 32 < number <= 64 else str(number))


def value(kind: str, number: int) -> str:
    """`number` (as the call has it, unsigned) in names of the type `kind`; what has none in hexadecimal."""
    if kind in CHOICES:
        signed = number - (1 << 32) if number >> 31 == 1 else number
        return CHOICES[kind].get(number) or CHOICES[kind].get(signed) or hex(number)
    if number == 0 and kind in NOTHING:
        return NOTHING[kind]
    found, left = [], number
    for bits, mask, name in BITS[kind]:
        if number & mask == bits and (left & bits or not bits):
            found.append(name)
            left &= ~bits
    if left:
        found.append(hex(left))
    return "|".join(found) or "0"

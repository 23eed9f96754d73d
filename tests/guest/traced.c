/* A program whose system calls are known: what a trace has to say of each call stands behind it, after "//=".
 * A star stands for anything. The calls of its start are not listed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>

/* Nothing has touched these pages of the file when the names in them are first used. */
static const struct { char before[8192], name[8192], program[8192]; } far = { "", "/nowhere/far", "/bin/false" };

static void handler(int signo) { (void)signo; }

int main(void) {
    static char data[64];
    struct stat st;
    int fds[2], status, one = 1;
    struct timespec pair[2] = { { 1, 2 }, { 0, UTIME_NOW } }, nothing = { 0, 0 };
    struct iovec parts[2] = { { "one\t", 4 }, { "\"two\"\n", 6 } }, room[2] = { { data, 3 }, { data + 8, 32 } };
    struct pollfd polled[2] = { { 0, POLLIN | POLLPRI, 0 }, { -1, POLLOUT, 0 } };
    struct rlimit limit;
    struct winsize size;
    struct termios terminal;
    struct { void *handler; unsigned long flags; void (*restorer)(void); unsigned long mask; } action = { SIG_IGN, SA_RESTART, NULL, 6 };
    unsigned long set = 1UL << (SIGUSR1 - 1);
    struct sockaddr_un abstract = { AF_UNIX, "\0name" }, peer = { 0 };
    struct sockaddr_in port = { AF_INET, 0x5000, { 0x0100007f } };
    struct { unsigned long size; int level, type, fd; } passed = { 20, SOL_SOCKET, SCM_RIGHTS, 1 };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &passed, .msg_controllen = 24 };
    unsigned length = sizeof(peer);
    char *words[] = { "/bin/nothing", "a b", NULL }, *none[] = { NULL };

    syscall(SYS_getppid);                                                               //= getppid() = *
    syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC);                 //= openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3
    syscall(SYS_fstat, 3, &st);                                                         //= fstat(3, {st_mode=S_IFREG|0644, st_size=115, ...}) = 0
    syscall(SYS_read, 3, data, 40);                                                     //= read(3, "root:x:0:0:root:/root:/bin/sh\ngu"..., 40) = 40
    syscall(SYS_pread64, 3, data, 4, 2L);                                               //= pread64(3, "ot:x", 4, 2) = 4
    syscall(SYS_lseek, 3, -5L, SEEK_END);                                               //= lseek(3, -5, SEEK_END) = 110
    syscall(SYS_readv, 3, room, 2);                                                     //= readv(3, [{iov_base="als", iov_len=3}, {iov_base="e\n", iov_len=32}], 2) = 5
    syscall(SYS_fcntl, 3, F_GETFD);                                                     //= fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)
    syscall(SYS_fcntl, 3, F_SETFD, 0L);                                                 //= fcntl(3, F_SETFD, 0) = 0
    syscall(SYS_fcntl, 3, F_SETFL, (long)(O_APPEND | O_NONBLOCK));                      //= fcntl(3, F_SETFL, O_RDONLY|O_APPEND|O_NONBLOCK) = 0
    syscall(SYS_fcntl, 3, F_DUPFD_CLOEXEC, 10L);                                        //= fcntl(3, F_DUPFD_CLOEXEC, 10) = 10
    syscall(SYS_dup3, 3, 5, O_CLOEXEC);                                                 //= dup3(3, 5, O_CLOEXEC) = 5
    syscall(SYS_close, 3);                                                              //= close(3) = 0
    syscall(SYS_close, 77);                                                             //= close(77) = -EBADF
    syscall(SYS_openat, AT_FDCWD, far.name, O_RDWR);                                    //= openat(AT_FDCWD, "/nowhere/far", O_RDWR) = -ENOENT
    syscall(SYS_openat, AT_FDCWD, (char *)1, O_RDWR);                                   //= openat(AT_FDCWD, 0x1, O_RDWR) = -EFAULT
    syscall(SYS_open, "/tmp/\1new", O_WRONLY | O_CREAT | O_TRUNC, 0640);                //= open("/tmp/\1new", O_WRONLY|O_CREAT|O_TRUNC, 0640) = 3
    syscall(SYS_writev, 3, parts, 2);                                                   //= writev(3, [{iov_base="one\t", iov_len=4}, {iov_base="\"two\"\n", iov_len=6}], 2) = 10
    syscall(SYS_utimensat, AT_FDCWD, "/tmp/\1new", pair, AT_SYMLINK_NOFOLLOW);          //= utimensat(AT_FDCWD, "/tmp/\1new", [{tv_sec=1, tv_nsec=2}, UTIME_NOW], AT_SYMLINK_NOFOLLOW) = 0
    syscall(SYS_mknod, "/tmp/null", S_IFCHR | 0666, 0x103L);                            //= mknod("/tmp/null", S_IFCHR|0666, makedev(0x1, 0x3)) = 0
    syscall(SYS_symlink, "to/nothing", "/tmp/link");                                    //= symlink("to/nothing", "/tmp/link") = 0
    syscall(SYS_readlink, "/tmp/link", data, sizeof(data));                             //= readlink("/tmp/link", "to/nothing", 64) = 10
    syscall(SYS_access, "/tmp/link", F_OK);                                             //= access("/tmp/link", F_OK) = -ENOENT
    syscall(SYS_access, "/tmp", R_OK | X_OK);                                           //= access("/tmp", R_OK|X_OK) = 0
    syscall(SYS_umask, 022);                                                            //= umask(022) = 022
    syscall(SYS_chdir, "/tmp");                                                         //= chdir("/tmp") = 0
    syscall(SYS_getcwd, data, sizeof(data));                                            //= getcwd("/tmp", 64) = 5
    syscall(SYS_ioctl, 1, TIOCGWINSZ, &size);                                           //= ioctl(1, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0
    syscall(SYS_ioctl, 1, TCGETS, &terminal);                                           //= ioctl(1, TCGETS, {c_iflag=ICRNL|IXON*, c_oflag=OPOST|ONLCR, c_cflag=*, c_lflag=ISIG|ICANON|ECHO*, ...}) = 0
    syscall(SYS_ioctl, 3, TCGETS, &terminal);                                           //= ioctl(3, TCGETS, 0x*) = -ENOTTY
    syscall(SYS_mmap, 0L, 8192L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);  //= mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x*
    syscall(SYS_mprotect, 0x10000L, 4096L, PROT_NONE);                                  //= mprotect(0x10000, 4096, PROT_NONE) = -ENOMEM
    syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);                             //= prlimit64(0, RLIMIT_NOFILE, NULL, {rlim_cur=1*1024, rlim_max=*}) = 0
    syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, 8L);                              //= rt_sigaction(SIGUSR1, {sa_handler=SIG_IGN, sa_mask=[INT QUIT], sa_flags=SA_RESTART}, NULL, 8) = 0
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8L);                             //= rt_sigprocmask(SIG_BLOCK, [USR1], NULL, 8) = 0
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &set, 8L);                           //= rt_sigprocmask(SIG_SETMASK, NULL, [USR1], 8) = 0
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, pair);                                  //= clock_gettime(CLOCK_MONOTONIC, {tv_sec=0, tv_nsec=*}) = 0
    syscall(SYS_nanosleep, &nothing, pair);                                             //= nanosleep({tv_sec=0, tv_nsec=0}, 0x*) = 0
    syscall(SYS_pipe2, fds, O_NONBLOCK | O_CLOEXEC);                                    //= pipe2([4, 6], O_NONBLOCK|O_CLOEXEC) = 0
    syscall(SYS_read, fds[0], data, 1L);                                                //= read(4, 0x*, 1) = -EAGAIN
    polled[0].fd = fds[1], polled[0].events = POLLOUT;
    syscall(SYS_poll, polled, 2, 0);                                                    //= poll([{fd=6, events=POLLOUT}, {fd=-1, events=POLLOUT}] => [{fd=6, revents=POLLOUT}], 2, 0) = 1
    syscall(SYS_futex, &one, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, NULL);                 //= futex(0x*, FUTEX_WAIT_PRIVATE, 2, NULL) = -EAGAIN
    syscall(SYS_futex, &one, FUTEX_WAKE, 1);                                            //= futex(0x*, FUTEX_WAKE, 1) = 0
    syscall(SYS_getrandom, data, 0L, 1);                                                //= getrandom("", 0, GRND_NONBLOCK) = 0
    syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);               //= socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, [7, 8]) = 0
    syscall(SYS_sendmsg, 7, &message, MSG_NOSIGNAL);                                    //= sendmsg(7, {msg_name=NULL, msg_iov=[{iov_base="one\t", iov_len=4}, {iov_base="\"two\"\n", iov_len=6}], msg_control=[{cmsg_type=SCM_RIGHTS, cmsg_data=[1]}], msg_flags=0}, MSG_NOSIGNAL) = 10
    message.msg_iov = room;
    syscall(SYS_recvmsg, 8, &message, 0);                                               //= recvmsg(8, {msg_name=NULL, msg_iov=[{iov_base="one", iov_len=3}, {iov_base="\t\"two\"\n", iov_len=32}], msg_control=[{cmsg_type=SCM_RIGHTS, cmsg_data=[9]}], msg_flags=0}, 0) = 10
    syscall(SYS_sendto, 7, "x", 1, MSG_DONTWAIT, NULL, 0);                              //= sendto(7, "x", 1, MSG_DONTWAIT, NULL, 0) = 1
    syscall(SYS_recvfrom, 8, data, 9, MSG_PEEK, NULL, NULL);                            //= recvfrom(8, "x", 9, MSG_PEEK, NULL, NULL) = 1
    syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);                        //= socket(AF_UNIX, SOCK_DGRAM|SOCK_NONBLOCK, 0) = 11
    syscall(SYS_bind, 11, &abstract, 7);                                                //= bind(11, {sa_family=AF_UNIX, sun_path=@"name"}, 7) = 0
    syscall(SYS_getsockname, 11, &peer, &length);                                       //= getsockname(11, {sa_family=AF_UNIX, sun_path=@"name"}, [7]) = 0
    syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);                                       //= socket(AF_INET, SOCK_STREAM, 0) = 12
    syscall(SYS_connect, 12, &port, sizeof(port));                                      //= connect(12, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = -ECONNREFUSED
    syscall(SYS_clone3, &(unsigned long[11]){ CLONE_THREAD, 0, 16, 0, SIGCHLD }, 88L);  //= clone3({flags=CLONE_THREAD, exit_signal=SIGCHLD, child_tid=0x10}, 88) = -EINVAL
    syscall(SYS_getxattr, "/tmp", "user.none", data, 64L);                              //= getxattr("/tmp", "user.none", 0x*, 64) = -E*
    syscall(SYS_setsockopt, 12, SOL_SOCKET, SO_REUSEADDR, &one, 4);                     //= setsockopt(12, SOL_SOCKET, 2, "\1\0\0\0", 4) = 0
    syscall(SYS_execve, "/bin/nothing", words, none);                                   //= execve("/bin/nothing", ["/bin/nothing", "a b"], 0x* /* 0 vars */) = -ENOENT
    syscall(1000, 1L, 2L);                                                              //= syscall_0x3e8(0x1, 0x2, *) = -ENOSYS
    set = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, 8L);                           //= rt_sigprocmask(SIG_SETMASK, [], NULL, 8) = 0
    signal(SIGUSR1, handler);                                                           //= rt_sigprocmask(SIG_UNBLOCK, [RT_1 RT_2], NULL, 8) = 0
                                                                                        //= rt_sigaction(SIGUSR1, {sa_handler=0x*, sa_mask=[], sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x*}, {sa_handler=SIG_IGN, *}, 8) = 0
    syscall(SYS_kill, syscall(SYS_getpid), SIGUSR1);                                    //= getpid() = *
                                                                                        //= kill(*, SIGUSR1) = 0
                                                                                        //= --- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=*} ---
                                                                                        //= rt_sigreturn() = 0
    if (!syscall(SYS_fork)) {                                                           //= fork() = *
        syscall(SYS_nanosleep, &(struct timespec){ 0, 1000 }, NULL);                    //= wait4(-1 <unfinished ...>
                                                                                        //= nanosleep({tv_sec=0, tv_nsec=1000}, NULL) = 0
        *(volatile int *)8 = 1;                                                         //= +++ killed by SIGSEGV +++
    }
    syscall(SYS_wait4, -1, &status, 0, NULL);                                           //= <... wait4 resumed>, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV}], 0, NULL) = *
    syscall(SYS_wait4, -1, &status, WNOHANG, NULL);                                     //= wait4(-1, 0x*, WNOHANG, NULL) = -ECHILD
    syscall(SYS_execve, far.program, words + 1, none);                                  //= execve("/bin/false", ["a b"], 0x* /* 0 vars */) = 0
                                                                                        //= arch_prctl(ARCH_SET_FS, 0x*) = 0
                                                                                        //= set_tid_address(0x*) = *
                                                                                        //= exit_group(1) = ?
                                                                                        //= +++ exited with 1 +++
}

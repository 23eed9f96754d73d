"""The running guest kernel read from outside: its structures, its processes, the system calls they make."""

#!/bin/python3
"""Sockets, epoll, eventfd and pseudo-terminals as Python's library uses them."""
import array
import asyncio
import fcntl
import os
import select
import selectors
import signal
import socket
import struct
import sys
import termios
import threading

# TCP: an echo server on epoll, and clients in threads.
server = socket.create_server(("127.0.0.1", 0), backlog=8)
server.setblocking(False)
address = server.getsockname()
selector = selectors.DefaultSelector()
selector.register(server, selectors.EVENT_READ)
print(type(selector).__name__, server.family.name, server.type.name)

def client(n, results):
    with socket.create_connection(address, timeout=10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = bytes(range(256)) * (40 * n)
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = b"".join(iter(lambda: s.recv(65536), b""))
        sender.join()
        results[n] = got == data

results = {}
threads = [threading.Thread(target=client, args=(n, results)) for n in range(1, 9)]
for t in threads: t.start()
waiting, ended = {}, 0
while ended < len(threads):
    for key, events in selector.select(timeout=10):
        if key.fileobj is server:
            s, peer = server.accept()
            s.setblocking(False)
            waiting[s] = b""
            selector.register(s, selectors.EVENT_READ)
            continue
        s = key.fileobj
        if events & selectors.EVENT_READ:
            try:
                data = s.recv(10000)
            except BlockingIOError:
                continue
            waiting[s] += data
            if not data and not waiting[s]:
                selector.unregister(s)
                s.close()
                ended += 1
                continue
        if waiting[s]:
            try:
                waiting[s] = waiting[s][s.send(waiting[s]):]
            except BlockingIOError:
                pass
        selector.modify(s, selectors.EVENT_READ | selectors.EVENT_WRITE)
for t in threads: t.join()
print("echoed:", all(results.values()), len(results))
server.close()
try:
    socket.create_connection(address)
except ConnectionRefusedError as e:
    print(e)

# UDP, and a timeout.
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
a.bind(("127.0.0.1", 0))
b.sendto(b"datagram", a.getsockname())
data, sender = a.recvfrom(100)
print(data, sender == b.getsockname() or sender[0], b.getsockname()[0])
a.settimeout(0.05)
try:
    a.recv(1)
except TimeoutError:
    print("timed out")

# AF_UNIX: names, credentials, descriptors.
listener = socket.socket(socket.AF_UNIX)
listener.bind("/tmp/socket")
listener.listen()
c = socket.socket(socket.AF_UNIX)
c.connect("/tmp/socket")
s, name = listener.accept()
r, w = os.pipe()
socket.send_fds(c, [b"take these"], [r, w])
data, fds, flags, _ = socket.recv_fds(s, 100, 4)
os.write(fds[1], b"through the pipe")
print(name, data, len(fds), os.read(r, 100), os.path.samestat(os.fstat(fds[0]), os.fstat(r)))
pid, uid, gid = array.array("i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
print(pid == os.getpid(), uid, gid, c.getpeername())

# eventfd, and poll.
event = os.eventfd(0, os.EFD_NONBLOCK)
poll = select.poll()
poll.register(event, select.POLLIN)
print(poll.poll(10))
os.eventfd_write(event, 7)
print(len(poll.poll()), os.eventfd_read(event))

# A shell on a pseudo-terminal.
pid, master = os.forkpty()
if not pid:
    os.execv("/bin/sh", ["sh", "-c", 'test -t 0 && tty | sed "s/[0-9]*$/N/"; stty size; read line; echo "<$line>"; exec cat'])
out = b""
def until(text):
    global out
    while text not in out:
        out += os.read(master, 1000)
until(b"0 0\r\n")
os.write(master, b"typing\x7f\x7fed\n")
until(b">\r\n")
os.write(master, b"again\n")
until(b"again\r\nagain\r\n")     # the second is cat's: from here on ^C finds no shell that might have caught it
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
os.write(master, b"\x03")
_, status = os.waitpid(pid, 0)
try:
    while True: out += os.read(master, 1000)
except OSError as e:
    print(e.strerror)
print(out, os.WTERMSIG(status) == signal.SIGINT)
sys.stdout.flush()

# asyncio: a server and its clients in one thread.
async def serve(reader, writer):
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()
async def ask(port, text):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    line = await reader.readline()
    writer.close()
    return line
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(ask(port, b"line %d\n" % n) for n in range(20))))
    server.close()
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "echo out; exit 3", stdout=asyncio.subprocess.PIPE)
    print(await process.communicate(), process.returncode)
asyncio.run(main())

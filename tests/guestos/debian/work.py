#!/usr/bin/python3
# ruff: noqa: E401, E702 -- as much as possible in few lines
"""Processes, threads, signals, files and the library of python3."""
import argparse, collections, contextlib, datetime, hashlib, json, os, pathlib, random, re, select, signal, struct, subprocess, sys, tempfile, threading, time

print(json.dumps({"list": [1, 2.5, None, True], "text": "h\u00e9 \"q\"", "nested": {"a": []}}, sort_keys=True), json.loads('[1e3, "\\u20ac"]'))
print(subprocess.run(["sed", "s/a/b/"], input="banana\n", capture_output=True, text=True).stdout.strip(), subprocess.call(["sh", "-c", "exit 3"]),
      subprocess.run("kill -TERM $$", shell=True).returncode, subprocess.check_output("echo $X", shell=True, env={"X": "env"}).decode().strip())
try:
    subprocess.run(["nosuch"])
except OSError as error:
    print(error)
with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
    print(cat.communicate(b"x" * 200_000)[0].count(b"x"), cat.returncode)

lock, total, done = threading.Lock(), [0], threading.Event()
def add(n):
    for _ in range(n):
        with lock:
            total[0] += 1
    done.wait(5)
threads = [threading.Thread(target=add, args=(500,)) for _ in range(6)]
for thread in threads: thread.start()
while total[0] < 3000: time.sleep(0.001)
done.set()
for thread in threads: thread.join(5)
print(total[0], threading.active_count(), threading.get_native_id() == os.getpid())
local = threading.local(); local.x = 1; seen = []
thread = threading.Thread(target=lambda: seen.append(hasattr(local, "x"))); thread.start(); thread.join(); print(seen)
condition, queue = threading.Condition(), collections.deque()
def produce():
    for i in range(50):
        with condition: queue.append(i); condition.notify()
def consume():
    got = 0
    for _ in range(50):
        with condition:
            while not queue: condition.wait()
            got += queue.popleft()
    seen.append(got)
pair = [threading.Thread(target=consume), threading.Thread(target=produce)]
for thread in pair: thread.start()
for thread in pair: thread.join()
print(seen)

r, w = os.pipe(); child = os.fork()
if child == 0:
    os.write(w, struct.pack("<Iq", os.getppid() != 0, -5)); os._exit(9)
pid, status = os.waitpid(child, 0); print(struct.unpack("<Iq", os.read(r, 12)), os.WEXITSTATUS(status), pid == child)
signal.signal(signal.SIGALRM, lambda number, frame: print("alarm", number)); signal.setitimer(signal.ITIMER_REAL, 0.02); signal.pause()
signal.signal(signal.SIGUSR1, lambda *a: (_ for _ in ()).throw(KeyError("from handler")))
try: os.kill(os.getpid(), signal.SIGUSR1); time.sleep(1)
except KeyError as error: print("caught", error)
print(select.select([r], [w], [], 0)[1] == [w], os.get_blocking(r), os.isatty(0))

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "a", "b.txt"); path.parent.mkdir(); path.write_text("one\ntwo\n" * 1000)
    print(path.stat().st_size, sum(1 for _ in path.open()), hashlib.sha256(path.read_bytes()).hexdigest()[:16], [p.name for p in path.parent.iterdir()])
    path.rename(path.with_suffix(".new")); os.symlink("b.new", path); print(os.readlink(path), path.exists(), sorted(os.listdir(path.parent)))
    with open(path, "r+b") as file: file.seek(3); file.truncate(); file.write(b"!"); print(os.fstat(file.fileno()).st_size)
    print(sorted(sorted(os.walk(folder))[1][2]))
print(re.sub(r"(\w+)@(\w+)", r"\2 at \1", "me@home"), datetime.datetime(2024, 2, 29) + datetime.timedelta(days=366), random.Random(7).randint(0, 10**6), sys.byteorder)
print(collections.Counter("mississippi").most_common(2), os.path.realpath("/bin/sh"), os.environ["HOME"], os.uname().nodename, os.getcwd(), len(os.urandom(16)))
parser = argparse.ArgumentParser(prog="p"); parser.add_argument("--n", type=int); print(parser.parse_args(["--n", "3"]))
with contextlib.suppress(ZeroDivisionError): 1 / 0
print(sum(i * i for i in range(100_000)), 3**200 % 10**20, f"{2 / 3:.15f}", float.hex(0.1)); sys.stdout.flush()
threading.Thread(target=lambda: [][0]).start(); time.sleep(0.05); sys.exit("leaving")

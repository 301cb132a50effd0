"""Writers for quickstart.sh: four clients write numbered keys through the balancer, the master is killed after
two seconds, and what the clients saw is printed: the longest gap, failures, and acknowledged writes that the
new master does not have.

    quickstart_writers.py PORT PASSWORD LOG_PORT MASTER_PID
"""

import os
import signal
import socket
import sys
import textwrap
import threading
import time

CLIENTS, BEFORE, AFTER = 4, 2.0, 8.0


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in map(str.encode, words))


def connect(port, password):
    link = socket.create_connection(("127.0.0.1", port), timeout=15)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(command("AUTH", password))
    if link.recv(100) != b"+OK\r\n":
        raise OSError("not logged in")
    return link


class Writer(threading.Thread):
    def __init__(self, number, port, password, end):
        super().__init__()
        self.number, self.port, self.password, self.end = number, port, password, end
        self.acknowledged, self.times, self.refused, self.broken = [], [], 0, 0

    def run(self):
        link, at = None, 0
        while time.monotonic() < self.end:
            try:
                if link is None:
                    link = connect(self.port, self.password)
            except OSError:
                self.refused += 1
                time.sleep(0.005)
                continue
            key = f"{self.number}:{at}"
            try:
                link.sendall(command("SET", key, "1"))
                reply = link.recv(100)
            except OSError:
                reply = b""
            if reply == b"+OK\r\n":
                self.acknowledged.append((key, time.monotonic()))
                at += 1
            else:
                self.broken += 1
                link.close()
                link = None


class Log(threading.Thread):
    """Receives what the balancer sends to syslog, and keeps the lines with the time they came."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.lines = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))

    def run(self):
        while True:
            line = self.socket.recv(4096).decode(errors="replace")
            self.lines.append((time.monotonic(), line.split("]: ", 1)[-1].strip()))


def row(text, value, unit="", note=""):
    print(f"   {text:<30} {value:>9,} {unit:<3} {note}".rstrip())


def tell(lines, killed):
    print("\n== What rolecall logged (time: after the kill)")
    for at, line in lines:
        time_of = f"   {(at - killed) * 1000:>+6,.0f} ms  "
        print(textwrap.fill(line, 110, initial_indent=time_of, subsequent_indent=" " * len(time_of)))


def lost_of(link, keys):
    lost = 0
    for at in range(0, len(keys), 500):
        some = keys[at : at + 500]
        link.sendall(command("EXISTS", *some))
        lost += len(some) - int(link.recv(100)[1:])
    return lost


def main():
    port, password, master_pid = int(sys.argv[1]), sys.argv[2], int(sys.argv[4])
    log = Log(int(sys.argv[3]))
    log.start()
    start = time.monotonic()
    writers = [Writer(n, port, password, start + BEFORE + AFTER) for n in range(CLIENTS)]
    for writer in writers:
        writer.start()
    time.sleep(BEFORE)
    killed = time.monotonic()
    os.kill(master_pid, signal.SIGKILL)
    for writer in writers:
        writer.join()
    tell(log.lines, killed)
    acknowledged = sorted((t, key) for w in writers for key, t in w.acknowledged)
    times = [t for t, _ in acknowledged]
    # One acknowledged in the moment of the kill came from the old master.
    if not times or times[-1] < killed + 0.5:
        sys.exit("no write succeeded after the kill: the clients never reached the new master")
    gap = max(b - a for a, b in zip(times, times[1:]))
    lost = lost_of(connect(port, password), [key for _, key in acknowledged])
    print("\n== What the clients saw")
    row("writes acknowledged", len(acknowledged))
    row("longest gap without a write", round(gap * 1000), "ms", "Sentinel waits 1,000 ms of it before it calls the master down")
    row("connections that broke", sum(w.broken for w in writers), "", "those to the master that was killed")
    row("connections that failed", sum(w.refused for w in writers), "", "attempts before there was a new master")
    row("acknowledged writes lost", lost, "", "acknowledged by the old master before a replica had them")


main()

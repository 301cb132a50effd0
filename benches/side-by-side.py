#!/usr/bin/env python3
"""haproxy and each engine of rolecall in turn, in one run: benches/side-by-side.py [--rounds N] [TEST ...]

Medians of ratios against haproxy: requests a second, the balancer's own processor time a request (all of its threads,
from schedstat), and p99 latency. Wants a quiet machine, `cargo build --release`, redis-server, redis-benchmark and haproxy.
"""

import argparse
import glob
import os
import random
import statistics
import subprocess
import tempfile
import time

PROGRAM = os.path.join(os.path.dirname(__file__), "..", "target", "release", "rolecall")
# What redis-benchmark is asked, with 50 clients unless said otherwise.
TESTS = {
    "get": ["-t", "get", "-n", "100000", "-d", "3"],
    "1k": ["-t", "set,get", "-n", "50000", "-d", "1024"],
    "pipeline": ["-t", "get", "-n", "800000", "-d", "3", "-P", "16"],
    "16k": ["-t", "set,get", "-n", "30000", "-d", "16384"],
    "100k": ["-t", "set,get", "-n", "10000", "-d", "102400"],
    "one": ["-t", "get", "-n", "20000", "-d", "3", "-c", "1"],
    "short": ["-t", "ping_mbulk", "-n", "10000", "-c", "20", "-k", "0"],
}
# name: program and the line of `global` that chooses the engine.
BALANCERS = {
    "haproxy": ("haproxy", ""),
    "uring": (PROGRAM, "tune.relay uring"),
    "epoll": (PROGRAM, "tune.relay epoll"),
}
CONFIG = """global
    nbthread 1
    maxconn 2000
    {engine}
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen redis
    bind 127.0.0.1:{port}
    server one 127.0.0.1:{redis}
"""


def processor_ms(pid):
    files = glob.glob(f"/proc/{pid}/task/*/schedstat")
    return sum(int(open(name).read().split()[0]) for name in files) / 1e6


def benchmark(port, arguments):
    command = ["redis-benchmark", "-p", str(port), "--csv", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    rows = [line.replace('"', "").split(",") for line in done.stdout.splitlines()[1:]]
    rate = len(rows) / sum(1 / float(row[1]) for row in rows)
    return rate, max(float(row[6]) for row in rows), len(rows)


def measure(balancer, port, arguments):
    before = processor_ms(balancer.pid)
    rate, p99, kinds = benchmark(port, arguments)
    requests = int(arguments[arguments.index("-n") + 1]) * kinds
    return rate, (processor_ms(balancer.pid) - before) * 1000 / requests, p99


def report(test, results):
    base = results["haproxy"]
    for name, rounds in results.items():
        ratios = [statistics.median(own[at] / max(other[at], 1e-3) for own, other in zip(rounds, base)) for at in range(3)]
        rate, cost, p99 = (statistics.median(row[at] for row in rounds) for at in range(3))
        print(f"{test:9} {name:8} {rate:9.0f}/s x{ratios[0]:.2f}   {cost:7.2f} us x{ratios[1]:.2f}   p99 {p99:6.2f} ms x{ratios[2]:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("tests", nargs="*", default=list(TESTS))
    wanted = parser.parse_args()
    first = random.randint(20000, 30000)
    started = []
    with tempfile.TemporaryDirectory() as directory:
        try:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.append(subprocess.Popen(["redis-server", "--port", str(first), "--save", ""], **quiet))
            balancers = {}
            for at, (name, (program, engine)) in enumerate(BALANCERS.items(), 1):
                config = os.path.join(directory, name)
                with open(config, "w", encoding="ascii") as file:
                    file.write(CONFIG.format(engine=engine, port=first + at, redis=first))
                balancers[name] = (subprocess.Popen([program, "-db", "-q", "-f", config], **quiet), first + at)
                started.append(balancers[name][0])
            time.sleep(1.5)
            for test in wanted.tests:
                results = {name: [] for name in BALANCERS}
                for _ in range(wanted.rounds):
                    for name, (balancer, port) in balancers.items():
                        results[name].append(measure(balancer, port, TESTS[test]))
                report(test, results)
        finally:
            for process in started:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()

"""The client of `keras_cabvit.serving` under load, through real sockets on loopback.

usage: python -m benchmarks.serving_load [--requests 36000] [--clients 1 4 16 64]
           [--protocols rest grpc]

The server is `benchmarks.stand_in_server`, which answers after a fixed time: figures are of the
client and the sockets, not of a model. For each number of requests at once: the 50th and 99th
percentile of the time to an answer, and the requests per second. Then an hour of ten requests per
second, as fast as it goes: the growth of this process' memory after the first tenth. In a last run
the server is killed and started again: the answers that arrived, in order, and the files whose
request failed. The exit status is 1 if an answer is missing or wrong.
"""

import argparse
import contextlib
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cabvit_program  # noqa: F401 (this program does not need Keras)
from keras_cabvit.commands.arguments import positive
from keras_cabvit.serving import GrpcClient, RestClient, Target, classify_files
from keras_cabvit.terminal import output_that_never_fails

PROTOCOLS = ("rest", "grpc")
_FILES = 50
# Bytes of a file, about those of a photograph at 224 pixels.
_SIZE = 20_000
# Seconds between the server's end and its new start.
_ABSENCE = 1.5


class Server:
    """The stand-in server in a process of its own, which can be killed and started again."""

    def __init__(self, milliseconds):
        self._duration = f"--milliseconds={milliseconds}"
        self._ports = {"rest": 0, "grpc": 0}
        self.start()

    def start(self):
        """Starts the process, on the same ports as before."""
        ports = [f"--{name}={port}" for name, port in self._ports.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stand_in_server", *ports, self._duration],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ports = json.loads(self._process.stdout.readline())

    def kill(self):
        """Ends the process at once."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def client(self, protocol, **options):
        """Returns a client for "rest" or "grpc"."""
        address = f"127.0.0.1:{self._ports[protocol]}"
        if protocol == "rest":
            return RestClient(Target(f"http://{address}", **options))
        return GrpcClient(Target(address, **options))


class _Timed:
    """A client that keeps the seconds of every request."""

    def __init__(self, client):
        self._client = client
        self.seconds = []

    def classify(self, files):
        start = time.perf_counter()
        answers = self._client.classify(files)
        self.seconds.append(time.perf_counter() - start)
        return answers


def load(server, protocol, paths, clients, requests):
    """Returns the percentiles in milliseconds and the rate with a number of requests at once."""
    with server.client(protocol) as client:
        timed, start = _Timed(client), time.perf_counter()
        _count(classify_files(timed, _cycle(paths, requests), batch_size=1, concurrency=clients))
        elapsed = time.perf_counter() - start
    percentiles = statistics.quantiles(timed.seconds, n=100)
    return {
        "protocol": protocol,
        "clients": clients,
        "p50_ms": round(1e3 * percentiles[49], 2),
        "p99_ms": round(1e3 * percentiles[98], 2),
        "requests_per_second": round(requests / elapsed),
    }


def memory_growth(server, protocol, paths, requests):
    """Returns the growth of this process' memory in MB, from a tenth of the requests to the end."""
    with server.client(protocol) as client:
        rows = classify_files(client, _cycle(paths, requests), batch_size=1, concurrency=16)
        _count(itertools.islice(rows, requests // 10))
        before = _resident()
        _count(rows, first=requests // 10)
    return {
        "protocol": protocol,
        "requests": requests,
        "memory_mb": round(_resident() / 1e6, 1),
        "growth_mb": round((_resident() - before) / 1e6, 1),
    }


def restart(server, protocol, paths, requests, retries):
    """Returns what became of the files while the server was killed and started again."""
    answered = failed = 0
    restarting = None

    def absence():
        server.kill()
        time.sleep(_ABSENCE)
        server.start()

    with server.client(protocol, retries=retries, timeout=30) as client:
        rows = classify_files(
            client, _cycle(paths, requests), batch_size=1, concurrency=16, keep_going=True
        )
        for number, row in enumerate(rows):
            if number == requests // 3:
                restarting = threading.Thread(target=absence)
                restarting.start()
            if row.error:
                failed += 1
            else:
                assert row.answer.classes == (number % _FILES,), "an answer is out of order"
                answered += 1
    restarting.join()
    return {
        "protocol": protocol,
        "retries": retries,
        "files": requests,
        "answered": answered,
        "failed": failed,
    }


def _cycle(paths, count):
    return itertools.islice(itertools.cycle(paths), count)


def _count(rows, first=0):
    """Checks that every answer is that of its file."""
    for number, row in enumerate(rows, first):
        assert row.answer.classes == (number % _FILES,), "an answer is out of order"


def _resident():
    """Returns the bytes of memory that this process occupies (Linux)."""
    pages = Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * resource.getpagesize()


def measure(requests, clients, milliseconds=5.0, protocols=PROTOCOLS):
    """Yields the result of each run, a dict."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        paths = [Path(folder) / f"{number:02}.jpg" for number in range(_FILES)]
        for number, path in enumerate(paths):
            path.write_bytes(f"{number} ".encode().ljust(_SIZE, b"\x80"))
        server = Server(milliseconds)
        stack.callback(server.kill)
        for protocol in protocols:
            for count in clients:
                yield load(server, protocol, paths, count, max(requests // 20, 100))
            yield memory_growth(server, protocol, paths, requests)
            for retries in (0, 6):
                yield restart(server, protocol, paths, max(requests // 10, 300), retries)


def main():
    """Prints a line of JSON per run; returns 1 if answers were lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=positive, default=36_000)
    parser.add_argument("--clients", type=positive, nargs="+", default=(1, 4, 16, 64))
    parser.add_argument("--milliseconds", type=float, default=5.0, help="time of an answer")
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=PROTOCOLS)
    options = parser.parse_args()
    lost = 0
    runs = measure(options.requests, options.clients, options.milliseconds, options.protocols)
    for result in runs:
        print(json.dumps(result), flush=True)
        lost += result.get("retries", 0) > 0 and result["failed"]
    return 1 if lost else 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())

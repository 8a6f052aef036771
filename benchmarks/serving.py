"""Many people searching at a time: `seds serve` as a process of its own, asked by 200 connections at once.

    python benchmarks/serving.py demo                    an index in this folder
    python benchmarks/serving.py demo --clients 1        one person alone
    python benchmarks/serving.py demo --url http://127.0.0.1:8000/    a server that runs already

Every sentence is another one, so nothing is answered from memory. A search is lost if it gets no answer, or another
than 200 with k results. Clients and server share the machine.

Found on two cores with 400 videos, 1,000 searches: none lost; p50 0.9 s, p95 1.0 s, 205 searches a second. One person
alone: 5 ms.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import re
import subprocess
import sys
import time
from contextlib import closing
from urllib.parse import urlencode, urlsplit

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
import psutil

from seds.search.gallery import Gallery

START_S = 120


def sentences(dataset: str) -> list[str]:
    """The words of the corpus in sentences that it does not have."""
    words = sorted({word for text in Gallery.open(dataset).sentences["text"] for word in text.split()})
    generator = random.Random(0)
    return [" ".join(generator.choices(words, k=generator.randint(3, 9))) for _ in range(10_000)]


def start(dataset: str) -> tuple[subprocess.Popen[str], str]:
    """A server on a free port, and its URL."""
    command = [sys.executable, "-c", "from seds.cli import app; app()", "serve", dataset, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    if found is None:
        raise SystemExit("the server did not start")
    return server, found[0]


async def client(
    url: str, texts: "itertools.cycle[str]", searches: int, k: int, taken: list[float], lost: list[str]
) -> None:
    """One connection that is kept, as a browser's is; a search after the other."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    with closing(writer):
        for _ in range(searches):
            query = urlencode({"q": next(texts), "k": k})
            began = time.perf_counter()
            writer.write(f"GET /api/search?{query} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = re.search(r"(?im)^content-length: *(\d+)", head)
            body = await reader.readexactly(int(size[1]) if size else 0)
            taken.append(time.perf_counter() - began)
            if " 200 " not in head.splitlines()[0] or len(json.loads(body)["results"]) != k:
                lost.append(f"{head.splitlines()[0]} {body[:200]!r}")


async def everybody(url: str, texts: list[str], clients: int, searches: int, k: int) -> tuple[list[float], list[str]]:
    taken: list[float] = []
    lost: list[str] = []
    supply = itertools.cycle(texts)
    work = [client(url, supply, searches, k, taken, lost) for _ in range(clients)]
    lost += [repr(e) for e in await asyncio.gather(*work, return_exceptions=True) if isinstance(e, BaseException)]
    return taken, lost


def cpu_seconds(server: subprocess.Popen[str] | None) -> float:
    """Of all cores together; unknown of a server that another started."""
    if server is None:
        return float("nan")
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--searches", type=int, default=5, help="of each client")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--url")
    arguments = parser.parse_args()
    texts = sentences(arguments.dataset)
    server, url = (None, arguments.url) if arguments.url else start(arguments.dataset)
    try:
        asyncio.run(everybody(url, texts[-20:], 1, 5, arguments.k))  # what the first search loads
        began, used = time.perf_counter(), cpu_seconds(server)
        taken, lost = asyncio.run(everybody(url, texts, arguments.clients, arguments.searches, arguments.k))
        seconds, used = time.perf_counter() - began, cpu_seconds(server) - used
    finally:
        if server is not None:
            server.terminate()
            server.wait()
    p50, p95, most = np.percentile(taken, [50, 95, 100])
    asked = arguments.clients * arguments.searches
    print(f"{asked} searches by {arguments.clients} clients in {seconds:.1f} s, {len(taken) / seconds:.0f} a second")
    print(f"lost {len(lost)}; p50 {p50:.3f} s, p95 {p95:.3f} s, longest {most:.3f} s")
    print(f"{1000 * used / asked:.1f} ms of a core for each")
    for line in lost[:5]:
        print(line)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""How many files, and calls from one to another, one session passes: see scripts/session-path.sh."""

import argparse
import collections
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))

from kit import backend, certificates, pgwire, tcp, tls        # noqa: E402
from kit.ringmain import Ringmain, usable                      # noqa: E402
from kit.wait import wait_until                                # noqa: E402

SESSIONS = 8        # of which the average is taken
PAIR = struct.Struct("=QQ")
FOUNDATION = (
    "app", "base", "net", "io", "proto", "x509", "crypto", "tls", "config", "balance", "pool",
)

PLAIN = """[global]
workers = 1
[listener in]
bind = 127.0.0.1:0
pool = p
[pool p]
backend = b 127.0.0.1:{port}
"""

POSTGRES = """[global]
workers = 1
[listener in]
bind = 127.0.0.1:0
protocol = postgres
tls = terminate
certificate = {certificate}
pool = p
[pool p]
backend = b 127.0.0.1:{port}
"""


def message(letter, body=b""):
    return letter + struct.pack("!i", len(body) + 4) + body


def echo(peer):
    """One exchange, then the client's end is answered by ours."""
    while data := peer.sock.recv(1 << 16):
        peer.sock.sendall(data)


def postgres(peer):
    """Trusts everybody, gives a key, is ready; until the client leaves."""
    sock = peer.sock
    size = int.from_bytes(tcp.recv_exactly(sock, 4), "big")
    tcp.recv_exactly(sock, size - 4)
    sock.sendall(message(b"R", struct.pack("!i", 0)) + message(b"K", struct.pack("!i", 7) + b"1234")
                 + pgwire.READY)
    while sock.recv(1 << 16):
        pass


def plain_session(address):
    with tcp.connect(address) as sock:
        sock.sendall(b"x" * 100)
        tcp.recv_exactly(sock, 100)


def postgres_session(address):
    sock = tcp.connect(address)
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"S")
    inside = tls.TlsSocket(sock, tls.client_context(), name=tls.NAME)
    pgwire.Session(inside).close()


def trace(binary, text, session, path):
    """The pairs of addresses of SESSIONS sessions."""
    preload = binary.parent / "session-path.so"
    with tempfile.TemporaryDirectory() as workdir:
        rm = Ringmain(workdir, binary=binary)
        rm.start(text, env={"LD_PRELOAD": str(preload), "SESSION_PATH_TRACE": str(path)})
        address = usable(rm.address())
        session(address)        # the first of all may prepare things
        wait_until(lambda: len(rm.lines(msg="session")) == 1, "the first session's line")
        before = path.stat().st_size
        for done in range(1, SESSIONS + 1):
            session(address)
            wait_until(lambda: len(rm.lines(msg="session")) == done + 1, "a session's line")
        data = path.read_bytes()[before:]
        rm.stop()
    return list(PAIR.iter_unpack(data[:len(data) // PAIR.size * PAIR.size]))


def places_of(binary, addresses):
    """{address: (folder/file without its ending, is it in a header?)}"""
    ordered = sorted(addresses)
    ran = subprocess.run(["addr2line", "-e", str(binary)], text=True, capture_output=True, check=True,
                         input="".join(f"{a:#x}\n" for a in ordered))
    found = {}
    for address, line in zip(ordered, ran.stdout.splitlines()):
        parts = pathlib.PurePath(line.split(":")[0]).parts
        module, ending = "/".join(parts[-2:]).rsplit(".", 1)
        found[address] = module, ending == "h"
    return found


def heights():
    """{floor: height}, of the table in check-floors.sh."""
    text = (ROOT / "scripts/check-floors.sh").read_text()
    rows = text.split("\nfloors='\n")[1].split("'")[0].splitlines()
    return {row.split()[0]: int(row.split()[1]) for row in rows}


def is_of_middle(module):
    return module.split("/")[0] not in FOUNDATION


def goes_up(pair, height):
    """Only what is below can have called by a pointer: the handlers of the session's phase."""
    return height[pair[0].split("/")[0]] < height[pair[1].split("/")[0]]


def report(name, pairs, places, show):
    height = heights()
    calls, accesses = collections.Counter(), 0
    for a, b in pairs:
        if places[a][0] == places[b][0] or not is_of_middle(places[a][0]) or \
                not is_of_middle(places[b][0]):
            continue
        if places[b][1]:
            accesses += 1   # a line in a header: where a part's session is, for example
        else:
            calls[places[a][0], places[b][0]] += 1
    up = sum(n for pair, n in calls.items() if goes_up(pair, height))
    both_ways = sorted(pair for pair in calls
                       if pair[::-1] in calls and not goes_up(pair, height) and
                       not goes_up(pair[::-1], height) and pair < pair[::-1])
    everything = {places[address][0] for pair in pairs for address in pair}
    passed = {module for pair in calls for module in pair}
    print(f"{name:10} {len(everything):3} files, of which the middle {len(passed):3}; calls between "
          f"those {sum(calls.values()) / SESSIONS:.1f}, of which to the handlers of its phase "
          f"{up / SESSIONS:.1f}; accessors in headers {accesses / SESSIONS:.1f}; "
          f"pairs that call each other {len(both_ways)}")
    for pair in both_ways:
        print(f"           both ways: {pair[0]} {pair[1]}")
    if show:
        for (a, b), n in sorted(calls.items(), key=lambda item: -item[1]):
            print(f"           {n / SESSIONS:6.1f}  {a} -> {b}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--calls", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "pki").mkdir()
        keys = certificates.common(folder / "certificates")
        for name, handler, text, session in (("plain", echo, PLAIN, plain_session),
                                             ("postgres", postgres, POSTGRES, postgres_session)):
            server = backend.Backend(handler)
            text = text.format(port=server.address[1], certificate=keys["ecdsa.pem"])
            pairs = trace(args.binary, text, session, folder / f"{name}.trace")
            server.close()
            report(name, pairs, places_of(args.binary, {a for p in pairs for a in p}), args.calls)


main()

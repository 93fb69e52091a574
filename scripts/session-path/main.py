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
FOUNDATION = ("app", "base", "net", "io", "proto", "tls", "config", "balance")

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


def files_of(binary, addresses):
    """{address: folder/file without its ending}"""
    ordered = sorted(addresses)
    ran = subprocess.run(["addr2line", "-e", str(binary)], text=True, capture_output=True, check=True,
                         input="".join(f"{a:#x}\n" for a in ordered))
    found = {}
    for address, line in zip(ordered, ran.stdout.splitlines()):
        parts = pathlib.PurePath(line.split(":")[0]).parts
        found[address] = "/".join(parts[-2:]).rsplit(".", 1)[0]
    return found


def report(name, pairs, files, show):
    calls = collections.Counter((files[a], files[b]) for a, b in pairs)
    inside = {(a, b): n for (a, b), n in calls.items()
              if a != b and not {a.split("/")[0], b.split("/")[0]} & set(FOUNDATION)}
    passed = {f for pair in inside for f in pair}
    everything = {f for pair in calls for f in pair}
    both_ways = sorted({tuple(sorted(p)) for p in inside if (p[1], p[0]) in inside})
    print(f"{name:10} {len(everything):3} files, of which the middle {len(passed):3}; "
          f"calls between those {sum(inside.values()) / SESSIONS:6.1f}; "
          f"pairs that call each other {len(both_ways)}")
    for pair in both_ways:
        print(f"           both ways: {pair[0]} {pair[1]}")
    if show:
        for (a, b), n in sorted(inside.items(), key=lambda item: -item[1]):
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
            report(name, pairs, files_of(args.binary, {a for p in pairs for a in p}), args.calls)


main()

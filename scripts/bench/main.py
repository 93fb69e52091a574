# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/bench.sh without its shell: options, the order of measurements, reports."""

import argparse
import atexit
import datetime
import fcntl
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time

import balance
import figures
import plot
import processes
import relays
from cases import CASES
from bed import Bed

ROOT = pathlib.Path(__file__).resolve().parents[2]

DESCRIPTION = """\
Compares ringmain with HAProxy (mode tcp, splice-auto, for bulk splice-request and -response, one
thread, no log) and nginx (stream, one process, 64 kB buffers, no log) on the same work in one run;
with TLS with hitch (one worker), too. There the relay ends TLS in front of a backend without, and
all have the same certificate (made for the run), version (1.3 where nothing else is said), cipher
suite (TLS_AES_128_GCM_SHA256) and group (X25519, or as a case says), with tickets on. The client's
TLS is OpenSSL's.
Every measurement has a relay process of its own. Rounds are interleaved: a case is done with one
relay after the other, in another order each round, so that whatever disturbs the machine disturbs
all of them. The relay runs on one processor, the client and the backend (tests/load/load.c) share
another.
"""

FIGURES = """\
What the figures mean (median of the rounds, least and greatest beside it; less is better):
  us/exchange    CPU time of the relay's process (all threads, user and kernel, io_uring's kernel
                 workers too; read in nanoseconds from its CPU clock at both ends of the
                 measurement) by the number of exchanges. An exchange is 128 bytes up and 1 kB down.
  us/handshake   the same by the number of connections: each is accepted, has its TLS handshake,
                 whole (key exchange and signature) or resumed (key exchange and ticket; TLS 1.2:
                 ticket alone), gets one of its own to the backend, carries one exchange, is closed.
                 In a case with resumed ones all but the very first are, which is checked.
  us/check       the same CPU time by the number of health checks: 1000 backends, each asked every 2 s,
                 and nobody else comes. All are one small server (scripts/bench/checked.py) at as many
                 addresses, which answers as PostgreSQL does; that starts a process for each connection,
                 and the machine would be busy with those. HAProxy has `check`, `option pgsql-check`,
                 and for log-in and role the same messages as a tcp-check of sends and expects.
  CPU-s/GiB      the same CPU time by the GiB that came through. Bulk is one way: the sender sends
                 and the receiver receives all they can.
  B/session      private memory (smaps_rollup: Private_Dirty) with N idle sessions, each of which
                 had one exchange, less that with none, by N. What the kernel keeps
                 for sockets is not in it. The JSON has Pss and Rss too.
  per exchange   syscalls of the relay by exchanges, counted by `perf stat -e
                 raw_syscalls:sys_enter`, else by `strace -c` (slows the relay: a rough figure).
  x              cost per exchange of 64 busy connections among 10000 idle sessions, by that of the
                 same process before the idle ones came.
  per s          exchanges or GiB in a second of time. With both on one processor, client and
                 backend limit it as much as the relay does: compare costs, not rates.
  p50, p99       time from a request (connection per exchange: from connect) to the last byte of its
                 answer, at full load: the clients ask again at once.
  busy           the share of its processor that the relay used.
  direct         client and backend without a relay: what the load tools themselves can do.
Ratios divide ringmain's figure by another's of the same round; shown is their median, least and
greatest. Goals are for the ratio to HAProxy, or for ringmain's figure itself. The picture shows
each relay's figure divided by HAProxy's of the same round: HAProxy = 1.

Cases:
"""


OPTIONS = {
    "--quick": {
        "action": "store_true",
        "help": "two minutes: 2 short rounds of the cases that say most, unless --only says which",
    },
    "--rounds": {"type": int, "metavar": "N", "help": "how often everything is measured (5)"},
    "--seconds": {
        "type": float,
        "metavar": "S",
        "help": "length of a measurement, after 0.5 s of warm-up (2)",
    },
    "--only": {"metavar": "CASE,...", "help": "cases, or beginnings of their names"},
    "--relays": {
        "metavar": "NAME,...",
        "default": "ringmain,haproxy,nginx,hitch,direct",
        "help": "(%(default)s)",
    },
    "--ringmain": {
        "metavar": "PATH",
        "default": ROOT / "build/release/ringmain",
        "help": "program to measure (build/release/ringmain)",
    },
    "--listener": {
        "metavar": "LINE",
        "action": "append",
        "default": [],
        "help": "for ringmain's listener, such as 'relay = copy'; may be repeated",
    },
    "--other": {
        "metavar": "PATH",
        "help": "a second ringmain, to see what a change does; it is one more peer",
    },
    "--other-listener": {
        "metavar": "LINE",
        "action": "append",
        "default": [],
        "help": "as --listener, for the other ringmain",
    },
    "--load-tool": {
        "metavar": "PATH",
        "default": ROOT / "build/release/tests/load/load",
        "help": "client and backend (build/release/tests/load/load)",
    },
    "--relay-cpu": {"type": int, "metavar": "N", "help": "processor of the relay (the last)"},
    "--load-cpu": {
        "metavar": "N,...",
        "help": "processors that client and backend share (the first)",
    },
    "--out": {
        "metavar": "DIR",
        "type": pathlib.Path,
        "default": ROOT / "build/bench",
        "help": "for bench.txt, bench.json and bench.svg (build/bench)",
    },
    "--nice": {
        "type": int,
        "metavar": "N",
        "default": 0,
        "help": "of everything that is measured; -20 on a machine that has other work (needs root)",
    },
    "--keep": {"action": "store_true", "help": "keep the relays' configurations and logs"},
    "--own-network": {"action": "store_true", "help": argparse.SUPPRESS},
}


def parse_options(argv):
    listing = "\n".join(f"  {c.key:<15}{c.title} ({c.unit})" for c in CASES)
    parser = argparse.ArgumentParser(
        prog="bench.sh",
        description=DESCRIPTION,
        epilog=FIGURES + listing + balance.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for flag, settings in OPTIONS.items():
        parser.add_argument(flag, **settings)
    opt = parser.parse_args(argv)
    opt.rounds = opt.rounds or (2 if opt.quick else 5)
    opt.seconds = opt.seconds or (0.7 if opt.quick else 2)
    opt.cases, opt.figures = choose_cases(parser, opt.only, opt.quick)
    return parser, opt


QUICK = ("pingpong-64", "exchange-64", "down-1", "memory-1000", "tls-full-ecdsa", "tls-pingpong-64")


def choose_cases(parser, only, quick):
    """Those that compare relays, and the figures of ringmain alone."""
    if quick and not only:
        return [c for c in CASES if c.key in QUICK], []
    wanted = only.split(",") if only else [""]
    for name in wanted:
        if not any(c.key.startswith(name) for c in [*CASES, *balance.FIGURES]):
            parser.error(f"--only {name}: no such case; --help lists them")
    return tuple(
        [c for c in all_of_them if any(c.key.startswith(name) for name in wanted)]
        for all_of_them in (CASES, balance.FIGURES)
    )


def choose_relays(parser, opt):
    known = relays.all_relays(opt)
    chosen = []
    names = opt.relays.split(",") + (["other"] if opt.other else [])
    for name in dict.fromkeys(names):  # each once
        if name not in known:
            parser.error(f"--relays {name}: one of {', '.join(known)}")
        if not any(case.is_for(known[name]) for case in opt.cases):
            continue
        if not known[name].is_there():
            parser.error(f"{name} is not there: {known[name].cure}, or leave it out by --relays")
        chosen.append(known[name])
    if not chosen:
        parser.error(f"--relays {opt.relays}: not for these cases")
    return chosen


def choose_cpus(opt):
    """Two processors where there are two. None: not pinned."""
    cpus = sorted(os.sched_getaffinity(0))
    relay = {opt.relay_cpu if opt.relay_cpu is not None else cpus[-1]}
    load = set(map(int, opt.load_cpu.split(","))) if opt.load_cpu else {cpus[0]}
    if relay & load:
        print("bench: relay and load share a processor; do not trust the figures", file=sys.stderr)
    return relay, load


def set_up_network():
    """In a network namespace of our own: lo is down there, more ports do no harm, and a congestion
    control that paces what loopback could take at once (BBR) would be measured with the relays.
    """
    siocgifflags, siocsifflags, iff_up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, siocgifflags, request)
        flags = struct.unpack("16sh14x", answer)[1]
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sh14x", b"lo", flags | iff_up))
    set_sysctl("ip_local_port_range", "32768 65535")
    # Debian's default, else the one that every kernel lets a namespace choose
    if congestion_control() != "cubic" and not set_sysctl("tcp_congestion_control", "cubic"):
        set_sysctl("tcp_congestion_control", "reno")


SYSCTLS = pathlib.Path("/proc/sys/net/ipv4")


def set_sysctl(name, value):
    try:
        (SYSCTLS / name).write_text(value, encoding="ascii")
    except OSError:
        return False
    return True


def congestion_control():
    return (SYSCTLS / "tcp_congestion_control").read_text(encoding="ascii").strip()


def be_nice(nice):
    """This process and what it starts; of its session too, where the kernel groups by session."""
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    group = pathlib.Path("/proc/self/autogroup")
    if not group.exists():
        return
    before = group.read_text(encoding="ascii").split()[-1]
    atexit.register(group.write_text, before)
    group.write_text(str(nice), encoding="ascii")


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def in_order(chosen, turn):
    """Another one first each round."""
    at = turn % len(chosen)
    return chosen[at:] + chosen[:at]


def measure_one(bed, case, relay, turn):
    result = {"case": case.key, "relay": relay.key, "round": turn}
    try:
        return {**result, **case.measure(bed, relay)}
    except processes.Trouble as trouble:
        return {**result, "error": str(trouble)}
    finally:
        processes.stop_all()


# What a measurement takes beside its own time: warm-up, start and end of the processes.
OVERHEAD_S = 1.7


def lasting(seconds):
    """As people say it."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} seconds"
    return f"{seconds / 60:.0f} minutes"


def progress(done, total, result, case, left_s):
    if "error" in result:
        text = f"failed: {result['error']}"
    elif result["relay"] == "direct":
        text = f"{figures.number(result['rate'])} per s"
    else:
        text = f"{figures.number(result['figure'])} {case.unit}"
    who = f"round {result['round'] + 1} {result['case']} {result['relay']}"
    left = f", {lasting(left_s)} left" if done < total else ""
    print(f"[{done}/{total}{left}] {who}: {text}", file=sys.stderr, flush=True)


def measure_all(bed, opt, chosen, measurements):
    plan = [
        (turn, case, relay)
        for turn in range(opt.rounds)
        for case in opt.cases
        for relay in in_order(chosen, turn)
        if case.is_for(relay)
    ]
    expected = lasting(len(plan) * (opt.seconds + OVERHEAD_S))
    brief = "" if opt.quick or opt.only else "; --quick (make bench QUICK=1) takes two"
    print(
        f"bench: {len(plan)} measurements, about {expected}{brief}. Ctrl-C reports what is there.",
        file=sys.stderr,
        flush=True,
    )
    began = time.monotonic()
    for done, (turn, case, relay) in enumerate(plan, 1):
        measurements.append(measure_one(bed, case, relay, turn))
        left_s = (time.monotonic() - began) / done * (len(plan) - done)
        progress(done, len(plan), measurements[-1], case, left_s)


def notes(opt, bed, measurements):
    """What a reader must know beside the tables."""
    lines = []
    for case in opt.cases:
        for m in measurements:
            held = m.get("sessions")
            if m["case"] == case.key and held and str(held) not in case.title:
                lines.append(f"{case.key}: {held} sessions, as the limit of open files allows.")
                break
    counted = {m["counted_by"] for m in measurements if "counted_by" in m}
    if counted:
        lines.append(f"Syscalls were counted by {' and '.join(sorted(counted))}.")
    for m in measurements:
        if "error" in m:
            lines.append(f"Failed: {m['case']} {m['relay']} round {m['round'] + 1}: {m['error']}")
    return lines


def tls_libraries(opt, chosen):
    if not any(case.has_tls for case in opt.cases):
        return {}
    return {r.key: library for r in chosen if (library := r.library())}


def whose_tls(libraries, labels):
    users = {}
    for key, library in libraries.items():
        users.setdefault(library, []).append(labels[key])
    return "".join(f"\n{library} for TLS in {', '.join(of)}" for library, of in users.items())


def report(opt, bed, chosen, versions, measurements, alone):
    labels = {r.key: f"{r.label} {versions[r.key]}".strip() for r in chosen}
    rows = figures.summarise(measurements, opt.cases, labels)
    libraries = tls_libraries(opt, chosen)
    setting = (
        f"Linux {platform.release()}, {cpu_model()}, TCP {congestion_control()}, relay on CPU"
        f" {min(bed.relay_cpus)}, load on CPU {','.join(map(str, sorted(bed.load_cpus)))};"
        f" {opt.rounds} rounds of {bed.seconds:g} s"
    )
    compared = ", ".join(labels[r.key] for r in chosen if r.is_process)
    setting += whose_tls(libraries, labels)
    parts = [
        f"{compared}\n{setting}".strip(),
        rows and figures.figures_table(rows, labels),
        rows and figures.ratios_table(rows, labels),
        "\n".join(notes(opt, bed, measurements)),
        balance.text(alone, opt.figures),
    ]
    text = "\n\n".join(p for p in parts if p) + "\n"
    opt.out.mkdir(parents=True, exist_ok=True)
    (opt.out / "bench.txt").write_text(text, encoding="utf-8")
    document = {
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "cpu": cpu_model(),
        "congestion_control": congestion_control(),
        "relays": versions,
        "tls_libraries": libraries,
        "rounds": opt.rounds,
        "seconds": bed.seconds,
        "summary": rows,
        "measurements": measurements,
        "alone": alone,
    }
    (opt.out / "bench.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    print(text)
    drawn = balance.draw(alone, opt.figures, setting.splitlines()[0], opt.out)
    if plot.draw(rows, labels, setting, opt.out / "bench.svg"):
        drawn = ["bench.svg", *drawn]
    print(f"Written: {opt.out}/bench.json {' '.join(['bench.txt', *drawn])}")


def leave(signum, _frame):
    raise SystemExit(128 + signum)


def main(argv):
    parser, opt = parse_options(argv)
    chosen = choose_relays(parser, opt) if opt.cases else []
    if not os.access(opt.load_tool, os.X_OK):
        parser.error(f"{opt.load_tool} is missing: make load")
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
    atexit.register(processes.stop_all)
    if opt.own_network:
        set_up_network()
    if opt.nice:
        be_nice(opt.nice)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmain-bench-"))
    nofile = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    relay_cpus, load_cpus = choose_cpus(opt)
    bed = Bed(opt.load_tool, directory, relay_cpus, load_cpus, opt.seconds, nofile)
    measurements, alone = [], {}
    for relay in chosen:
        relay.freeze(directory)
    versions = {r.key: r.version() for r in chosen}
    try:
        measure_all(bed, opt, chosen, measurements)
        if opt.figures:
            balance.measure_all(opt, bed, directory, alone)
    except KeyboardInterrupt:
        print("bench: stopped; what was measured so far:", file=sys.stderr)
    finally:
        processes.stop_all()
        if opt.keep:
            print(f"bench: configurations and logs are in {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if measurements or alone:
        report(opt, bed, chosen, versions, measurements, alone)
    failed = any("error" in m for m in measurements) or any(a["errors"] for a in alone.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

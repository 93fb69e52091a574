# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the system tests; README.md in this directory says how to use them."""

import contextlib
import functools
import os
import shutil
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True

from kit import certificates, proc, tcp                 # noqa: E402
from kit import backend as servers                      # noqa: E402
from kit.backend import LOOPBACK, Backend, Blackhole, Manual    # noqa: E402
from kit.control import Ctl, Following                   # noqa: E402
from kit.ini import ini                                 # noqa: E402
from kit.netns import Netns                             # noqa: E402
from kit.reload import Certified, Reloaded              # noqa: E402
from kit.ringmain import BINARY, Ringmain               # noqa: E402
from kit.standin import HAProxy                         # noqa: E402
from kit.turns import turn                              # noqa: E402

STANDIN = os.environ.get("RINGMAIN_STANDIN", "")
LOG_TAIL_CHARS = 2500


def pytest_itemcollected(item):
    """Side by side (xdist): tests that share servers of their file stay together in one process."""
    if item.config.pluginmanager.hasplugin("xdist") and _shares(item):
        item.add_marker(pytest.mark.xdist_group(item.location[0]))


def _shares(item):
    fixtures = item._fixtureinfo.name2fixturedefs       # pylint: disable=protected-access
    return any(one.scope == "module" for found in fixtures.values() for one in found)


def _is_alone(item):
    return item.get_closest_marker("alone") is not None


def _rank(item):
    """What takes long begins first; who must be alone comes when the others are through."""
    return 2 if _is_alone(item) else 0 if _shares(item) else 1


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    with turn(_is_alone(item)):
        yield


def pytest_collection_modifyitems(items):
    items.sort(key=_rank)
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        for mark in item.iter_markers("own_library"):
            if _has_packaged_library() and set(mark.args[1:]) <= set(_parameters(item)):
                item.add_marker(pytest.mark.skip(reason=f"not with the packaged wolfSSL: {mark.args[0]}"))
        if not STANDIN:
            continue
        for mark in item.iter_markers("haproxy_cannot"):
            item.add_marker(pytest.mark.skip(reason=f"HAProxy: {mark.args[0]}"))
        for mark in item.iter_markers("haproxy_fails"):
            if not set(mark.args[1:]) <= set(_parameters(item)):
                continue
            item.add_marker(pytest.mark.xfail(reason=f"HAProxy: {mark.args[0]}", strict=True,
                                              raises=AssertionError))


@functools.lru_cache
def _has_packaged_library():
    """Only ringmain's own build of wolfSSL is without a remark (ringmain -V)."""
    return not STANDIN and "WOLFSSL=system" in proc.run([BINARY, "-V"], check=False).stdout


def _parameters(item):
    return item.callspec.params.values() if hasattr(item, "callspec") else ()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what every ringmain and server of it has logged."""
    outcome = yield
    report = outcome.get_result()
    setattr(item, f"report_{report.when}", report)
    if report.skipped and item.get_closest_marker("clients"):
        report.outcome, report.longrepr = "failed", f"must not be skipped: {report.longrepr[2]}"
    if not report.failed:
        return
    for name, path in getattr(item, "logs", []):
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as log:
                report.sections.append((f"log of {name} ({path})", log.read()[-LOG_TAIL_CHARS:]))


@contextlib.contextmanager
def _directory():
    """A directory that servers of other users can pass through; KEEP_WORKDIR=1 keeps it."""
    path = tempfile.mkdtemp(prefix="ringmain-test-")
    os.chmod(path, 0o711)
    try:
        yield path
    finally:
        if not os.environ.get("KEEP_WORKDIR"):
            shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def workdir():
    """A directory of the test's own."""
    with _directory() as path:
        yield path


@pytest.fixture(scope="module")
def module_dir():
    """A directory for the servers that the tests of one file share."""
    with _directory() as path:
        yield path


@pytest.fixture(scope="session")
def pki():
    """The certificates that tests share (kit.certificates)."""
    proc.need("openssl", "openssl")
    with _directory() as path:
        yield certificates.common(path)


@pytest.fixture
def make_ringmain(request, workdir):
    """make_ringmain() gives a Ringmain that is not started; it is stopped and checked at the end."""
    made = []
    request.node.logs = getattr(request.node, "logs", [])

    def make():
        if not STANDIN and not BINARY.exists():
            pytest.fail(f"{BINARY} does not exist: build it (make) or set RINGMAIN", False)
        kind = HAProxy if STANDIN == "haproxy" else Ringmain
        one = kind(workdir, len(made) + 1)
        made.append(one)
        request.node.logs.append(("ringmain", str(one.log)))
        return one

    yield make
    errors = []
    failed = getattr(request.node, "report_call", None) and request.node.report_call.failed
    for one in made:
        try:
            _finish(one, not failed)
        except AssertionError as error:
            errors.append(error)
    if errors and not failed:
        raise errors[0]


def _finish(one, is_checked):
    if one.process is None:
        return
    if one.process.alive():
        try:
            if is_checked:
                one.wait_fds_back()
                one.stop()
        finally:
            one.process.kill()
    elif is_checked:
        one.check_log()


@pytest.fixture
def cleanup(make_ringmain):     # pylint: disable=unused-argument
    """A list of functions to call after the test, last first, before ringmain is checked and stopped.

    Each is called whatever the others do.
    """
    stack = []
    yield stack
    errors = []
    for function in reversed(stack):
        try:
            function()
        except Exception as error:      # pylint: disable=broad-except
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.fixture
def start(request, cleanup):
    """start(Class, ...) makes a server of the kit and closes it after the test."""
    def make(kind, *args, **kwargs):
        server = kind(*args, **kwargs)
        cleanup.append(server.close)
        if hasattr(server, "log"):
            request.node.logs.append((kind.__name__, str(server.log)))
        return server
    return make


@pytest.fixture
def backend(start):
    """backend(handler) serves with a handler of kit.backend."""
    return lambda handler, *args, **kwargs: start(Backend, handler, *args, **kwargs)


@pytest.fixture
def manual(start):
    """manual() gives a server whose accepted sockets the test holds."""
    return lambda *args, **kwargs: start(Manual, *args, **kwargs)


@pytest.fixture
def blackhole(start):
    """blackhole() gives a server that never completes a connect."""
    return lambda *args, **kwargs: start(Blackhole, *args, **kwargs)


@pytest.fixture
def ringmain(make_ringmain):
    """ringmain(config) or ringmain(backends, listener=..., ...) (kit.ini) starts one and gives it."""
    def begin(config, *, listener=None, pool=None, settings=None, binds=("127.0.0.1:0",), **start_options):
        if isinstance(config, (list, tuple)):
            config = ini(config, listener=listener, pool=pool, settings=settings, binds=binds)
        return make_ringmain().start(config, **start_options)
    return begin


@pytest.fixture
def netns(start, workdir):
    """A network namespace of the test's own (kit.netns); the test needs the mark root."""
    return start(Netns, workdir)


@pytest.fixture
def connect(cleanup):
    """connect(address, ...) as kit.tcp.connect; the socket is closed after the test."""
    def make(*args, **kwargs):
        sock = tcp.connect(*args, **kwargs)
        cleanup.append(sock.close)
        return sock
    return make


@pytest.fixture
def session(ringmain, manual, connect):
    """session(...as ringmain...) gives (client socket, backend socket, ringmain) of a live session."""
    def begin(*, rcvbuf=None, address=LOOPBACK, **options):
        server = manual(address, rcvbuf=rcvbuf)
        relay = ringmain([server], **options)
        client = connect(relay.address(), rcvbuf=rcvbuf)
        return client, server.accept(), relay
    return begin


@pytest.fixture
def controlled(ringmain, workdir):
    """controlled(backends, ...as ringmain...) gives (ringmain, Ctl)."""
    def begin(backends, *, settings=None, **options):
        path = os.path.join(workdir, "control.sock")
        rm = ringmain(backends, settings={"control": f"unix:{path}", **(settings or {})}, **options)
        return rm, Ctl(path)
    return begin


@pytest.fixture
def following(start):
    """following(ctl, *words) gives the rows of an answer that goes on, as they come."""
    return lambda *args: start(Following, *args)


@pytest.fixture
def running(ringmain, workdir):
    """running(backends, ...as ringmain...) gives a Reloaded."""
    def begin(backends, *, settings=None, **options):
        path = os.path.join(workdir, "control.sock")
        rm = ringmain(backends, settings={"control": f"unix:{path}", **(settings or {})}, **options)
        return Reloaded(rm, path)
    return begin


@pytest.fixture(scope="module")
def renewals(pki):
    """Two certificates of one name."""
    return [pki.make(name, "ca", "subjectAltName=DNS:db1.example.com") for name in ("renewal1", "renewal2")]


@pytest.fixture
def terminating(running, backend, workdir, pki):
    def begin(name, **options):
        file = Certified(workdir, pki)
        file.put(name)
        r = running([backend(servers.echo)],
                    listener={"tls": "terminate", "certificate": file.path, **options})
        return r, file
    return begin

# SPDX-License-Identifier: GPL-2.0-or-later
"""What tools that look for weak TLS find in the default configuration, and clients of other libraries."""

import re
import socket
import subprocess

import pytest

from kit import backend as servers
from kit import proc, tcp, terminators, tls
from kit.wait import SCALE, wait_until

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

AEAD = re.compile(r"GCM|CHACHA20_POLY1305|CHACHA20-POLY1305")


@pytest.fixture
def default(ringmain, backend, pki):
    """The default configuration: two certificates, an echo server, nothing else said."""
    return ringmain([backend(servers.echo)],
                    listener={"tls": "terminate", "certificate": [pki["ecdsa.pem"], pki["rsa.pem"]]})


def target(relay):
    host, port = relay.address()
    return f"{host}:{port}"


# Scanners

@pytest.mark.own_library("WOLFSSL_MAX_SUITE_SZ")
def test_sslscan_finds_nothing_weak(default):
    said = proc.run([proc.need("sslscan", "sslscan"), "--no-colour", target(default)]).stdout
    protocols = dict(re.findall(r"^((?:SSL|TLS)v[\d.]+) +(enabled|disabled)$", said, re.M))
    assert protocols == {"SSLv2": "disabled", "SSLv3": "disabled", "TLSv1.0": "disabled",
                         "TLSv1.1": "disabled", "TLSv1.2": "enabled", "TLSv1.3": "enabled"}
    suites = re.findall(r"^(?:Preferred|Accepted) +(TLSv1\.[23]) +\d+ bits +(\S+)", said, re.M)
    assert len(suites) == 9
    for version, suite in suites:
        assert AEAD.search(suite) and (version == "TLSv1.3" or suite.startswith("ECDHE-")), suite
    assert "Server supports TLS Fallback SCSV" in said
    assert "Session renegotiation not supported" in said
    assert said.count("not vulnerable to heartbleed") == 2
    groups = re.findall(r"^(TLSv1\.[23]) +\d+ bits +(\S+)", said, re.M)
    assert {name for _, name in groups} == {"secp256r1", "secp384r1", "secp521r1", "x25519"}


# What gnutls-cli-debug asks: the answers that are good where ours is another than HAProxy's, and why.
# "skipped" it says where an answer before made a question needless.
JUDGED = (
    ("%COMPAT is required", {"no", "skipped"}, "asked with CBC suites only, which are not there"),
    ("version rollback bug in Client Hello", {"no", "skipped"}, "asked of who took one of those"),
    ("version rollback bug in RSA PMS", {"yes"}, "what it says of who has no RSA key exchange to try"),
    ("encrypt-then-MAC", {"no"}, "mends CBC"),
    ("AES-CBC", {"no"}, "MAC, then encrypt: Lucky Thirteen"),
    ("SHA1 MAC", {"no"}, "a part of CBC suites"),
    ("SHA256 MAC", {"no"}, "a part of CBC suites"),
    ("(3DES|CAMELLIA|ARCFOUR|GOST|MD5|AES-CCM|VKO)", {"no"}, "weak, or used by nobody"),
    ("TLS 1.[01] ", {"no", "skipped"}, "RFC 8996 retires them"),
    ("RSA key exchange", {"no"}, "has no forward secrecy"),
    ("anonymous", {"no", "skipped"}, "verifies nobody"),
    ("Diffie-Hellman (support|group info)", {"no", "skipped"}, "of finite fields: slow"),
    ("heartbeat", {"no"}, "nothing needs it, and it bled once"),
    ("(whether we need to disable|is required)", {"no"}, "a client with all it has gets in"),
    ("(AES-GCM|CHACHA20-POLY1305)", {"yes"}, "AEAD"),
    ("(curve|ephemeral EC)", {"yes"}, "forward secrecy"),
    ("TLS 1.[23] ", {"yes"}, "current"),
    ("(renegotiation|master secret|fallback|resumption|closure alerts|record size|small records)", {"yes"},
     "safe, or sparing"),
)


def gnutls_debug(port, workdir):
    """{question: answer} of gnutls-cli-debug."""
    said = proc.run([proc.need("gnutls-cli-debug", "gnutls-bin"), "-V", "-p", str(port), "127.0.0.1"],
                    check=False, timeout=120, cwd=workdir).stdout
    return dict(re.findall(r"^ *(.+?)\.\.\. (.+)$", said, re.M))


@pytest.mark.parametrize("certificate", ("ecdsa.pem", "rsa.pem"))
def test_gnutls_cli_debug_finds_nothing_worse_than_with_haproxy(ringmain, start, workdir, backend, pki,
                                                                certificate):
    """Each with its defaults, the same certificate, and an echo server behind it."""
    server = backend(servers.echo)
    rm = ringmain([server], listener={"tls": "terminate", "certificate": pki[certificate]})
    haproxy = start(terminators.Haproxy, workdir, server.address, certificate=pki[certificate])
    ours, theirs = gnutls_debug(rm.address()[1], workdir), gnutls_debug(haproxy.port, workdir)
    assert len(ours) > 40 and set(ours) == set(theirs)
    assert ours["for TLS 1.3 (RFC8446) support"] == ours["for TLS 1.2 (RFC5246) support"] == "yes"
    assert ours["for RSA key exchange support"] == "no"
    worse = {question: (answer, theirs[question]) for question, answer in ours.items()
             if answer != theirs[question] and answer not in good_answers(question)}
    assert not worse


def good_answers(question):
    """Of the first row that fits; none where nobody has judged."""
    return next((good for pattern, good, _ in JUDGED if re.search(pattern, question)), ())


# Clients

class Chat:
    """A client that the test talks to, line by line."""

    def __init__(self, *argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)

    def say(self, line):
        self.process.stdin.write(line + "\n")

    def hear(self, words):
        """Reads until a line has these words; gives all that was read."""
        said = ""
        for line in self.process.stdout:
            said += line
            if words in line:
                return said
        raise AssertionError(f"{self.process.args[0]} ended before {words!r}; it said:\n{said}")

    def hang_up(self):
        """Gives the exit status."""
        self.process.stdin.close()
        return self.process.wait(20 * SCALE)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def s_client(relay, *args):
    return (proc.need("openssl", "openssl"), "s_client", "-connect", target(relay), "-servername",
            tls.NAME, *args)


@pytest.mark.parametrize("version", ("-tls1_2", "-tls1_3"))
def test_openssl_s_client(default, start, pki, version):
    chat = start(Chat, *s_client(default, version, "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile",
                                 pki["ca.crt"], "-verify_hostname", tls.NAME))
    for number in range(3):
        chat.say(f"line {number}")
        chat.hear(f"line {number}")
    assert chat.hang_up() == 0
    default.wait_sessions(1, reason="done")


def test_fallback_is_noticed(default):
    """A client that says it could do better was talked down (RFC 7507)."""
    done = proc.run(["/usr/bin/openssl", "s_client", "-connect", target(default), "-tls1_2",
                     "-fallback_scsv"], input="Q\n", check=False)
    assert "inappropriate fallback" in done.stderr
    default.wait_sessions(1, reason="client_tls_error")


def test_small_fragments_for_who_asks(default, start):
    """max_fragment_length (RFC 6066): no record is longer than the client can take."""
    chat = start(Chat, *s_client(default, "-maxfraglen", "512", "-msg"))
    chat.say("x" * 15_000 + " and that is all")
    sizes = [int(size.replace(" ", ""), 16) for size in re.findall(
        r"<<< .+, RecordHeader .+\n +17 03 03 (.. ..)\n", chat.hear("that is all"))]
    assert len(sizes) > 10 and max(sizes) <= 512 + 256


@pytest.mark.parametrize("args", ((), ("-new", "-tls1_2"), ("-reuse", "-tls1_2"), ("-reuse", "-tls1_3")))
def test_openssl_s_time(default, args):
    """A second of handshakes; none fails."""
    done = proc.run([proc.need("openssl", "openssl"), "s_time", "-connect", target(default), "-time", "1",
                     *args], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    count = int(re.search(r"(\d+) connections in", done.stdout)[1])
    assert count > 20
    wait_until(lambda: default.text().count(" tls=TLS") >= count - 1, "the sessions' lines")
    good = [line for line in default.sessions() if "tls" in line]
    if "-reuse" in args and "-tls1_2" in args:
        assert [line["resumed"] for line in good].count("yes") >= count - 2


@pytest.mark.parametrize("priority", ("NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "SECURE128",
                                      "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:"
                                      "+GROUP-X448:+GROUP-SECP384R1"))
def test_gnutls_cli(default, pki, priority):
    """And its --resume, which connects twice."""
    host, port = default.address()
    done = proc.run([proc.need("gnutls-cli", "gnutls-bin"), "--x509cafile", pki["ca.crt"], "--sni-hostname",
                     tls.NAME, "--verify-hostname", tls.NAME, "--priority", priority, "--resume",
                     "--port", str(port), host], input="hello\n", check=False)
    assert "Handshake was completed" in done.stdout and "hello" in done.stdout, done.stdout + done.stderr
    assert "This is a resumed session" in done.stdout
    lines = default.wait_sessions(2)
    assert [line["resumed"] for line in lines] == ["no", "yes"]


def test_gnutls_rekeys(default, start, pki):
    """KeyUpdate of another library, once in a while, is no flood."""
    host, port = default.address()
    chat = start(Chat, proc.need("gnutls-cli", "gnutls-bin"), "--x509cafile", pki["ca.crt"],
                 "--sni-hostname", tls.NAME, "--verify-hostname", tls.NAME, "--inline-commands",
                 "--port", str(port), host)
    chat.hear("Simple Client Mode")
    for number in range(5):
        chat.say(f"before {number}")
        chat.hear(f"before {number}")
        chat.say("^rekey^")
    chat.say("after")
    chat.hear("after")
    assert chat.hang_up() == 0
    default.wait_sessions(1, reason="done")


@pytest.mark.parametrize("args", ((), ("--tls-max", "1.2"), ("--tlsv1.3",), ("--curves", "P-521")))
def test_curl(ringmain, backend, pki, args):
    body = "x" * 200_000

    def http(peer):
        head = b""
        while b"\r\n\r\n" not in head:
            head += peer.recv()
        peer.sock.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        tcp.hang_up(peer.sock)
        servers.sink(peer)

    rm = ringmain([backend(http)], listener={"tls": "terminate", "certificate": pki["rsa.pem"]})
    done = proc.run([proc.need("curl", "curl"), "-sS", "--cacert", pki["ca.crt"], *args, "--connect-to",
                     f"::{target(rm)}", f"https://{tls.NAME}/"])
    assert done.stdout == body
    rm.wait_sessions(1, reason="done")


def test_renegotiation_is_declined(default, start):
    """s_client's R in TLS 1.2."""
    chat = start(Chat, *s_client(default, "-tls1_2"))
    chat.hear("Extended master secret")
    chat.say("R")
    line = default.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "client asks for a renegotiation"

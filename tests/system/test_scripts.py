# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts that check the sources find what they are there to find."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from kit import load, proc, servers
from kit.ringmain import BINARY

TOP = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = TOP / "scripts"
SPDX = "/* SPDX-License-Identifier: GPL-2.0-or-later */\n"


def run(script, *args, timeout=60):
    """Runs a script and gives (exit code, output)."""
    done = subprocess.run([SCRIPTS / script, *args], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout


def check(script, tree, path, text):
    """Runs a check script over a tree with one file."""
    file = tree / path
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return run(script, tree)


FLOOR_BREACHES = [
    # file, line that breaks the law, part of the message
    ("src/base/hash.c", '#include "net/addr.h"', "floor base (0) must not know net (1)"),
    ("src/pool/pool.c", '#include "relay/lane.h"', "must not know relay"),
    ("include/session/side.h", '#include "app/options.h"', "must not know app"),
    ("src/proto/hello.c", '#include "tls/context.h"', "floor proto (3) must not know tls (5)"),
    ("src/session/engine.c", "#include <liburing.h>", "liburing may be included on floor io only"),
    ("src/session/side.c", "#include <wolfssl/ssl.h>", "on floor tls or x509 or crypto only"),
    ("include/app/options.h", "#\tinclude <ini.h>", "on floor config only"),
    ("src/net/sock.c", '#include "../base/def.h"', 'no ".."'),
    ("src/net/sock.c", '#include "nowhere/x.h"', "is on no floor"),
    ("src/cellar/rat.c", "int rat;", 'unknown floor "cellar"'),
    ("src/net/sock.c", 'void f(void) { log_say(LOG_INFO, "hello"); }', "does not log above debug"),
    ("src/io/ring.c", "if (log_begin(&line, level, text))", "does not log above debug"),
    ("src/tls/context.c", 'syslog(3, "x");', "does not log above debug"),
    ("src/session/engine.c", "\texit(1);", "only floor app may end the process"),
    ("src/base/log.c", "\t_exit(1);", "only floor app may end the process"),
]


@pytest.mark.parametrize("path, line, rule", FLOOR_BREACHES, ids=[row[2] for row in FLOOR_BREACHES])
def test_check_floors_finds(tmp_path, path, line, rule):
    code, out = check("check-floors.sh", tmp_path, path, f"{SPDX}\n{line}\n")
    assert code == 1
    number = 1 if "unknown floor" in rule else 3
    assert f"{path}:{number}: " in out and rule in out
    assert "1 breaches" in out


def test_check_floors_finds_a_call_upward_without_an_include(tmp_path):
    write_tree(tmp_path, {"src/preread/low.c": "void high(void);\nvoid low(void)\n{\n\thigh();\n}",
                          "src/control/high.c": "void high(void)\n{\n}"})
    code, out = run("check-floors.sh", tmp_path)
    assert code == 1
    assert re.search(r"src/preread/low.c:6: floor preread .* must not use high of control", out)


def test_check_floors_finds_our_headers_in_angles(tmp_path):
    write_tree(tmp_path, {"include/dial/dial.h": "", "src/relay/lane.c": "#include <dial/dial.h>"})
    code, out = run("check-floors.sh", tmp_path)
    assert code == 1
    assert "src/relay/lane.c:3: <dial/dial.h> is ours, which stands in quotes" in out


FLOOR_GOOD = [
    ("src/app/main.c", '#include "worker/engine.h"\n#include <stdlib.h>\nvoid f(void) { exit(0); }'),
    ("src/session/side.c", '#include "tls/stream.h"\n#include "proto/hello.h"'),
    ("src/io/ring.c", '#include "io/ring.h"\n#include <liburing.h>\n#include "private.h"'),
    ("src/net/sock.c", 'void f(void) { log_say(LOG_DEBUG, "x"); on_exit(1); s.exit_code(2); }'),
    ("src/net/sock.c", '/*\n * exit(1) and log_say(LOG_INFO) in words\n */\nchar s[] = "exit(1)";'),
]


@pytest.mark.parametrize("path, text", FLOOR_GOOD)
def test_check_floors_lets_pass(tmp_path, path, text):
    code, out = check("check-floors.sh", tmp_path, path, SPDX + text + "\n")
    assert (code, out) == (0, "floors: 1 files, 0 breaches\n")


def write_tree(tree, files):
    """Sources of a few words, by their paths."""
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(f"{SPDX}\n{text}\n", encoding="utf-8")


CIRCLES = {
    "two that include each other": (
        {"include/io/one.h": '#include "io/two.h"', "include/io/two.h": '#include "io/one.h"'},
        ["include/io/one.h:3: io/one and io/two need each other: io/one includes io/two.h, "
         "and io/two includes io/one.h (include/io/two.h:3)"]),
    "two that call each other, whatever they include": (
        {"include/io/both.h": "void one(void);\nvoid two(void);",
         "src/io/one.c": '#include "io/both.h"\nvoid one(void)\n{\n\ttwo();\n}',
         "src/io/two.c": '#include "io/both.h"\nvoid two(void)\n{\n\tone();\n}'},
        ["src/io/one.c:6: io/one and io/two need each other: io/one calls two(), "
         "and io/two calls one() (src/io/two.c:6)"]),
    "one that is called and one that names a table": (
        {"src/io/one.c": 'const struct ops one_ops = {\n\t.go = two_go,\n};',
         "src/io/two.c": 'void two_go(int a,\n\t    int b)\n{\n\tuse(&one_ops);\n}'},
        ["io/one calls two_go(), and io/two uses one_ops (src/io/two.c:6)"]),
    "with a body on its line, and a table without a value": (
        {"src/io/one.c": "int table[3];\nvoid one(void) { two(); }",
         "src/io/two.c": "void two(void)\n{\n\tuse(table);\n}"},
        ["io/one calls two(), and io/two uses table (src/io/two.c:5)"]),
    "three in a round": (
        {"include/io/a.h": '#include "io/b.h"', "include/io/b.h": "void b(void);",
         "src/io/b.c": "void b(void)\n{\n\tc();\n}",
         "src/io/c.c": '#include "io/a.h"\nvoid c(void)\n{\n}'},
        ["include/io/a.h:3: a circle of modules: io/a includes io/b.h, which calls c() of io/c "
         "(src/io/b.c:5), which includes io/a.h (src/io/c.c:3); one of these ties has to go"]),
    "pairs in a larger circle": (
        {"src/io/a.c": '#include "io/b.h"', "src/io/b.c": '#include "io/a.h"\n#include "io/c.h"',
         "src/io/c.c": '#include "io/b.h"'},
        ["io/a and io/b need each other", "io/b and io/c need each other",
         "3 modules need each other in a circle: io/a, io/b, io/c"]),
    "a private header beside its source": (
        {"src/io/one.c": '#include "inside.h"\nvoid one(void)\n{\n}',
         "src/io/inside.h": "static inline void inside(void)\n{\n\tone();\n}"},
        ["io/inside and io/one need each other"]),
}


@pytest.mark.parametrize("files, says", CIRCLES.values(), ids=CIRCLES.keys())
def test_check_floors_finds_circles(tmp_path, files, says):
    write_tree(tmp_path, files)
    code, out = run("check-floors.sh", tmp_path)
    assert code == 1
    for words in says:
        assert words in out


def test_check_floors_finds_folders_that_are_too_large(tmp_path):
    file = "int x;\n" * 1800
    write_tree(tmp_path, {"src/io/a.c": file, "include/io/a.h": file, "src/config/a.c": file * 3})
    code, out = run("check-floors.sh", tmp_path)
    assert code == 1 and "src/io: 360" in out and "src/config" not in out


NO_CIRCLES = {
    "down only": {"include/io/a.h": '#include "io/b.h"', "src/io/a.c": "void a(void)\n{\n\tb();\n}",
                  "include/io/b.h": "void b(void);", "src/io/b.c": "void b(void)\n{\n}"},
    "a module's own files": {"include/io/a.h": '#include "own.h"', "src/io/own.h": "int own;",
                             "src/io/a.c": '#include "io/a.h"\n#include "own.h"'},
    "a function of the same name that is static": {
        "src/io/a.c": "void look(void)\n{\n\tb();\n}",
        "src/io/b.c": "static void look(void)\n{\n}\nvoid b(void)\n{\n\tlook();\n}"},
    "names of types and members, words in comments": {
        "src/io/a.c": "void look(void)\n{\n\tb();\n}",
        "src/io/b.c": "void b(void)\n{\n\tstruct look at;\n\tat.look = x->look; /* look() */\n}"},
}


@pytest.mark.parametrize("files", NO_CIRCLES.values(), ids=NO_CIRCLES.keys())
def test_check_floors_knows_what_is_no_circle(tmp_path, files):
    write_tree(tmp_path, files)
    code, out = run("check-floors.sh", tmp_path)
    assert (code, out) == (0, f"floors: {len(files)} files, 0 breaches\n")


UNUSED = {
    "include/io/one.h": "int one_used(void);\nint one_tested(int a,\n\t       int b);\n"
                        "static inline int one_inline(void)\n{\n\treturn 1;\n}",
    "src/io/one.c": "const char *const one_names[] = {\n\t[A] = names,\n};\n\n"
                    "int one_tested(int a,\n\t       int b)\n{\n\treturn one_tested(b, a);\n}\n\n"
                    "/* one_tested(1, 2) is not a call. */\nint one_used(void)\n{\n\treturn 1;\n}\n\n"
                    "static void hidden(void)\n{\n}",
    "src/io/two.c": "#define CALL() one_used()\nstatic int one_tested(void)\n{\n\treturn 1;\n}\n"
                    "static int (*at)(void) = one_tested;\nint main(void)\n{\n\treturn CALL() + at();\n}",
    "src/io/ring.c": "int ring_one(void)\n{\n\treturn ring_two();\n}\n\n"
                     "int ring_two(void)\n{\n\treturn ring_one();\n}",
}


def test_check_unused_finds_what_only_tests_need(tmp_path):
    write_tree(tmp_path, UNUSED)
    code, out = run("check-unused.sh", tmp_path)
    assert code == 1
    assert out.splitlines() == [
        "include/io/one.h:6: main() does not lead to one_inline()",
        "src/io/one.c:3: main() does not lead to one_names",
        "src/io/one.c:7: main() does not lead to one_tested()",
        "src/io/ring.c:3: main() does not lead to ring_one()",
        "src/io/ring.c:8: main() does not lead to ring_two()",
        "unused: 7 public functions and tables, 5 breaches"]


def test_check_unused_lets_pass_what_is_used(tmp_path):
    write_tree(tmp_path, {**UNUSED, "src/app/all.c":
                          "int main(void)\n{\n\tone_inline();\n\tone_tested(1, 2);\n"
                          "\tputs(one_names[0]);\n\treturn ring_one();\n}"})
    assert run("check-unused.sh", tmp_path) == (
        0, "unused: 7 public functions and tables, 0 breaches\n")


def function(name, parameters, body):
    return f"{SPDX}\nint {name}({parameters})\n{{\n{body}}}\n"


STYLE_BREACHES = [
    ("int x;\n\n", 2, "SPDX"),
    ("// SPDX-License-Identifier: GPL-2.0-or-later\nint x;\n", 1, "// comment"),
    (f"{SPDX}int x; // why\n", 2, "// comment"),
    (f"{SPDX}\t{'x' * 93};\n", 2, "line of 102 columns"),
    (f"{SPDX}int x; \n", 2, "blanks at the end"),
    (f"{SPDX}typedef struct x y;\n", 2, "typedef of a struct"),
    (function("f", "void", "\tx();\n" * 69), 74, "f() is 71 lines long"),
    (function("f", "int a, int b, int c, int d, int e, int g", ""), 4, "f() takes 6 parameters"),
    (function("f", "void", "\t\t\t\tif (x)\n"), 5, "nested deeper than 3"),
    (f"{SPDX}\n" * 601, 1202, "file is 1202 lines long"),
    *((f"{SPDX}\t{name}(a, b);\n", 2, "banned call")
      for name in ("strcpy", "sprintf", "strcat", "atoi", "gets", "strtok", "alloca", "sscanf")),
]


@pytest.mark.parametrize("text, line, rule", STYLE_BREACHES, ids=[row[2] for row in STYLE_BREACHES])
def test_check_style_finds(tmp_path, text, line, rule):
    code, out = check("check-style.sh", tmp_path, "src/base/x.c", text)
    assert code == 1
    assert f"src/base/x.c:{line}: " in out and rule in out


def test_check_style_finds_the_guard_of_another_folder(tmp_path):
    text = f"{SPDX}#ifndef PROXY_X_H\n#define PROXY_X_H\n#ifndef OTHER\n#endif\n#endif\n"
    code, out = check("check-style.sh", tmp_path, "include/base/x.h", text)
    assert code == 1 and "include/base/x.h:2: the include guard must be BASE_X_H" in out
    text = text.replace("PROXY", "BASE")
    code, out = check("check-style.sh", tmp_path / "mended", "include/base/x.h", text)
    assert code == 0, out


def test_check_style_lets_pass(tmp_path):
    text = function("f", "int a, int (*call)(int, int), int c, int d, int e",
                    '\t/* sprintf(x) // is a word here */\n\tsnprintf("//", 1);\n\tx->gets(1);\n'
                    + "\tx();\n" * 65)
    code, out = check("check-style.sh", tmp_path, "src/base/x.c", text)
    assert code == 0, out
    assert "   70  f() src/base/x.c:4" in out


def test_install_deps_refuses_an_unknown_group():
    code, out = run("install-deps.sh", "--for", "fun", "--print")
    assert code == 1 and "unknown group 'fun'" in out


def test_install_deps_says_nothing_is_missing_for_what_runs_this():
    assert run("install-deps.sh", "--for", "build", "--print") == (0, "\n")


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)
    return path


UNIT_PROGRAMS = {
    "good": "echo '[  PASSED  ] 3 test(s).'; exit 0",
    "bad": "echo '[  PASSED  ] 1 test(s).'; echo '[  FAILED  ] 2 test(s), listed below:'; exit 2",
    "crash": "kill -SEGV $$",
}


@pytest.mark.parametrize("names, code, line", [
    (["good", "good"], 0, "unit: 2 programs: 6 passed, 0 failed, 0 skipped"),
    (["good", "bad"], 1, "unit: 2 programs: 4 passed, 2 failed, 0 skipped"),
    (["good", "crash"], 1, "unit: 2 programs: 3 passed, 1 failed, 0 skipped"),
])
def test_run_units_counts(tmp_path, names, code, line):
    for name, text in UNIT_PROGRAMS.items():
        script(tmp_path / name, text)
    got, out = run("run-units.sh", *(tmp_path / name for name in names))
    assert got == code
    assert out.splitlines()[-1] == line


MAKE = """case $1 in
unit) echo 'unit: 2 programs: 6 passed, 0 failed, 1 skipped' ;;
system) echo '== 2 failed, 40 passed, 3 skipped, 1 error in 9.01s =='; exit 2 ;;
broken) echo 'x.c:1: error: no'; exit 2 ;;
esac"""


@pytest.mark.parametrize("targets, code, line", [
    (["unit"], 0, "6 passed, 0 failed, 1 skipped"),
    (["system", "unit"], 1, "46 passed, 3 failed, 4 skipped"),
    (["broken", "unit"], 1, "6 passed, 1 failed, 1 skipped"),
])
def test_run_tests_adds_up(tmp_path, targets, code, line):
    got, out = run("run-tests.sh", script(tmp_path / "make", MAKE), *targets)
    assert got == code
    assert out.splitlines()[-1] == line


def test_run_demo_shows_a_failure_and_leaves_nothing(tmp_path):
    """Without a terminal it ends by itself."""
    env = {**os.environ, "RINGMAIN": str(BINARY), "TMPDIR": str(tmp_path)}
    done = subprocess.run([SCRIPTS / "run-demo.sh"], env=env, text=True, timeout=300, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout
    counts = re.findall(r"answered by a, (\d+) by b; errors so far: (\d+)", done.stdout)
    assert [(int(b) == 200, errors) for b, errors in counts] == [(False, "0"), (True, "0"), (False, "0")], done.stdout
    assert "did you mean 'roundrobin'?" in done.stdout and "http://127.0.0.1:" in done.stdout
    assert len(done.stdout.splitlines()) <= 30
    assert not list(tmp_path.iterdir())


def test_scrape_tells_how_long_answers_take():
    done = subprocess.run(["/usr/bin/python3", "-B", SCRIPTS / "scrape.py", "--seconds", "1", "--backends", "50"],
                          env={**os.environ, "RINGMAIN": str(BINARY)}, text=True, timeout=180,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("round trips: p50") == 3 and len(re.findall(r"answers of \d+ kB: ", done.stdout)) == 2


def show_failover(*args):
    """Gives (exit code, output)."""
    servers.Postgres.program("pgbench")
    done = subprocess.run(["/usr/bin/python3", "-B", SCRIPTS / "failover.py", "--seconds", "1", "--rounds", "0", *args],
                          env={**os.environ, "RINGMAIN": str(BINARY)}, text=True, timeout=180,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def test_failover_shows_that_new_sessions_only_waited():
    code, out = show_failover()
    assert code == 0, out
    for words in ("ok   failed connects: 0\n", "ok   open sessions ended: 1 time, 1 time, 1 time, 1 time\n",
                  "ok   rows on the old primary that came after its crash: 0\n",
                  'reason="primary of an older timeline"'):
        assert words in out, out


@pytest.mark.soak
def test_failover_shows_how_it_is_without_hold():
    code, out = show_failover("--hold", "0")
    assert code == 1 and re.search(r"NOT  failed connects: [1-9]", out), out


@pytest.mark.soak
@pytest.mark.alone
def test_failover_tells_how_long_it_took():
    code, out = show_failover("--rounds", "1")
    assert code == 0, out
    for how, at_most in (("killed", "3.3"), ("stopped", "5.2")):
        assert re.search(rf"old one was {how}, 1 rounds\n    seen down +\d+\.\d s .*promised: {at_most} s at most\n", out), out
    assert len(re.findall(r"written again +\d+\.\d s", out)) == 2


@pytest.mark.alone
def test_bench_measures_tls_with_every_relay(tmp_path):
    """Very shortly: it says what failed, and a handshake that is not resumed has."""
    for tool in ("haproxy", "nginx", "hitch"):
        proc.need(tool, tool)
    code, out = run("bench.sh", "--only", "tls12", "--rounds", "1", "--seconds", "0.1",
                    "--ringmain", BINARY, "--load-tool", load.program(), "--out", tmp_path)
    assert code == 0, out
    assert re.search(r"bench: \d+ measurements, about \d+ (seconds|minutes)", out)
    if shutil.which("gnuplot"):
        assert "HAProxy = 1" in (tmp_path / "bench.svg").read_text(encoding="utf-8")
    document = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert [one["relay"] for one in document["measurements"] if one["figure"] > 0] == [
        "ringmain", "haproxy", "nginx", "hitch"]
    assert document["tls_libraries"]["haproxy"].startswith("OpenSSL ")


@pytest.mark.soak
@pytest.mark.alone
def test_bench_measures_what_checks_cost(tmp_path):
    proc.need("haproxy", "haproxy")
    code, out = run("bench.sh", "--only", "checks", "--rounds", "1", "--ringmain", BINARY,
                    "--load-tool", load.program(), "--out", tmp_path, timeout=240)
    assert code == 0, out
    document = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    for case in ("checks-tcp", "checks-postgres", "checks-role"):
        rates = {one["relay"]: one["rate"] for one in document["measurements"] if one["case"] == case}
        assert rates == {name: pytest.approx(500, rel=0.2) for name in ("ringmain", "haproxy")}


NOT_COPIED = shutil.ignore_patterns(".git", "tests", "asan*", "debug*", "tsan*", "fuzz*", "*.log")


@pytest.fixture(scope="module", name="tree")
def _tree(module_dir):
    """A copy of the tree with what is built: an install elsewhere builds the program again."""
    tree = pathlib.Path(module_dir) / "tree"
    shutil.copytree(TOP, tree, ignore=NOT_COPIED, symlinks=True)
    return tree


def make(tree, *args):
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    subprocess.run(["make", "-s", "-C", tree, *args], env=env, check=True, timeout=600,
                   stdout=subprocess.DEVNULL)


def test_install_goes_where_it_is_told_and_uninstall_leaves_the_configuration(tmp_path, tree):
    where = (f"DESTDIR={tmp_path}", "PREFIX=/opt/rm", "SYSCONFDIR=/conf", "UNITDIR=/units",
             "MANDIR=/opt/man")
    make(tree, "install", *where)
    unit = (tmp_path / "units/ringmain.service").read_text(encoding="ascii")
    assert "ExecStart=/opt/rm/sbin/ringmain -c ${CONFIG}\n" in unit
    assert "Environment=CONFIG=/conf/ringmain/ringmain.ini\n" in unit
    assert os.access(tmp_path / "opt/rm/sbin/ringmain", os.X_OK)
    config = tmp_path / "conf/ringmain/ringmain.ini"
    config.write_text("mine", encoding="ascii")

    make(tree, "install", *where)
    assert config.read_text(encoding="ascii") == "mine"
    make(tree, "uninstall", *where)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [config]


@pytest.mark.parametrize("prefix, sysconfdir", [("/usr/local", "/usr/local/etc"), ("/usr", "/etc")])
def test_all_that_is_installed_agrees_on_where_the_configuration_is(tmp_path, tree, prefix, sysconfdir):
    make(tree, "install", f"DESTDIR={tmp_path}", f"PREFIX={prefix}")
    wanted = f"{sysconfdir}/ringmain/ringmain.ini"
    assert (tmp_path / wanted[1:]).exists()
    program = tmp_path / f"{prefix[1:]}/sbin/ringmain"
    assert f"(default {wanted})" in proc.run([program, "-h"]).stdout
    if not os.path.exists(wanted):
        assert f"{wanted}: " in proc.run([program, "-t"], check=False).stderr
    for path in tmp_path.rglob("*"):
        if not path.is_file() or path.read_bytes().startswith(b"\x7fELF"):
            continue
        for place in re.findall(r"[\w/.]*/etc/ringmain\b|/\w[\w/]*/sbin/ringmain\b", path.read_text()):
            assert place in (f"{sysconfdir}/ringmain", f"{prefix}/sbin/ringmain"), f"{path}: {place}"


def test_each_patch_of_wolfssl_has_its_test():
    """Which fails without it (README.md here), and says where it was told upstream."""
    tests = "".join(path.read_text(encoding="utf-8") for path in TOP.glob("tests/system/test_tls_*.py"))
    patches = list(SCRIPTS.glob("wolfssl/*.patch"))
    assert patches
    for path in patches:
        assert f"{re.sub(r'-5[.0-9]+$', '', path.stem)}.patch" in tests, path.name
        assert "\nUpstream: " in path.read_text(encoding="utf-8"), path.name


def test_a_patch_that_is_not_there_cannot_be_left_out():
    done = subprocess.run([SCRIPTS / "build-wolfssl.sh", "--prefix"], env={**os.environ, "WOLFSSL_WITHOUT": "nonsense"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "build-wolfssl: there is no wolfssl/nonsense.patch\n")


UNEXPLAINED = {
    # what a function does that is new -> what is said of it
    'if (log_begin(&line, LOG_INFO, "never heard"))': "message of the log has no item: never heard",
    'say_it(&line, is_so ? "one thing" : "or another");': "message of the log has no item: or another",
    'log_say(LOG_WARN, "lost: %s, %u", why, n);': "message of the log has no item: lost: ..., ...",
    'log_begin(&line, LOG_INFO, new_names[kind]);': "message of the log has no item: in a table",
    'log_u64(&line, "newness", 1);': "key of the log is in no list of fields: newness",
    'log_text(&line, "reason", "brand new");': "word of the log is not marked: reason=brand new",
    'log_text(&line, "state", new_names[kind]);': "word of the log is not marked: state=in a table",
    'log_text(&line, "reason", made_up(at, once));': "cannot tell what this is: ",
}


@pytest.mark.parametrize("call", UNEXPLAINED)
def test_the_manual_explains_every_word_of_the_log(tmp_path, call):
    shutil.copytree(TOP / "src", tmp_path / "src")
    (tmp_path / "etc").mkdir()
    shutil.copy(TOP / "etc/ringmain.8", tmp_path / "etc")

    def said():
        metrics = subprocess.run([BINARY, "--help-metrics"], stdout=subprocess.PIPE, check=True).stdout
        done = subprocess.run([SCRIPTS / "log-words.py", tmp_path], input=metrics, stdout=subprocess.PIPE, check=False)
        return done.stdout.decode()

    assert said() == ""
    (tmp_path / "src/base/new.c").write_text(f"""
const char *const new_names[2] = {{
	[0] = "in a table",
}};

static void say_it(struct log_line *line, const char *words)
{{
	(void)!log_begin(line, LOG_INFO, words);
}}

static void be_new(void)
{{
	{call}
}}
""", encoding="utf-8")
    assert UNEXPLAINED[call] in said()


def test_every_key_of_the_json_is_in_the_manual():
    """Those that the source writes itself; scripts/check-docs.sh looks after the table's."""
    text = "".join(path.read_text(encoding="utf-8") for path in (TOP / "src/status").glob("*.c"))
    keys = set(re.findall(r'\b(?:put_\w+|key)\(\w+, "(\w+)"', text))
    assert {"last_reload_error", "attention", "busiest"} <= keys
    manual = (TOP / "etc/ringmain-metrics.7").read_text(encoding="utf-8").split(".Sh JSON")[1]
    assert not {key for key in keys if not re.search(rf"\b{key}\b", manual)}

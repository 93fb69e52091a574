# SPDX-License-Identifier: GPL-2.0-or-later
#
# ringmain: two commands matter, `make run` and `make test`; `make help` lists the rest.
#
# No list of sources to keep: src/*/*.c is the program, tests/unit/test_*.c a unit test each,
# tests/fuzz/fuzz_*.c a fuzz target each, tests/load/*.c a load tool each (with tests/load/kit/).
# Everything of one variant (release, debug, asan, tsan, fuzz) lies in build/VARIANT, and with
# WOLFSSL=system in build/VARIANT-system, with WITHOUT=records in build/VARIANT-without-records.

VERSION    := 0.1.0
VARIANT    ?= release
WOLFSSL    ?= own
PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
MANDIR     ?= $(PREFIX)/share/man
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR    ?= $(PREFIX)/lib/systemd/system
COMPDIR    ?= $(PREFIX)/share/bash-completion/completions
DOCDIR     ?= $(PREFIX)/share/doc/ringmain
PYTHON     ?= /usr/bin/python3
PKG_CONFIG ?= pkg-config
TIME       ?= 60

ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
endif
ifeq ($(origin AR),default)
AR := ar
endif
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory

of  := $(if $(filter system,$(WOLFSSL)),-system,$(WITHOUT:%=-without-%))
out := build/$(VARIANT)$(of)
Q   := $(if $(V),,@)
say  = $(if $(V)$(QUIET),,@printf '  %-5s %s\n' $(1) $(2))

# ---- what there is ----------------------------------------------------------

main_src   := src/app/main.c
ctl_src    := $(wildcard src/ctl/*.c)
lib_src    := $(filter-out $(main_src) $(ctl_src),$(wildcard src/*/*.c))
tls_src    := $(wildcard src/tls/*.c src/x509/*.c)
fake_src   := $(wildcard tests/fake/*.c)
unit_src   := $(wildcard tests/unit/test_*.c)
simulation_src  := $(wildcard tests/simulation/*.c)
fuzz_src   := $(wildcard tests/fuzz/fuzz_*.c)
load_src   := $(wildcard tests/load/*.c)
load_kit   := $(wildcard tests/load/kit/*.c)
page       := $(wildcard src/status/page.html)
man_pages  := $(wildcard etc/*.[1-8])
recipes    := $(wildcard etc/recipes/*.ini)
sample     := $(firstword $(wildcard etc/ringmain.ini) etc/demo.ini)

obj         = $(patsubst %.c,$(out)/%.o,$(1))
prog        = $(patsubst %.c,$(out)/%,$(1))
lib        := $(out)/libringmain.a
binary     := $(out)/ringmain
ctl        := $(out)/ringmainctl
marked      = $(if $(1),$(shell awk 'FNR <= 10 && /$(2)/ { print FILENAME }' $(1)))

# A unit test links the fakes unless it says REAL_RING in its first ten lines; a fuzz target
# only when it says FAKE_RING there.
faked := $(filter-out $(call marked,$(unit_src),REAL_RING),$(unit_src)) \
	 $(call marked,$(fuzz_src),FAKE_RING)

# ---- flags ------------------------------------------------------------------

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	    -Wold-style-definition -Wpointer-arith -Wvla -Wundef -Wformat=2 -Wwrite-strings \
	    -Wimplicit-fallthrough -Wno-missing-field-initializers \
	    $(if $(filter-out fuzz,$(VARIANT)),$(if $(WERROR),-Werror))
# Indirect branches end where functions begin: by x86's and by ARM's instructions.
branch_protection = $(or $(call taken,-fcf-protection),$(call taken,-mbranch-protection=standard))
taken = $(shell $(CC) $(1) -x c -c -o /dev/null /dev/null 2>&- && echo " $(1)")
harden   := -fstack-protector-strong -fstack-clash-protection $(branch_protection) -fPIE \
	    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

cflags_release := -O2 -g $(harden)
cflags_debug   := -Og -g3 $(harden) -DRINGMAIN_DEBUG=1
cflags_asan    := -O1 -g $(sanitize) -DRINGMAIN_DEBUG=1
cflags_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer -DRINGMAIN_DEBUG=1
cflags_fuzz    := -O1 -g $(sanitize) -fsanitize=fuzzer-no-link -DRINGMAIN_DEBUG=1
# For scripts/session-path.sh: every call is told, none is left out.
cflags_path    := -O0 -g -finstrument-functions
ldflags_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ldflags_debug   := $(ldflags_release)
ldflags_asan    := $(sanitize)
ldflags_tsan    := -fsanitize=thread
ldflags_fuzz    := $(sanitize)
ldflags_path    := $(ldflags_release)

ifeq ($(cflags_$(VARIANT)),)
$(error VARIANT=$(VARIANT): unknown (release, debug, asan, tsan, fuzz))
endif
ifeq ($(filter own system,$(WOLFSSL)),)
$(error WOLFSSL=$(WOLFSSL): unknown (own, system))
endif

# pkg-config is asked once and only when something is compiled: `make help` or `make test` must
# work on a machine where it is not installed yet.
packages := liburing inih libxxhash libmicrohttpd $(if $(tls_src),$(if $(filter system,$(WOLFSSL)),wolfssl))
missing   = run scripts/install-deps.sh --for $(or $(3),build) (needed: pkg-config $(2))
ask       = $(or $(shell $(PKG_CONFIG) $(1) $(2) && echo ' '),$(error $(missing)))
lib_cflags = $(eval lib_cflags := $$(call ask,--cflags,$(packages)))$(lib_cflags)
lib_libs   = $(eval lib_libs := $$(call ask,--libs,$(packages)))$(lib_libs)
ctl_libs   = $(eval ctl_libs := $$(call ask,--libs,jansson ncursesw))$(ctl_libs)
mocka_libs = $(eval mocka_libs := $$(call ask,--libs,cmocka,test))$(mocka_libs)
client_tls = $(eval client_tls := $$(call ask,--libs,libssl libcrypto,test))$(client_tls)

# Our own wolfSSL: the script keeps it in the user's cache and prints where.
ifneq ($(tls_src),)
ifeq ($(WOLFSSL),own)
wolf        := build/wolfssl$(of).prefix
wolf_cflags  = -isystem $(shell cat $(wolf))/include
# A group: it needs ForceZero() of ours (tls/library.c), which a program may not need itself.
wolf_libs    = -Wl,--start-group $(shell cat $(wolf))/lib/libwolfssl.a $(lib) -Wl,--end-group
endif
wolf_define := -DRINGMAIN_WOLFSSL_$(if $(filter own,$(WOLFSSL)),OWN,SYSTEM)=1
endif

base_flags := -std=gnu17 -D_GNU_SOURCE -DRINGMAIN_VERSION='"$(VERSION)"' $(wolf_define) \
	      $(warnings) $(cflags_$(VARIANT)) -pthread $(CPPFLAGS) $(CFLAGS)
compile     = $(CC) $(base_flags) $(own_flags) -Iinclude $(lib_cflags) $(wolf_cflags) -MMD -MP
link        = $(CC) $(cflags_$(VARIANT)) $(ldflags_$(VARIANT)) -pthread $(LDFLAGS)
libs        = $(wolf_libs) $(lib_libs) -lm $(LDLIBS)

# ---- the program ------------------------------------------------------------

.DEFAULT_GOAL := release
.PHONY: FORCE
.SECONDARY:
.DELETE_ON_ERROR:

.PHONY: release debug
release: ## build build/release/ringmain (the default)
	@$(MAKE) VARIANT=release program
debug: ## build build/debug/ringmain, with debug assertions
	@$(MAKE) VARIANT=debug program

.PHONY: program
program: $(if $(wildcard $(main_src)),$(binary),$(lib)) $(if $(ctl_src),$(ctl))

$(binary): $(call obj,$(main_src)) $(lib)
	$(call say,LINK,$@)
	$(Q)$(link) -o $@ $^ $(libs)

$(ctl): $(call obj,$(ctl_src)) $(lib)
	$(call say,LINK,$@)
	$(Q)$(link) -o $@ $^ $(ctl_libs)

$(lib): $(call obj,$(lib_src)) $(page:src/%.html=$(out)/src/%_html.o) $(out)/sources
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(filter %.o,$^)

$(out)/src/%.o: src/%.c $(out)/flags $(wolf)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(compile) -c -o $@ $<

# The status page as a text in the program.
$(out)/src/%_html.o: $(out)/src/%_html.c $(out)/flags
	$(Q)$(compile) -c -o $@ $<
$(out)/src/%_html.c: src/%.html
	@mkdir -p $(@D)
	@{ echo 'extern const char $(subst /,_,$*)_html[]; const char $(subst /,_,$*)_html[] = {'; \
	od -An -v -tx1 $< | sed 's/ \(..\)/ 0x\1,/g'; echo '0 };'; } >$@

# Where its configuration is by default; only this file knows, so only it is built again.
$(out)/src/app/options.o: own_flags = -DRINGMAIN_SYSCONFDIR='"$(SYSCONFDIR)"'
$(out)/src/app/options.o: $(out)/sysconfdir

$(out)/tests/%.o: tests/%.c $(out)/flags $(wolf)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(compile) -Itests -c -o $@ $<

# Rewritten only when they differ: other flags rebuild everything, other sources the library.
$(out)/flags: content = $(CC) $(base_flags) $(LDFLAGS) $(packages)
$(out)/sources: content = $(lib_src)
$(out)/sysconfdir: content = $(SYSCONFDIR)
$(out)/flags $(out)/sources $(out)/sysconfdir: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(content)) >$@.$$$$; \
	if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi
quoted = '$(subst ','\'',$(1))'

# WITHOUT=records leaves out scripts/wolfssl/records.patch.
build/wolfssl$(of).prefix: scripts/build-wolfssl.sh FORCE
	@mkdir -p $(@D)
	@prefix=$$(WOLFSSL_WITHOUT=$(WITHOUT) scripts/build-wolfssl.sh --prefix) && test -f "$$prefix/lib/libwolfssl.a" && \
	if test "$$prefix" != "$$(cat $@ 2>&-)"; then echo "$$prefix" >$@; fi

-include $(patsubst %.c,$(out)/%.d,$(main_src) $(ctl_src) $(lib_src) $(fake_src) $(unit_src) \
	 $(simulation_src) $(fuzz_src) \
	 $(load_src) $(load_kit) tests/fuzz/replay.c)

# ---- tests ------------------------------------------------------------------

.PHONY: run
run: ## install what is missing, build, show ringmain in front of two Redis servers
	@scripts/install-deps.sh --for run
	@test -e build/release$(of)/ringmain || echo "Building, which takes some minutes the first time."
	@$(MAKE) VARIANT=release QUIET=1 program
	@exec scripts/run-demo.sh

.PHONY: failover
failover: ## the same for a failover: PostgreSQL's primary dies while pgbench writes
	@scripts/install-deps.sh --for failover
	@$(MAKE) VARIANT=release program
	@exec $(PYTHON) -B scripts/failover.py

.PHONY: reload
reload: ## what a reload with a thousand backends costs the sessions there are
	@$(MAKE) VARIANT=release program load
	@exec $(PYTHON) -B scripts/reload.py

.PHONY: scrape
scrape: ## how long metrics of a thousand backends take, and who waits for them
	@$(MAKE) VARIANT=release program load
	@exec $(PYTHON) -B scripts/scrape.py

.PHONY: test
test: ## install what is missing, run every test
	@scripts/install-deps.sh --for test
	@$(MAKE) VARIANT=release program load
	@scripts/run-tests.sh "$(MAKE)" unit fuzz-smoke system

.PHONY: unit units
unit: ## unit tests (T=name runs one)
	@$(MAKE) units
units: $(if $(T),$(call prog,$(filter %/test_$(T).c,$(unit_src))),$(call prog,$(unit_src)))
	@scripts/run-units.sh $^

$(call prog,tests/unit/test_simulation.c): $(call obj,$(simulation_src))
$(call prog,$(unit_src)): $(out)/tests/unit/%: $(out)/tests/unit/%.o $(lib)
	$(call say,LINK,$@)
	$(Q)$(link) -o $@ $< $(filter %.o,$(filter-out $<,$^)) $(lib) $(mocka_libs) $(libs)

.PHONY: system soak
system: ## system tests with real servers (T=expression as for pytest -k, JOBS=n at a time)
	@$(MAKE) program load
	@$(pytest) $(side_by_side) $(if $(T),-k "$(T)")
soak: ## 20000 random simulations, and the system tests that take minutes (SOAK=1h: for so long)
	@$(MAKE) program load
	@RUNS=20000 UNIT_TIMEOUT_S=3600 $(MAKE) unit T=simulation
	@$(pytest) -m soak $(if $(T),-k "$(T)")
pytest = RINGMAIN=$${RINGMAIN:-$(binary)} $(PYTHON) -B -m pytest -q -p no:cacheprovider tests/system
.PHONY: page
page: ## the status page in a browser, with pictures in build/page/
	@scripts/install-deps.sh --for page
	@$(MAKE) program load
	@mkdir -p build/page
	@PICTURES=build/page $(pytest) -m browser $(if $(T),-k "$(T)")
.PHONY: clients
clients: ## clients in Go and Java, mosquitto, psql, curl in each configuration of README.md
	@scripts/install-deps.sh --for clients
	@$(MAKE) program load
	@$(pytest) -m clients $(if $(T),-k "$(T)")
.PHONY: rabbitmq
rabbitmq: ## checks and clients of RabbitMQ, and what its log says of them
	@scripts/install-deps.sh --for rabbitmq
	@$(MAKE) program load
	@$(pytest) -s -m rabbitmq $(if $(T),-k "$(T)")
# They wait more than they compute: two for each processor side by side, if xdist is there.
JOBS ?= $(shell n=$$(nproc); echo $$((n < 4 ? 2 * n : 8)))
side_by_side = $(shell $(PYTHON) -c 'import xdist' 2>&- && echo ' -n' $(JOBS) --dist loadgroup)

.PHONY: load
load: $(call prog,$(load_src)) ; @:
$(call prog,$(load_src)): $(out)/tests/load/%: $(out)/tests/load/%.o \
		$(call obj,$(load_kit)) $(lib)
	$(call say,LINK,$@)
	$(Q)$(link) -o $@ $(filter %.o,$^) $(lib) $(libs) $(client_tls)

.PHONY: asan
asan: export ASAN_OPTIONS = abort_on_error=0:detect_stack_use_after_return=1
asan: export UBSAN_OPTIONS = print_stacktrace=1
asan: ## build with ASan and UBSan; unit tests, fuzz corpora and system tests on that build
	@$(MAKE) VARIANT=asan program load
	@scripts/run-tests.sh "$(MAKE) VARIANT=asan" unit fuzz-smoke system

# What several threads share. Without address space randomization, for which gcc 12's runtime has no
# room on kernels that use much of it. Its strstr(3) would read the whole text at each call.
threads_src     = $(shell grep -l '<pthread.h>' $(unit_src))
fixed_addresses = $(shell setarch -R true 2>&- && echo setarch -R)

.PHONY: tsan threads-unit threads-system
tsan: export TSAN_OPTIONS = second_deadlock_stack=1:intercept_strstr=0
tsan: ## build with TSan; on it the unit and system tests of what threads share
	@$(MAKE) VARIANT=tsan program load
	@$(fixed_addresses) scripts/run-tests.sh "$(MAKE) VARIANT=tsan" threads-unit threads-system
threads-unit: $(call prog,$(threads_src))
	@scripts/run-units.sh $^
threads-system:
	@$(MAKE) program load
	@$(pytest) $(side_by_side) -m threads

# ---- fuzzing ----------------------------------------------------------------

.PHONY: fuzz-smoke fuzz-replay
fuzz-smoke: ## every fuzz target over its committed corpus, under ASan
	@$(MAKE) VARIANT=asan fuzz-replay
fuzz-replay: $(if $(filter asan,$(VARIANT)),$(call prog,$(fuzz_src)))
	@scripts/run-fuzz.sh --replay $^

.PHONY: fuzz fuzz-programs
fuzz: ## libFuzzer, needs clang (F=name for one target, TIME=seconds for each)
	@$(MAKE) VARIANT=fuzz fuzz-programs
	@scripts/run-fuzz.sh --time $(TIME) $(patsubst tests/fuzz/%.c,build/fuzz/tests/fuzz/%, \
	$(if $(F),$(filter %/fuzz_$(F).c,$(fuzz_src)),$(fuzz_src)))
fuzz-programs: $(call prog,$(if $(F),$(filter %/fuzz_$(F).c,$(fuzz_src)),$(fuzz_src)))

fuzz_main := $(if $(filter fuzz,$(VARIANT)),,$(out)/tests/fuzz/replay.o)
$(call prog,$(fuzz_src)): $(out)/tests/fuzz/%: $(out)/tests/fuzz/%.o $(fuzz_main) $(lib)
	$(call say,LINK,$@)
	$(Q)$(link) $(if $(fuzz_main),,-fsanitize=fuzzer) -o $@ \
	$< $(filter %.o,$(filter-out $<,$^)) $(lib) $(libs)

$(call prog,$(faked)): $(call obj,$(fake_src))

# ---- quality ----------------------------------------------------------------

.PHONY: lint
lint: ## floors, what is unused, style, format, docs, cppcheck, clang-tidy, shellcheck
	@scripts/lint.sh

# For clang-tidy: how the program is compiled, without warnings and sanitizers.
.PHONY: print-flags
print-flags: $(wolf)
	@echo -std=gnu17 -D_GNU_SOURCE -DRINGMAIN_VERSION='"$(VERSION)"' $(wolf_define) \
	-DRINGMAIN_DEBUG=1 -Iinclude $(lib_cflags) $(wolf_cflags)

.PHONY: format
format: ## let clang-format lay out the C files (F=file for one)
	clang-format -i $(or $(F),$(wildcard include/*/*.h src/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch]))

.PHONY: bench
bench: ## compare with HAProxy, nginx and hitch (QUICK=1: two minutes); scripts/bench.sh --help
	@scripts/install-deps.sh --for bench
	@$(MAKE) VARIANT=release program load
	@scripts/bench.sh $(if $(QUICK),--quick)

# ---- install ----------------------------------------------------------------

.PHONY: install uninstall
install: release ## install program, manual, unit, sample, recipes (PREFIX DESTDIR SYSCONFDIR MANDIR UNITDIR)
	install -D -m 755 build/release$(of)/ringmain "$(DESTDIR)$(SBINDIR)/ringmain"
	install -D -m 755 build/release$(of)/ringmainctl "$(DESTDIR)$(SBINDIR)/ringmainctl"
	@set -e; for page in $(man_pages); do \
	$(own_paths) "$$page" | $(put) "$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}"; done
	$(own_paths) etc/ringmain.service | $(put) "$(DESTDIR)$(UNITDIR)/ringmain.service"
	install -D -m 644 etc/ringmain.socket "$(DESTDIR)$(UNITDIR)/ringmain.socket"
	install -D -m 644 etc/bash-completion/ringmain "$(DESTDIR)$(COMPDIR)/ringmain"
	install -D -m 644 etc/bash-completion/ringmainctl "$(DESTDIR)$(COMPDIR)/ringmainctl"
	@set -e; for file in $(extras); do \
	install -v -D -m 644 "etc/$$file" "$(DESTDIR)$(PREFIX)/share/ringmain/$$file"; done
	@set -e; for file in $(recipes); do \
	$(own_paths) "$$file" | $(put) "$(DESTDIR)$(DOCDIR)/recipes/$${file##*/}"; done
	@test -e "$(DESTDIR)$(SYSCONFDIR)/ringmain/ringmain.ini" || \
	$(own_paths) $(sample) | $(put) "$(DESTDIR)$(SYSCONFDIR)/ringmain/ringmain.ini"

# Alerts for Prometheus and a dashboard for Grafana.
extras = prometheus/ringmain.rules.yml grafana/ringmain.json

put = install -v -D -m 644 /dev/stdin
own_paths = sed -e 's|/usr/sbin/ringmain|$(SBINDIR)/ringmain|g' \
	-e 's|/etc/ringmain|$(SYSCONFDIR)/ringmain|g' -e 's|/usr/share/doc/ringmain|$(DOCDIR)|g'

uninstall: ## remove what install put there, except the configuration
	rm -f "$(DESTDIR)$(SBINDIR)/ringmain" "$(DESTDIR)$(SBINDIR)/ringmainctl" \
	"$(DESTDIR)$(UNITDIR)/ringmain.service" "$(DESTDIR)$(UNITDIR)/ringmain.socket" \
	"$(DESTDIR)$(COMPDIR)/ringmain" "$(DESTDIR)$(COMPDIR)/ringmainctl"
	rm -fr "$(DESTDIR)$(PREFIX)/share/ringmain" "$(DESTDIR)$(DOCDIR)/recipes"
	@for page in $(man_pages); do \
	rm -fv "$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}"; done

.PHONY: dist
dist: ## build/ringmain-VERSION.tar.gz from the last commit
	@mkdir -p build
	git archive --prefix=ringmain-$(VERSION)/ HEAD | gzip -9n >build/ringmain-$(VERSION).tar.gz

.PHONY: clean
clean: ## remove build/ (the wolfSSL cache stays)
	rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: WOLFSSL=own|system  WITHOUT=PATCH (of wolfSSL)  CC CFLAGS LDFLAGS  WERROR=1  V=1 (show commands)"

# SPDX-License-Identifier: Apache-2.0
#
# trawl's only build file (GNU make). Sources are found by wildcard: a new .c file needs no edit here.
#
#   make                      bin/trawl and its second name bin/masscan
#   make test                 installs what is missing, builds, runs everything of tests/run
#   make SAN=address,undefined | SAN=thread   the same program in build/asan, build/tsan
#   make CC=clang WERROR=1    another compiler, warnings are errors
#   make WITHOUT="pcap"       leave an optional library out, although it is installed
#   make help                 all targets

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= $(if $(SAN),-O1,-O2) -g
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc)
DESTDIR ?=

# One directory per kind of build, so that they never mix; within one, changed flags rebuild. The lab's tools are
# the same for all, in build/lab.
BUILD := build
comma := ,
override SAN := $(patsubst 1,address$(comma)undefined,$(SAN))
san_name := $(if $(SAN),$(if $(findstring fuzzer,$(SAN)),fuzz,$(if $(findstring thread,$(SAN)),tsan,asan)),default)
cc_name := $(if $(filter gcc cc,$(CC)),,$(if $(filter fuzz,$(san_name)),,-$(notdir $(firstword $(CC)))))
empty :=
space := $(empty) $(empty)
B := $(BUILD)/$(san_name)$(cc_name)$(if $(WITHOUT),-without-$(subst $(space),-,$(strip $(WITHOUT))))
BIN := $(if $(filter $(BUILD)/default,$(B)),bin,$(B))

# Libraries: libmnl always, the others when they are there and not refused.
have = $(if $(filter $1,$(WITHOUT)),,$(shell pkg-config --exists $2 2>/dev/null && echo $2))
CLANG ?= clang
PKGS := libmnl $(call have,pcap,libpcap) $(call have,zlib,zlib) $(if $(shell command -v $(CLANG)),$(call have,xdp,libbpf)) $(call have,tls,libssl libcrypto)
HAVE := $(if $(filter libpcap,$(PKGS)),-DHAVE_PCAP=1) $(if $(filter zlib,$(PKGS)),-DHAVE_ZLIB=1) $(if $(filter libbpf,$(PKGS)),-DHAVE_XDP=1 -DXDP_BPF_DIR='"$(BUILD)/bpf"') \
	$(if $(filter libssl,$(PKGS)),-DHAVE_TLS=1)
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -ldl

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes $(if $(filter 1,$(WERROR)),-Werror)
HARDEN := $(if $(SAN),-fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=undefined, \
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -pthread -Isrc $(WARN) $(HARDEN) $(HAVE) $(CPPFLAGS) $(CFLAGS) $(SIMD)
ALL_LDFLAGS = -pthread $(if $(SAN),-fsanitize=$(SAN),-Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now) \
	-Wl,--as-needed $(LDFLAGS)

SRC := $(wildcard src/*.c src/*/*.c)
OBJ := $(SRC:%.c=$(B)/%.o)
LIB := $(B)/libtrawl.a
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
BENCH := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/bench_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '%-6s %s\n' $1 $(patsubst $(CURDIR)/%,%,$@))
sub = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: all help deps-check deps-build deps-test deps-peers deps-servers unit-bins bench-bins fuzz-bins fuzz-build test regress test-unit \
	test-e2e test-fuzz test-san test-servers servers-root san-run fuzz bench lab demo man install uninstall clean style FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BIN)/trawl $(BIN)/masscan

# ---- compile and link ----
$(BIN)/trawl: $(B)/src/main.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BIN)/masscan: $(BIN)/trawl
	$(Q)ln -sf trawl $@

$(LIB): $(filter-out $(B)/src/main.o,$(OBJ))
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c $(B)/flags | deps-check
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine 2>/dev/null)),)
$(B)/%_avx2.o: private SIMD := -mavx2
$(B)/%_avx512.o: private SIMD := -mavx512f -mavx512bw -mavx512dq -mavx512vl
endif

# ---- kernel-side programs: the same for all kinds of build; their object files are part of the program ----
BPF_CFLAGS := -std=gnu11 -O2 -g -fno-strict-aliasing -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -Isrc -MMD -MP \
	-I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null || $(CC) -dumpmachine)
BPF_OBJ := $(patsubst bpf/%.c,$(BUILD)/bpf/%.o,$(wildcard bpf/*.bpf.c))
ifneq ($(filter libbpf,$(PKGS)),)
$(B)/src/io/xdp_load.o: $(BPF_OBJ)
endif
$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c Makefile
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<
-include $(wildcard $(BUILD)/bpf/*.d)

$(B)/unit/%: $(B)/tests/unit/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# A stand-in for ntop's libpfring, found by LD_LIBRARY_PATH: the same for all kinds of build.
STANDIN := $(BUILD)/pfring/libpfring.so $(BUILD)/pfring/old/libpfring.so.1
$(B)/unit/test_io_pfring: | $(STANDIN)
lab: $(STANDIN)
$(STANDIN): tests/pfring/standin.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) $(if $(findstring /old/,$@),-DSTANDIN_OLD) -fPIC -shared \
		-Wl,-soname,$(@F) -o $@ $<

$(B)/bench/%: $(B)/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(subst fuzzer-no-link,fuzzer,$(ALL_LDFLAGS)) -o $@ $^ $(LIBS)

$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LIBS)' | cmp -s - $@ || \
		printf '%s\n' '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LIBS)' > $@

-include $(OBJ:.o=.d) $(wildcard $(B)/tests/*/*.d)

# ---- what the build needs ----
# deps-check only says what is missing; deps-build and deps-test ask apt for it.
deps-check:
	@missing=; \
	command -v $(firstword $(CC)) >/dev/null || missing="$$missing $(notdir $(firstword $(CC)))"; \
	if ! command -v pkg-config >/dev/null; then missing="$$missing pkg-config libmnl-dev"; \
	elif ! pkg-config --exists libmnl; then missing="$$missing libmnl-dev"; fi; \
	if [ -n "$$missing" ]; then echo "missing packages:$$missing" \
		"(on Debian: tools/install-deps build, or apt-get install$$missing)" >&2; exit 1; fi

deps-build deps-test deps-peers deps-servers: deps-%:
	$(Q)tools/install-deps $*
deps-test deps-peers deps-servers: deps-build

# ---- tests ----
unit-bins: $(UNIT)
bench-bins: $(BENCH)
fuzz-bins: $(FUZZ) $(B)/src/main.o
fuzz-build:
	$(Q)+$(sub) CC=clang SAN=fuzzer-no-link,address,undefined fuzz-bins

# A part that does not build is one failed test; the others still run.
run-tests = rc=; $(sub) -k $1 || rc=--build-failed; tests/run --build $(B) --trawl $(BIN)/trawl $$rc
test regress: deps-test
	+$(Q)$(call run-tests,all lab unit-bins fuzz-build) --fuzz-seconds 10 style unit fuzz e2e
test-unit: deps-test
	+$(Q)$(call run-tests,unit-bins) unit
test-e2e: deps-test
	+$(Q)$(call run-tests,all lab) e2e
test-fuzz: deps-test
	+$(Q)$(call run-tests,fuzz-build) --fuzz-seconds $(FUZZ_SECONDS) fuzz
san-run:
	+$(Q)$(call run-tests,all lab unit-bins) unit e2e
test-san: deps-test
	$(Q)+rc=0; $(MAKE) --no-print-directory SAN=address,undefined san-run || rc=1; \
	$(MAKE) --no-print-directory SAN=thread san-run || rc=1; exit $$rc

# Real servers from Debian's packages, in a root below build/servers that is made once; masscan beside trawl.
servers-root: deps-servers
	$(Q)tests/servers/setup
test-servers: servers-root
	+$(Q)$(sub) all && tests/servers/run --trawl $(BIN)/trawl

fuzz: test-fuzz

bench: deps-peers
	+$(Q)$(sub) all lab bench-bins
	$(Q)for b in "$(BIN)/trawl --benchmark" $(BENCH); do echo "== $$b"; unshare -n $$b || exit 1; done
	$(Q)TRAWL=$(BIN)/trawl tests/bench/generator
	$(Q)BUILD=$(BUILD) TRAWL=$(BIN)/trawl tests/bench/run
	$(Q)BUILD=$(BUILD) TRAWL=$(BIN)/trawl tests/bench/speed
	$(Q)BUILD=$(BUILD) TRAWL=$(BIN)/trawl tests/bench/banners
	$(Q)BUILD=$(BUILD) TRAWL=$(BIN)/trawl tests/bench/conversations

demo: deps-build
	+$(Q)$(sub) all lab
	$(Q)BUILD=$(BUILD) TRAWL=$(BIN)/trawl lab/demo

style:
	$(Q)rc=0; for c in "check-layers" "check-style --commit" "check-length"; do tools/$$c || rc=1; done; \
	clang-format --dry-run -Werror $$(git ls-files -co --exclude-standard '*.[ch]') || rc=1; exit $$rc

# ---- install ----
man: $(B)/trawl.1
$(B)/trawl.1: $(BIN)/trawl
	$(call say,MAN)
	$(Q)$< --man-page > $@

DOCS := $(wildcard README.md ARCHITECTURE.md CHANGELOG.md LICENSE docs/*.md)
bindir = $(DESTDIR)$(PREFIX)/bin
mandir = $(DESTDIR)$(PREFIX)/share/man/man1
docdir = $(DESTDIR)$(PREFIX)/share/doc/trawl
install: all man
	install -D -m 755 $(BIN)/trawl $(bindir)/trawl
	install -D -m 644 $(B)/trawl.1 $(mandir)/trawl.1
	install -d $(docdir)/examples
	install -m 644 $(DOCS) $(docdir)
	install -m 644 packaging/trawl.conf $(docdir)/examples
ifeq ($(INSTALL_MASSCAN_LINK),1)
	ln -sf trawl $(bindir)/masscan
endif

uninstall:
	rm -f $(bindir)/trawl $(mandir)/trawl.1
	rm -rf $(docdir)
	if [ "$$(readlink $(bindir)/masscan)" = trawl ]; then rm $(bindir)/masscan; fi

clean:
	rm -rf $(BUILD) bin

help:
	@sed -n 's/^#   make/make/p' Makefile
	@echo "targets: all test regress test-unit test-e2e test-san test-servers fuzz bench lab demo man install uninstall style clean"
	@echo "also:    V=1 (show commands)  FUZZ_SECONDS=n  PREFIX= DESTDIR= INSTALL_MASSCAN_LINK=1"

-include lab/lab.mk

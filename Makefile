# make            build weir            make test      build and run every test
# make demo       see the main job      make bench     figures, in one run
# make deps       Debian packages       make install   to $(PREFIX)/bin
# make clean      remove build/       make help       this list and the variables
#
# SANITIZE=address,undefined  another flavour, in its own folder     T=folder/name  one test for `make unit`
# PREFIX=/usr/local DESTDIR=  where install puts weir                BENCH_BYTES=512MB BENCH_ROUNDS=3  for bench
# V=1  show the commands
SHELL := /bin/bash
.DEFAULT_GOAL := all

comma := ,
V ?= 0
ifeq ($(V),1)
run = $(3)
else
run = @printf '  %-4s %s\n' '$(1)' '$(2)'; $(3)
endif
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
SANITIZE ?=
FLAVOUR := $(if $(SANITIZE),$(subst $(comma),-,$(SANITIZE)),release)
B := build/$(FLAVOUR)

LIBS := yajl libpcre2-8 libcurl sqlite3 yaml-0.1 zlib libzstd libcrypto
WARN := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wdouble-promotion -Wimplicit-fallthrough \
	-Wconversion -Wno-sign-conversion -fno-common
OPT = $(if $(filter %_test.c,$<),-O2,-O3)
CFLAGS ?= $(OPT) -g
FLAGS := -std=c11 -D_GNU_SOURCE -I. $(WARN) -pthread -MMD -MP \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer,-D_FORTIFY_SOURCE=2 -fstack-protector-strong) -fPIE
ifneq ($(filter-out deps help clean,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists $(LIBS) 2>/dev/null && echo yes),yes)
$(error some of the libraries $(LIBS) (or pkg-config) are not installed: run make deps)
endif
endif
LIBFLAGS := $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LDLIBS := $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lm
LDFLAGS := -pthread -pie -Wl,-z,relro,-z,now $(if $(SANITIZE),-fsanitize=$(SANITIZE))

SRC := $(filter-out %_test.c %_fuzz.c core/main.c,$(wildcard core/*.c config/*.c ingest/*.c rules/*.c sinks/*.c))
OBJ := $(SRC:%.c=$B/%.o)
TESTS := $(patsubst %.c,$B/%,$(wildcard core/*_test.c config/*_test.c ingest/*_test.c rules/*_test.c sinks/*_test.c))

.PHONY: all test tests unit demo bench deps install clean help
BENCH := $(patsubst %,$B/bench/%,gen timed bare_yajl)
all: $B/weir

$B/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call run,cc,$<,$(CC) $(FLAGS) $(CFLAGS) $(LIBFLAGS) -c $< -o $@)

$B/libweir.a: $(OBJ)
	@rm -f $@
	$(call run,ar,$@,ar rcs $@ $^)

$B/weir: $B/core/main.o $B/libweir.a
	$(call run,ld,$@,$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@)

$B/%_test: $B/%_test.o $B/libweir.a
	$(call run,ld,$@,$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@)

$B/bench/%: $B/bench/%.o $B/libweir.a
	$(call run,ld,$@,$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@)

# every test: unit tests beside the code, then the scripts under testdata
tests: $(TESTS)
test: all tests $B/bench/gen $B/bench/timed
	@BIN=$B testdata/run_tests.sh

# one test: make unit T=rules/expr
unit: $B/$(T)_test
	@$<

demo: all
	@BIN=$B testdata/demo/demo.sh

bench: all $(BENCH)
	@BIN=$B bench/run.sh

deps:
	@testdata/deps.sh

install: all
	@install -d "$(DESTDIR)$(PREFIX)/bin"
	@install -m 755 $B/weir "$(DESTDIR)$(PREFIX)/bin/weir"
	@echo "installed $(DESTDIR)$(PREFIX)/bin/weir"

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

clean:
	@rm -rf build

# make would delete these as intermediate files and build them again
.SECONDARY: $(TESTS:=.o) $(BENCH:=.o)

-include $(OBJ:.o=.d) $(TESTS:=.d) $(BENCH:=.d) $B/core/main.d

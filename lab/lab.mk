# SPDX-License-Identifier: Apache-2.0
# The test Internet, included by the root Makefile. Wants BUILD; takes CC and CLANG. `make lab` builds all of it.
# The tools are built without the sanitizers of the program under test: they must keep up with it.
CLANG ?= clang
LAB_OUT := $(BUILD)/lab
LAB_WARN := -Wall -Wextra -Werror
LAB_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g $(LAB_WARN) -Wconversion -Wshadow -Wstrict-prototypes -Isrc -Ilab -MMD -MP
LAB_BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v3 $(LAB_WARN) -Ilab -MMD -MP \
        -I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null || $(CC) -dumpmachine)
LAB_BASE := $(patsubst %,$(LAB_OUT)/obj/base_%.o,bytes err log sys)
LAB_SIM := $(patsubst lab/%.c,$(LAB_OUT)/obj/%.o,$(wildcard lab/sim*.c))
LAB_SIM := $(filter-out %.bpf.o,$(LAB_SIM))

.PHONY: lab
lab: $(LAB_OUT)/sim $(LAB_OUT)/tcpsim $(LAB_OUT)/blast $(LAB_OUT)/tunlink $(LAB_OUT)/offload

$(LAB_OUT)/%.bpf.o: lab/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(LAB_BPF_CFLAGS) -c $< -o $@

# the compiled kernel side is a part of these
$(LAB_OUT)/obj/sim_kernel.o: $(LAB_OUT)/sim.bpf.o
$(LAB_OUT)/obj/sim_kernel.o: LAB_CFLAGS += -DSIM_BPF_OBJECT='"$(LAB_OUT)/sim.bpf.o"'
$(LAB_OUT)/obj/tcpsim.o: $(LAB_OUT)/tcpsim.bpf.o
$(LAB_OUT)/obj/tcpsim.o: LAB_CFLAGS += -DTCPSIM_BPF_OBJECT='"$(LAB_OUT)/tcpsim.bpf.o"'
$(LAB_OUT)/obj/blast.o: $(LAB_OUT)/blast.bpf.o
$(LAB_OUT)/obj/blast.o: LAB_CFLAGS += -DBLAST_BPF_OBJECT='"$(LAB_OUT)/blast.bpf.o"'

$(LAB_OUT)/obj/base_%.o: src/base/%.c
	@mkdir -p $(@D)
	$(CC) $(LAB_CFLAGS) -c $< -o $@

$(LAB_OUT)/obj/%.o: lab/%.c
	@mkdir -p $(@D)
	$(CC) $(LAB_CFLAGS) -c $< -o $@

$(LAB_OUT)/sim: $(LAB_SIM) $(LAB_BASE)
	$(CC) $^ -o $@ -lbpf

$(LAB_OUT)/tcpsim: $(LAB_OUT)/obj/tcpsim.o $(LAB_OUT)/obj/tcpsim_hold.o $(LAB_BASE)
	$(CC) $^ -o $@ -lbpf

$(LAB_OUT)/blast: $(LAB_OUT)/obj/blast.o $(LAB_BASE)
	$(CC) $^ -o $@ -lbpf -pthread

$(LAB_OUT)/tunlink $(LAB_OUT)/offload: $(LAB_OUT)/%: $(LAB_OUT)/obj/%.o $(LAB_BASE)
	$(CC) $^ -o $@

-include $(wildcard $(LAB_OUT)/*.d $(LAB_OUT)/obj/*.d)

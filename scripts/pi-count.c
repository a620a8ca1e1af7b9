// A plugin of qemu that counts what an emulated program does: instructions, loads and stores, system calls.
// See scripts/pi-instructions. What it needs of qemu's header is declared here (version 1 of the interface), since Debian has
// no package with that header.
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t Id;
typedef struct qemu_plugin_tb Block;
typedef struct qemu_plugin_insn Instruction;
enum { ADD = 0 };
// Not each for itself: some versions of qemu confuse them.
enum { LOADS_AND_STORES = 3 };

void qemu_plugin_register_vcpu_tb_trans_cb(Id, void (*)(Id, Block *));
size_t qemu_plugin_tb_n_insns(const Block *);
Instruction *qemu_plugin_tb_get_insn(const Block *, size_t);
void qemu_plugin_register_vcpu_insn_exec_inline(Instruction *, int operation, void *, uint64_t);
void qemu_plugin_register_vcpu_mem_inline(Instruction *, int kind, int operation, void *, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(
    Id, void (*)(Id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_atexit_cb(Id, void (*)(Id, void *), void *);
void qemu_plugin_outs(const char *);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;

static uint64_t instructions, accesses, system_calls;

static void translated(Id id, Block *block) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        Instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD, &instructions, 1);
        qemu_plugin_register_vcpu_mem_inline(instruction, LOADS_AND_STORES, ADD, &accesses, 1);
    }
}

static void called(Id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                   uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    __atomic_fetch_add(&system_calls, 1, __ATOMIC_RELAXED);
}

static void ended(Id id, void *data) {
    (void)id, (void)data;
    char text[200];
    snprintf(text, sizeof text, "counted: %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", instructions, accesses, system_calls);
    qemu_plugin_outs(text);
}

EXPORTED int qemu_plugin_install(Id id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}

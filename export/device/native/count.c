/* A plugin for QEMU's emulator: counts the instructions that the emulated program executes between two marks.
 *
 *     qemu-aarch64 -plugin count.so,out=FILE ...
 *
 * The program marks with prctl(0x636c6f66, WHAT), which no kernel knows (cases.h). FILE gets a line for each mark:
 *
 *     begin           WHAT is 1
 *     reading N       WHAT is 2, at a reading of the program's clock
 *     end N           WHAT is 0
 *
 * N is the number of instructions that the marking thread executed since its last "begin"; other threads of the program,
 * such as those that a library starts for itself, are not counted. Instructions are counted a block at a time; a system
 * call ends its block, so the marks lie on borders.
 *
 * QEMU's packages do not bring its plugin header, so the few declarations that are needed stand here, as the interface
 * has them since QEMU 4.2. What is called is the same in every version since; a plugin says which version it was made
 * for, and QEMU 8.2 and later refuse the first, so API_VERSION is given by whoever compiles this.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef void (*translated_t)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*executed_t)(unsigned int thread, void *data);
typedef void (*system_call_t)(qemu_plugin_id_t, unsigned int thread, int64_t number, uint64_t, uint64_t, uint64_t,
                              uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_t);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed_t, int flags, void *data);
extern void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, system_call_t);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

#define PUBLIC __attribute__((visibility("default")))
PUBLIC int qemu_plugin_version = API_VERSION;

enum { END, BEGIN, READING };
enum { MARK = 0x636c6f66, PRCTL = 167 /* on arm64 */, READS_NO_REGISTERS = 0, MOST_THREADS = 1024 };

/* One for each thread, which alone writes it. */
static uint64_t executed_by[MOST_THREADS];
static uint64_t at_mark[MOST_THREADS];
static FILE *written;

static void executed(unsigned int thread, void *instructions) {
    executed_by[thread % MOST_THREADS] += (uintptr_t)instructions;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, READS_NO_REGISTERS,
                                         (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void system_call(qemu_plugin_id_t id, unsigned int thread, int64_t number, uint64_t first, uint64_t what,
                        uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != PRCTL || first != MARK) return;
    unsigned int place = thread % MOST_THREADS;
    if (what == BEGIN) {
        fprintf(written, "begin\n");
        at_mark[place] = executed_by[place];
        return;
    }
    fprintf(written, "%s %" PRIu64 "\n", what == END ? "end" : "reading", executed_by[place] - at_mark[place]);
    fflush(written);
}

PUBLIC int qemu_plugin_install(qemu_plugin_id_t id, const void *about, int count, char **arguments) {
    (void)about;
    for (int i = 0; i < count; i++)
        if (!strncmp(arguments[i], "out=", 4)) written = fopen(arguments[i] + 4, "w");
    if (!written) {
        fprintf(stderr, "count: out=FILE is missing, or cannot be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, system_call);
    return 0;
}

/* What the runners share: a model's cases lie in a folder, and standard output has a line for each fact.
 *
 *     ... FOLDER CASES (in TYPE SHAPE NAME)... (out NAME)...
 *
 * TYPE is the number of an element type, as ONNX has them, SHAPE is 1x3x224x224, or "scalar". Case c reads FOLDER/c.in.i for
 * its i-th input and writes FOLDER/c.out.o for its o-th output: the bare numbers, in the order of the machine.
 *
 *     runtime 1.31.1            the library's own version, where it tells it
 *     load NANOSECONDS
 *     ran CASE NANOSECONDS      the runtime's call alone
 *     output CASE O TYPE SHAPE
 *
 * The system call `mark` stands before and after each of the runtime's calls, so that what emulates the processor can
 * count the instructions in between. It exists on no kernel; one that is real answers EINVAL, and nothing happens.
 * Exit status: 0; 11 if the runtime refuses, with its words on standard error; 12 for wrong arguments; 13 for files.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { REFUSED = 11, WRONG_ARGUMENTS = 12, NO_FILE = 13 };
enum { END, BEGIN, READING }; /* what a mark says */
enum { MARK = 0x636c6f66, MOST = 64, MOST_DIMENSIONS = 16 };

typedef struct {
    const char *name;
    int type;
    size_t rank;
    int64_t shape[MOST_DIMENSIONS];
} Input;

typedef struct {
    const char *folder;
    int cases;
    size_t input_count, output_count;
    Input inputs[MOST];
    const char *input_names[MOST], *output_names[MOST];
} Asked;

static void fail(int status, const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(status);
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void mark(int what) { syscall(SYS_prctl, MARK, what, 0, 0, 0); }

/* ONNX's numbers of the element types: 1 float32, 6 int32, 7 int64, 9 bool, 10 float16. */
static size_t bytes_of(int type) {
    static const size_t bytes[] = {[1] = 4, [6] = 4, [7] = 8, [9] = 1, [10] = 2};
    size_t found = type > 0 && type < (int)(sizeof bytes / sizeof *bytes) ? bytes[type] : 0;
    if (!found) fail(REFUSED, "element type", "not one that is passed in files");
    return found;
}

static size_t bytes_of_input(const Input *input) {
    size_t bytes = bytes_of(input->type);
    for (size_t i = 0; i < input->rank; i++) bytes *= (size_t)input->shape[i];
    return bytes;
}

static size_t read_shape(char *text, int64_t *shape) {
    size_t rank = 0;
    if (!strcmp(text, "scalar")) return 0;
    for (char *part = strtok(text, "x"); part; part = strtok(NULL, "x")) {
        if (rank == MOST_DIMENSIONS) fail(WRONG_ARGUMENTS, "shape", "too many dimensions");
        shape[rank++] = strtoll(part, NULL, 10);
    }
    return rank;
}

/* The arguments from FOLDER on. */
static void read_arguments(int count, char **arguments, Asked *asked) {
    if (count < 2) fail(WRONG_ARGUMENTS, "arguments", "FOLDER CASES (in TYPE SHAPE NAME)... (out NAME)...");
    asked->folder = arguments[0];
    asked->cases = atoi(arguments[1]);
    for (int i = 2; i < count;) {
        if (!strcmp(arguments[i], "in") && i + 3 < count && asked->input_count < MOST) {
            Input *input = &asked->inputs[asked->input_count];
            input->type = atoi(arguments[i + 1]);
            input->rank = read_shape(arguments[i + 2], input->shape);
            asked->input_names[asked->input_count++] = input->name = arguments[i + 3];
            i += 4;
        } else if (!strcmp(arguments[i], "out") && i + 1 < count && asked->output_count < MOST) {
            asked->output_names[asked->output_count++] = arguments[i + 1];
            i += 2;
        } else {
            fail(WRONG_ARGUMENTS, "arguments", arguments[i]);
        }
    }
}

static FILE *open_file(const char *folder, int item, const char *kind, int place, const char *how) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.%s.%d", folder, item, kind, place);
    FILE *file = fopen(path, how);
    if (!file) fail(NO_FILE, path, "cannot be opened");
    return file;
}

/* The numbers of a case's input. They lie at a page's beginning, so that no run depends on where the memory happened to lie. */
static void *read_numbers(const Asked *asked, int item, size_t place) {
    const Input *input = &asked->inputs[place];
    size_t bytes = bytes_of_input(input);
    void *kept = NULL;
    FILE *file = open_file(asked->folder, item, "in", (int)place, "rb");
    if (posix_memalign(&kept, 4096, bytes ? bytes : 1)) fail(NO_FILE, input->name, "no memory");
    if (fread(kept, 1, bytes, file) != bytes || fgetc(file) != EOF) fail(NO_FILE, input->name, "not as many bytes");
    fclose(file);
    return kept;
}

static void write_numbers(const Asked *asked, int item, size_t place, int type, size_t rank, const int64_t *shape,
                          const void *data) {
    size_t bytes = bytes_of(type);
    for (size_t i = 0; i < rank; i++) bytes *= (size_t)shape[i];
    FILE *file = open_file(asked->folder, item, "out", (int)place, "wb");
    if (fwrite(data, 1, bytes, file) != bytes || fclose(file)) fail(NO_FILE, "output", "cannot be written");
    printf("output %d %zu %d ", item, place, type);
    for (size_t i = 0; i < rank; i++) printf("%s%lld", i ? "x" : "", (long long)shape[i]);
    puts(rank ? "" : "scalar");
}

/* Runs an ONNX model on the cases in a folder, through the C interface of ONNX Runtime's shared library.
 *
 *     runner LIBRARY MODEL LEVEL FOLDER CASES (in TYPE SHAPE NAME)... (out NAME)...
 *
 * LEVEL is the graph optimization level (0, 1, 2 or 99), TYPE the number of an element type, SHAPE is 1x3x224x224, or
 * "scalar". Case c reads FOLDER/c.in.i for its i-th input and writes FOLDER/c.out.o for its o-th output: the bare
 * numbers, in the order of the machine. Standard output has a line for each fact:
 *
 *     runtime 1.31.1            the library's own version
 *     load NANOSECONDS
 *     ran CASE NANOSECONDS      the runtime's call alone
 *     output CASE O TYPE SHAPE
 *
 * The system call `mark` stands before and after each of the runtime's calls, so that what emulates the processor can
 * count the instructions in between. It exists on no kernel; one that is real answers EINVAL, and nothing happens.
 * Exit status: 0; 11 if the runtime refuses, with its words on standard error; 12 for wrong arguments; 13 for files.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { REFUSED = 11, WRONG_ARGUMENTS = 12, NO_FILE = 13 };
enum { MARK = 0x636c6f66, MOST = 64, MOST_DIMENSIONS = 16, API_VERSION = 16, ERRORS_ONLY = 3 };

/* The part of the C interface that is called. The interface is a table of functions, to which versions only append:
 * a function's place is its name, and is asserted below. What lies between is not touched. */
typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtValue OrtValue;
typedef struct OrtTensorInfo OrtTensorInfo;

typedef struct {
    void *at_0[2];
    const char *(*GetErrorMessage)(const OrtStatus *);
    OrtStatus *(*CreateEnv)(int severity, const char *name, OrtEnv **);
    void *at_4[3];
    OrtStatus *(*CreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **);
    void *at_8[1];
    OrtStatus *(*Run)(OrtSession *, const void *options, const char *const *names, const OrtValue *const *inputs,
                      size_t count, const char *const *output_names, size_t output_count, OrtValue **outputs);
    OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **);
    void *at_11[12];
    OrtStatus *(*SetSessionGraphOptimizationLevel)(OrtSessionOptions *, int level);
    OrtStatus *(*SetIntraOpNumThreads)(OrtSessionOptions *, int threads);
    void *at_25[24];
    OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *data, size_t bytes,
                                                 const int64_t *shape, size_t rank, int type, OrtValue **);
    void *at_50[1];
    OrtStatus *(*GetTensorMutableData)(OrtValue *, void **);
    void *at_52[8];
    OrtStatus *(*GetTensorElementType)(const OrtTensorInfo *, int *);
    OrtStatus *(*GetDimensionsCount)(const OrtTensorInfo *, size_t *);
    OrtStatus *(*GetDimensions)(const OrtTensorInfo *, int64_t *, size_t);
    void *at_63[1];
    OrtStatus *(*GetTensorShapeElementCount)(const OrtTensorInfo *, size_t *);
    OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorInfo **);
    void *at_66[3];
    OrtStatus *(*CreateCpuMemoryInfo)(int allocator, int memory, OrtMemoryInfo **);
    void *at_70[26];
    void (*ReleaseValue)(OrtValue *);
    void *at_97[2];
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorInfo *);
} OrtApi;

typedef struct {
    const OrtApi *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
} OrtApiBase;

#define STANDS_AT(name, place) _Static_assert(offsetof(OrtApi, name) == (place) * sizeof(void *), #name)
STANDS_AT(CreateSession, 7);
STANDS_AT(Run, 9);
STANDS_AT(SetSessionGraphOptimizationLevel, 23);
STANDS_AT(CreateTensorWithDataAsOrtValue, 49);
STANDS_AT(GetTensorElementType, 60);
STANDS_AT(GetTensorTypeAndShape, 65);
STANDS_AT(CreateCpuMemoryInfo, 69);
STANDS_AT(ReleaseValue, 96);
STANDS_AT(ReleaseTensorTypeAndShapeInfo, 99);

typedef struct {
    const char *name;
    int type;
    size_t rank;
    int64_t shape[MOST_DIMENSIONS];
} Input;

static const OrtApi *api;

static void fail(int status, const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(status);
}

static void check(OrtStatus *status, const char *what) {
    if (status) fail(REFUSED, what, api->GetErrorMessage(status));
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void mark(int running) { syscall(SYS_prctl, MARK, running, 0, 0, 0); }

/* ONNX's numbers of the element types: 1 float32, 6 int32, 7 int64, 9 bool, 10 float16. */
static size_t bytes_of(int type) {
    static const size_t bytes[] = {[1] = 4, [6] = 4, [7] = 8, [9] = 1, [10] = 2};
    size_t found = type > 0 && type < (int)(sizeof bytes / sizeof *bytes) ? bytes[type] : 0;
    if (!found) fail(REFUSED, "element type", "not one that is passed in files");
    return found;
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

static FILE *open_file(const char *folder, int item, const char *kind, int place, const char *how) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.%s.%d", folder, item, kind, place);
    FILE *file = fopen(path, how);
    if (!file) fail(NO_FILE, path, "cannot be opened");
    return file;
}

static OrtValue *read_tensor(const Input *input, FILE *file, const OrtMemoryInfo *memory, void **kept) {
    size_t bytes = bytes_of(input->type);
    for (size_t i = 0; i < input->rank; i++) bytes *= (size_t)input->shape[i];
    /* Aligned as a page, so that no run depends on where the memory happened to lie. */
    if (posix_memalign(kept, 4096, bytes ? bytes : 1)) fail(NO_FILE, input->name, "no memory");
    if (fread(*kept, 1, bytes, file) != bytes || fgetc(file) != EOF) fail(NO_FILE, input->name, "not as many bytes");
    fclose(file);
    OrtValue *value = NULL;
    check(api->CreateTensorWithDataAsOrtValue(memory, *kept, bytes, input->shape, input->rank, input->type, &value),
          input->name);
    return value;
}

static void write_tensor(OrtValue *value, FILE *file, int item, int place) {
    OrtTensorInfo *info = NULL;
    int type = 0;
    size_t rank = 0, elements = 0;
    int64_t shape[MOST_DIMENSIONS] = {0};
    void *data = NULL;
    check(api->GetTensorTypeAndShape(value, &info), "output");
    check(api->GetTensorElementType(info, &type), "output");
    check(api->GetDimensionsCount(info, &rank), "output");
    if (rank > MOST_DIMENSIONS) fail(REFUSED, "output", "too many dimensions");
    check(api->GetDimensions(info, shape, rank), "output");
    check(api->GetTensorShapeElementCount(info, &elements), "output");
    check(api->GetTensorMutableData(value, &data), "output");
    if (fwrite(data, bytes_of(type), elements, file) != elements || fclose(file))
        fail(NO_FILE, "output", "cannot be written");
    printf("output %d %d %d ", item, place, type);
    for (size_t i = 0; i < rank; i++) printf("%s%lld", i ? "x" : "", (long long)shape[i]);
    puts(rank ? "" : "scalar");
    api->ReleaseTensorTypeAndShapeInfo(info);
    api->ReleaseValue(value);
}

int main(int count, char **arguments) {
    static Input inputs[MOST];
    static const char *input_names[MOST], *output_names[MOST];
    size_t input_count = 0, output_count = 0;
    if (count < 6) fail(WRONG_ARGUMENTS, "arguments", "LIBRARY MODEL LEVEL FOLDER CASES (in TYPE SHAPE NAME)... (out NAME)...");
    const char *folder = arguments[4];
    int level = atoi(arguments[3]), cases = atoi(arguments[5]);
    for (int i = 6; i < count;) {
        if (!strcmp(arguments[i], "in") && i + 3 < count && input_count < MOST) {
            Input *input = &inputs[input_count];
            input->type = atoi(arguments[i + 1]);
            input->rank = read_shape(arguments[i + 2], input->shape);
            input_names[input_count++] = input->name = arguments[i + 3];
            i += 4;
        } else if (!strcmp(arguments[i], "out") && i + 1 < count && output_count < MOST) {
            output_names[output_count++] = arguments[i + 1];
            i += 2;
        } else {
            fail(WRONG_ARGUMENTS, "arguments", arguments[i]);
        }
    }

    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library) fail(REFUSED, "library", dlerror());
    const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
    if (!base) fail(REFUSED, "library", "it has no OrtGetApiBase");
    api = base()->GetApi(API_VERSION);
    if (!api) fail(REFUSED, "library", "it does not have this version of the interface");
    printf("runtime %s\n", base()->GetVersionString());

    OrtEnv *environment = NULL;
    OrtSessionOptions *options = NULL;
    OrtSession *session = NULL;
    OrtMemoryInfo *memory = NULL;
    long long begun = now();
    check(api->CreateEnv(ERRORS_ONLY, "cloformer", &environment), "environment");
    check(api->CreateSessionOptions(&options), "options");
    check(api->SetSessionGraphOptimizationLevel(options, level), "optimization level");
    check(api->SetIntraOpNumThreads(options, 1), "threads");
    check(api->CreateSession(environment, arguments[2], options, &session), "model");
    printf("load %lld\n", now() - begun);
    check(api->CreateCpuMemoryInfo(1, 0, &memory), "memory"); /* an arena's, of the default kind */

    for (int item = 0; item < cases; item++) {
        OrtValue *fed[MOST] = {0}, *got[MOST] = {0};
        void *kept[MOST] = {0};
        for (size_t i = 0; i < input_count; i++)
            fed[i] = read_tensor(&inputs[i], open_file(folder, item, "in", (int)i, "rb"), memory, &kept[i]);
        begun = now();
        mark(1);
        OrtStatus *status = api->Run(session, NULL, input_names, (const OrtValue *const *)fed, input_count,
                                     output_names, output_count, got);
        mark(0);
        long long spent = now() - begun;
        check(status, "inference");
        printf("ran %d %lld\n", item, spent);
        for (size_t i = 0; i < output_count; i++)
            write_tensor(got[i], open_file(folder, item, "out", (int)i, "wb"), item, (int)i);
        for (size_t i = 0; i < input_count; i++) {
            api->ReleaseValue(fed[i]);
            free(kept[i]);
        }
        fflush(stdout);
    }
    fflush(stdout);
    _exit(0); /* the process ends here: what the runtime would do at its exit is of no use, and takes seconds */
}

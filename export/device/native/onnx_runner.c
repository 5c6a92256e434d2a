/* Runs an ONNX model on the cases in a folder, through the C interface of ONNX Runtime's shared library.
 *
 *     runner LIBRARY MODEL LEVEL [provider=NAME] [profile=FILE] FOLDER CASES (in TYPE SHAPE NAME)... (out NAME)...
 *
 * LEVEL is the graph optimization level (0, 1, 2 or 99); the rest is as `cases.h` says.
 *
 * NAME is an execution provider to be asked before the CPU's: XNNPACK.
 *
 * With FILE the runtime's own profiler runs: FILE.onnx is the model as the runtime optimized it, and FILE_*.json the
 * profiler's events. Its clock is then no time: each reading of it is marked, and is a microsecond after the one before.
 * So an event says between which two readings an operator ran, and the marks how many instructions that took.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "cases.h"

enum { API_VERSION = 16, ERRORS_ONLY = 3 };

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
    OrtStatus *(*SetOptimizedModelFilePath)(OrtSessionOptions *, const char *path);
    void *at_12[2];
    OrtStatus *(*EnableProfiling)(OrtSessionOptions *, const char *prefix);
    void *at_15[8];
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
    void *at_63[2];
    OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorInfo **);
    void *at_66[3];
    OrtStatus *(*CreateCpuMemoryInfo)(int allocator, int memory, OrtMemoryInfo **);
    void *at_70[25];
    void (*ReleaseSession)(OrtSession *);
    void (*ReleaseValue)(OrtValue *);
    void *at_97[2];
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorInfo *);
    void *at_100[116];
    OrtStatus *(*SessionOptionsAppendExecutionProvider)(OrtSessionOptions *, const char *name, const char *const *keys,
                                                        const char *const *values, size_t count);
} OrtApi;

typedef struct {
    const OrtApi *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
} OrtApiBase;

#define STANDS_AT(name, place) _Static_assert(offsetof(OrtApi, name) == (place) * sizeof(void *), #name)
STANDS_AT(CreateSession, 7);
STANDS_AT(Run, 9);
STANDS_AT(SetOptimizedModelFilePath, 11);
STANDS_AT(EnableProfiling, 14);
STANDS_AT(SetSessionGraphOptimizationLevel, 23);
STANDS_AT(CreateTensorWithDataAsOrtValue, 49);
STANDS_AT(GetTensorElementType, 60);
STANDS_AT(GetTensorTypeAndShape, 65);
STANDS_AT(CreateCpuMemoryInfo, 69);
STANDS_AT(ReleaseSession, 95);
STANDS_AT(ReleaseValue, 96);
STANDS_AT(ReleaseTensorTypeAndShapeInfo, 99);
STANDS_AT(SessionOptionsAppendExecutionProvider, 216);

/* Code for Android has the number that guards its stack 40 bytes behind the thread pointer, where a program here has the
 * first of its own variables of a thread: so nothing else may lie there. */
__thread char guard_of_the_stack[256];

static const OrtApi *api;
static int counts_readings;

/* The clock of this program and of the libraries in it: the linker finds this one first. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    static long long readings;
    if (!counts_readings || getpid() != gettid()) return (int)syscall(SYS_clock_gettime, clock, time);
    mark(READING);
    readings++;
    time->tv_sec = readings / 1000000;
    time->tv_nsec = readings % 1000000 * 1000;
    return 0;
}

static void check(OrtStatus *status, const char *what) {
    if (status) fail(REFUSED, what, api->GetErrorMessage(status));
}

static OrtValue *tensor_of(const Input *input, void *numbers, const OrtMemoryInfo *memory) {
    OrtValue *value = NULL;
    check(api->CreateTensorWithDataAsOrtValue(memory, numbers, bytes_of_input(input), input->shape, input->rank,
                                              input->type, &value),
          input->name);
    return value;
}

static void write_tensor(const Asked *asked, OrtValue *value, int item, size_t place) {
    OrtTensorInfo *info = NULL;
    int type = 0;
    size_t rank = 0;
    int64_t shape[MOST_DIMENSIONS] = {0};
    void *data = NULL;
    check(api->GetTensorTypeAndShape(value, &info), "output");
    check(api->GetTensorElementType(info, &type), "output");
    check(api->GetDimensionsCount(info, &rank), "output");
    if (rank > MOST_DIMENSIONS) fail(REFUSED, "output", "too many dimensions");
    check(api->GetDimensions(info, shape, rank), "output");
    check(api->GetTensorMutableData(value, &data), "output");
    write_numbers(asked, item, place, type, rank, shape, data);
    api->ReleaseTensorTypeAndShapeInfo(info);
}

/* What stands behind `name` in the argument at `place`, which is then the next; NULL if that is another. */
static const char *value_of(const char *name, char **arguments, int *place) {
    size_t length = strlen(name);
    return strncmp(arguments[*place], name, length) ? NULL : arguments[(*place)++] + length;
}

int main(int count, char **arguments) {
    static Asked asked;
    if (count < 6) fail(WRONG_ARGUMENTS, "arguments", "LIBRARY MODEL LEVEL FOLDER CASES ...");
    int level = atoi(arguments[3]);
    int first = 4;
    const char *provider = value_of("provider=", arguments, &first), *profile = value_of("profile=", arguments, &first);
    read_arguments(count - first, arguments + first, &asked);
    guard_of_the_stack[0] = 0;

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
    if (provider) {
        const char *key = "intra_op_num_threads", *one = "1";
        check(api->SessionOptionsAppendExecutionProvider(options, provider, &key, &one, 1), provider);
    }
    if (profile) {
        char optimized[4096];
        if ((size_t)snprintf(optimized, sizeof optimized, "%s.onnx", profile) >= sizeof optimized)
            fail(NO_FILE, "profile", "its path is too long");
        check(api->SetOptimizedModelFilePath(options, optimized), "optimized model");
        check(api->EnableProfiling(options, profile), "profiler");
        counts_readings = 1;
    }
    check(api->CreateSession(environment, arguments[2], options, &session), "model");
    printf("load %lld\n", now() - begun);
    check(api->CreateCpuMemoryInfo(1, 0, &memory), "memory"); /* an arena's, of the default kind */

    /* A provider prepares in its first inference what the later ones find ready: that one is not counted. */
    for (int item = provider && !profile ? -1 : 0; item < asked.cases; item++) {
        OrtValue *fed[MOST] = {0}, *got[MOST] = {0};
        void *kept[MOST] = {0};
        for (size_t i = 0; i < asked.input_count; i++)
            fed[i] = tensor_of(&asked.inputs[i], kept[i] = read_numbers(&asked, item < 0 ? 0 : item, i), memory);
        begun = now();
        if (item >= 0) mark(BEGIN);
        OrtStatus *status = api->Run(session, NULL, asked.input_names, (const OrtValue *const *)fed, asked.input_count,
                                     asked.output_names, asked.output_count, got);
        if (item >= 0) mark(END);
        long long spent = now() - begun;
        check(status, "inference");
        if (item >= 0) printf("ran %d %lld\n", item, spent);
        for (size_t i = 0; i < asked.output_count; i++) {
            if (item >= 0) write_tensor(&asked, got[i], item, i);
            api->ReleaseValue(got[i]);
        }
        for (size_t i = 0; i < asked.input_count; i++) {
            api->ReleaseValue(fed[i]);
            free(kept[i]);
        }
        fflush(stdout);
    }
    if (profile) api->ReleaseSession(session); /* which writes the events */
    fflush(stdout);
    _exit(0); /* the process ends here: what the runtime would do at its exit is of no use, and takes seconds */
}

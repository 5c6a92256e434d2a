/* Runs a LiteRT model on the cases in a folder, through the C interface of LiteRT's shared library, on its processor's kernels.
 *
 *     runner LIBRARY MODEL FOLDER CASES (in TYPE SHAPE NAME)... (out NAME)...
 *
 * The rest is as `cases.h` says. The interface is declared in LiteRT's headers litert_model.h, litert_compiled_model.h and
 * litert_tensor_buffer.h; a function is found by its name, and handles are pointers.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "cases.h"

enum { ON_PROCESSOR = 1, HOST_MEMORY = 1, FOR_READING = 0, MOST_AXES = 8 };

/* As LiteRT numbers its element types, by ONNX's numbers. */
static const int types[] = {[1] = 1, [6] = 2, [7] = 4, [9] = 6, [10] = 10};

typedef struct {
    int element_type;
    unsigned int rank : 7, has_strides : 1;
    int32_t dimensions[MOST_AXES];
    uint32_t strides[MOST_AXES];
} Type;
_Static_assert(sizeof(Type) == 72, "LiteRtRankedTensorType");

#define FUNCTIONS(DO)                                                                                          \
    DO(CreateEnvironment, (int, const void *, void **))                                                        \
    DO(CreateModelFromFile, (void *, const char *, void **))                                                   \
    DO(CreateOptions, (void **))                                                                               \
    DO(SetOptionsHardwareAccelerators, (void *, int))                                                          \
    DO(CreateCompiledModel, (void *, void *, void *, void **))                                                 \
    DO(GetModelSignature, (void *, size_t, void **))                                                           \
    DO(GetNumSignatureInputs, (void *, size_t *))                                                              \
    DO(GetSignatureInputName, (void *, size_t, const char **))                                                 \
    DO(GetNumSignatureOutputs, (void *, size_t *))                                                             \
    DO(GetSignatureOutputName, (void *, size_t, const char **))                                                \
    DO(GetSignatureOutputTensorByIndex, (void *, size_t, void **))                                             \
    DO(GetRankedTensorType, (void *, Type *))                                                                  \
    DO(CreateTensorBufferFromHostMemory, (const Type *, void *, size_t, void (*)(void *), void **))            \
    DO(CreateManagedTensorBuffer, (void *, int, const Type *, size_t, void **))                                \
    DO(LockTensorBuffer, (void *, void **, int))                                                               \
    DO(UnlockTensorBuffer, (void *))                                                                           \
    DO(RunCompiledModel, (void *, size_t, size_t, void **, size_t, void **))

#define DECLARE(name, parameters) static int (*name) parameters;
FUNCTIONS(DECLARE)

static void *found(void *library, const char *name) {
    void *function = dlsym(library, name);
    if (!function) fail(REFUSED, "library", dlerror());
    return function;
}

static void check(int status, const char *what) {
    if (!status) return;
    char told[32];
    snprintf(told, sizeof told, "status %d", status);
    fail(REFUSED, what, told);
}

/* The place of the model's own input or output of that name among what is asked for. */
static size_t place_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, names[i])) return i;
    fail(REFUSED, name, "the model has it, and it is not given");
    return 0;
}

static int onnx_type(int type) {
    for (int i = 1; i < (int)(sizeof types / sizeof *types); i++)
        if (types[i] == type) return i;
    fail(REFUSED, "element type", "not one that is passed in files");
    return 0;
}

static void *input_buffer(const Input *input, void *numbers) {
    Type type = {.element_type = types[input->type], .rank = (unsigned)input->rank};
    void *buffer = NULL;
    if (input->rank > MOST_AXES) fail(REFUSED, input->name, "too many dimensions");
    for (size_t i = 0; i < input->rank; i++) type.dimensions[i] = (int32_t)input->shape[i];
    check(CreateTensorBufferFromHostMemory(&type, numbers, bytes_of_input(input), NULL, &buffer), input->name);
    return buffer;
}

static size_t shape_of(const Type *type, int64_t *shape) {
    for (size_t i = 0; i < type->rank; i++) shape[i] = type->dimensions[i];
    return type->rank;
}

int main(int count, char **arguments) {
    static Asked asked;
    if (count < 5) fail(WRONG_ARGUMENTS, "arguments", "LIBRARY MODEL FOLDER CASES ...");
    read_arguments(count - 3, arguments + 3, &asked);

    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library) fail(REFUSED, "library", dlerror());
#define FIND(name, parameters) name = found(library, "LiteRt" #name);
    FUNCTIONS(FIND)

    void *environment = NULL, *model = NULL, *options = NULL, *compiled = NULL, *signature = NULL;
    long long begun = now();
    check(CreateEnvironment(0, NULL, &environment), "environment");
    check(CreateModelFromFile(environment, arguments[2], &model), "model");
    check(CreateOptions(&options), "options");
    check(SetOptionsHardwareAccelerators(options, ON_PROCESSOR), "accelerator");
    check(CreateCompiledModel(environment, model, options, &compiled), "model");
    printf("load %lld\n", now() - begun);

    size_t inputs = 0, outputs = 0, given[MOST], wanted[MOST];
    Type made[MOST] = {0};
    void *got[MOST] = {0};
    check(GetModelSignature(model, 0, &signature), "signature");
    check(GetNumSignatureInputs(signature, &inputs), "inputs");
    check(GetNumSignatureOutputs(signature, &outputs), "outputs");
    if (inputs != asked.input_count || outputs != asked.output_count) fail(REFUSED, "signature", "of another size");
    for (size_t i = 0; i < inputs; i++) {
        const char *name = NULL;
        check(GetSignatureInputName(signature, i, &name), "input");
        given[i] = place_of(name, asked.input_names, inputs);
    }
    for (size_t i = 0; i < outputs; i++) {
        const char *name = NULL;
        void *tensor = NULL;
        int64_t shape[MOST_DIMENSIONS];
        check(GetSignatureOutputName(signature, i, &name), "output");
        wanted[i] = place_of(name, asked.output_names, outputs);
        check(GetSignatureOutputTensorByIndex(signature, i, &tensor), name);
        check(GetRankedTensorType(tensor, &made[i]), name);
        size_t bytes = bytes_of(onnx_type(made[i].element_type)), rank = shape_of(&made[i], shape);
        for (size_t k = 0; k < rank; k++) bytes *= (size_t)shape[k];
        check(CreateManagedTensorBuffer(environment, HOST_MEMORY, &made[i], bytes, &got[i]), name);
    }

    for (int item = 0; item < asked.cases; item++) {
        void *fed[MOST] = {0}, *data = NULL;
        for (size_t i = 0; i < inputs; i++)
            fed[i] = input_buffer(&asked.inputs[given[i]], read_numbers(&asked, item, given[i]));
        /* In its first inference the delegate still prepares itself for the sizes. */
        if (!item) check(RunCompiledModel(compiled, 0, inputs, fed, outputs, got), "inference");
        begun = now();
        mark(BEGIN);
        int status = RunCompiledModel(compiled, 0, inputs, fed, outputs, got);
        mark(END);
        long long spent = now() - begun;
        check(status, "inference");
        printf("ran %d %lld\n", item, spent);
        for (size_t i = 0; i < outputs; i++) {
            int64_t shape[MOST_DIMENSIONS];
            size_t rank = shape_of(&made[i], shape);
            check(LockTensorBuffer(got[i], &data, FOR_READING), "output");
            write_numbers(&asked, item, wanted[i], onnx_type(made[i].element_type), rank, shape, data);
            check(UnlockTensorBuffer(got[i]), "output");
        }
        fflush(stdout);
    }
    fflush(stdout);
    _exit(0); /* the process ends here: what the runtime would do at its exit is of no use */
}

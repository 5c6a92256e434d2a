/* What Android's C library has and glibc has not, or has in another form, as far as ONNX Runtime's library for 64-bit
 * processors calls it. Names that both have but mean differently come with their first letter replaced by a Z: see
 * android_library.py. The rest (memory, files, mathematics, most of the threads) is the same on both, and is glibc's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REPLACES(name) __asm__("Z" name)

/* Only on Android. */

int *__errno(void) { return __errno_location(); }

size_t __strlen_chk(const char *text, size_t size) { (void)size; return strlen(text); }

char *__strchr_chk(const char *text, int letter, size_t size) { (void)size; return strchr(text, letter); }

int __FD_ISSET_chk(int file, const unsigned long *set, size_t size) {
    (void)size;
    return set[file / 64] >> (file % 64) & 1;
}

void __FD_SET_chk(int file, unsigned long *set, size_t size) { (void)size; set[file / 64] |= 1UL << (file % 64); }

char *__gnu_strerror_r(int error, char *text, size_t size) { return strerror_r(error, text, size); }

int __system_property_get(const char *name, char *value) { (void)name; value[0] = 0; return 0; }

void android_set_abort_message(const char *text) { fprintf(stderr, "%s\n", text); }

int __android_log_vprint(int priority, const char *tag, const char *format, va_list arguments) {
    (void)priority;
    fprintf(stderr, "[%s] ", tag);
    vfprintf(stderr, format, arguments);
    return fputc('\n', stderr);
}

int __android_log_print(int priority, const char *tag, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int result = __android_log_vprint(priority, tag, format, arguments);
    va_end(arguments);
    return result;
}

int __android_log_write(int priority, const char *tag, const char *text) {
    return __android_log_print(priority, tag, "%s", text);
}

/* Other numbers for the same questions. */

long android_sysconf(int name) REPLACES("ysconf");
long android_sysconf(int name) {
    switch (name) {
        case 0x27:
        case 0x28: return sysconf(_SC_PAGESIZE);
        case 0x60: return sysconf(_SC_NPROCESSORS_CONF);
        case 0x61: return sysconf(_SC_NPROCESSORS_ONLN);
        case 0x62: return sysconf(_SC_PHYS_PAGES);
        case 0x63: return sysconf(_SC_AVPHYS_PAGES);
    }
    errno = EINVAL;
    return -1;
}

/* Sets of signals: 8 bytes there, 128 here. */

int android_sigfillset(unsigned long *set) REPLACES("igfillset");
int android_sigfillset(unsigned long *set) { *set = ~0UL; return 0; }

int android_pthread_sigmask(int how, const unsigned long *set, unsigned long *old) REPLACES("thread_sigmask");
int android_pthread_sigmask(int how, const unsigned long *set, unsigned long *old) {
    return syscall(SYS_rt_sigprocmask, how, set, old, 8) ? errno : 0;
}

/* POSIX's form there, GNU's here. */

int __xpg_strerror_r(int error, char *text, size_t size);
int android_strerror_r(int error, char *text, size_t size) REPLACES("trerror_r");
int android_strerror_r(int error, char *text, size_t size) { return __xpg_strerror_r(error, text, size); }

/* A mutex has 40 bytes there, and more here on arm64; zeros are one that is not recursive. */

typedef struct {
    _Atomic(unsigned) state; /* 0: free; 1: locked; 2: locked, and others wait */
    unsigned owner, depth, is_recursive;
} mutex;

_Static_assert(sizeof(mutex) <= 40, "Android's mutex");

static unsigned this_thread(void) {
    static __thread unsigned number;
    if (!number) number = (unsigned)syscall(SYS_gettid);
    return number;
}

int android_mutex_init(mutex *made, const pthread_mutexattr_t *how) REPLACES("thread_mutex_init");
int android_mutex_init(mutex *made, const pthread_mutexattr_t *how) {
    int kind = PTHREAD_MUTEX_NORMAL;
    if (how) pthread_mutexattr_gettype(how, &kind);
    memset(made, 0, sizeof *made);
    made->is_recursive = kind == PTHREAD_MUTEX_RECURSIVE;
    return 0;
}

int android_mutex_destroy(mutex *made) REPLACES("thread_mutex_destroy");
int android_mutex_destroy(mutex *made) { (void)made; return 0; }

static int has_again(mutex *wanted) {
    if (!wanted->is_recursive || wanted->owner != this_thread()) return 0;
    wanted->depth++;
    return 1;
}

static int has_now(mutex *wanted) {
    if (wanted->is_recursive) wanted->owner = this_thread();
    return 0;
}

int android_mutex_trylock(mutex *wanted) REPLACES("thread_mutex_trylock");
int android_mutex_trylock(mutex *wanted) {
    unsigned unlocked = 0;
    if (has_again(wanted)) return 0;
    return atomic_compare_exchange_strong(&wanted->state, &unlocked, 1) ? has_now(wanted) : EBUSY;
}

int android_mutex_lock(mutex *wanted) REPLACES("thread_mutex_lock");
int android_mutex_lock(mutex *wanted) {
    unsigned unlocked = 0;
    if (has_again(wanted)) return 0;
    if (!atomic_compare_exchange_strong(&wanted->state, &unlocked, 1))
        while (atomic_exchange(&wanted->state, 2)) syscall(SYS_futex, &wanted->state, FUTEX_WAIT_PRIVATE, 2, NULL);
    return has_now(wanted);
}

int android_mutex_unlock(mutex *held) REPLACES("thread_mutex_unlock");
int android_mutex_unlock(mutex *held) {
    if (held->depth) {
        held->depth--;
        return 0;
    }
    held->owner = 0;
    if (atomic_exchange(&held->state, 0) == 2) syscall(SYS_futex, &held->state, FUTEX_WAKE_PRIVATE, 1);
    return 0;
}

/* Condition variables need an alignment of 8 here and of 4 there: so a counter of signals that waiters sleep on. */

typedef _Atomic(unsigned) condition;

static int wait_for(condition *signals, mutex *held, const struct timespec *deadline) {
    unsigned seen = atomic_load(signals);
    android_mutex_unlock(held);
    int mode = FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME;
    long woken = syscall(SYS_futex, signals, mode, seen, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    int error = woken == -1 && errno == ETIMEDOUT ? ETIMEDOUT : 0;
    android_mutex_lock(held);
    return error;
}

static int wake(condition *signals, int waiters) {
    atomic_fetch_add(signals, 1);
    syscall(SYS_futex, signals, FUTEX_WAKE_PRIVATE, waiters);
    return 0;
}

int android_cond_wait(condition *signals, mutex *held) REPLACES("thread_cond_wait");
int android_cond_wait(condition *signals, mutex *held) { return wait_for(signals, held, NULL); }

int android_cond_timedwait(condition *, mutex *, const struct timespec *) REPLACES("thread_cond_timedwait");
int android_cond_timedwait(condition *signals, mutex *held, const struct timespec *deadline) {
    return wait_for(signals, held, deadline);
}

int android_cond_signal(condition *signals) REPLACES("thread_cond_signal");
int android_cond_signal(condition *signals) { return wake(signals, 1); }

int android_cond_broadcast(condition *signals) REPLACES("thread_cond_broadcast");
int android_cond_broadcast(condition *signals) { return wake(signals, INT_MAX); }

int android_cond_destroy(condition *signals) REPLACES("thread_cond_destroy");
int android_cond_destroy(condition *signals) { (void)signals; return 0; }

/* What a thread is made with has 56 bytes there, and more here on arm64; its stack's size alone is ever given. */

typedef struct {
    size_t stack_size;
} thread_options;

int android_attr_init(thread_options *made) REPLACES("thread_attr_init");
int android_attr_init(thread_options *made) { made->stack_size = 0; return 0; }

int android_attr_setstacksize(thread_options *made, size_t size) REPLACES("thread_attr_setstacksize");
int android_attr_setstacksize(thread_options *made, size_t size) { made->stack_size = size; return 0; }

int android_create(pthread_t *, const thread_options *, void *(*)(void *), void *) REPLACES("thread_create");
int android_create(pthread_t *thread, const thread_options *how, void *(*run)(void *), void *argument) {
    pthread_attr_t options;
    pthread_attr_init(&options);
    if (how && how->stack_size) pthread_attr_setstacksize(&options, how->stack_size);
    int error = pthread_create(thread, &options, run, argument);
    pthread_attr_destroy(&options);
    return error;
}

/* Before Android 6, standard files were the elements of an array, and the C++ library that is linked in still asks
 * for them there. */

#define FILE_SIZE 152
char __sF[3 * FILE_SIZE];

static FILE *file_of(void *file) {
    FILE *standard[] = {stdin, stdout, stderr};
    size_t place = (char *)file - __sF;
    return place < sizeof __sF ? standard[place / FILE_SIZE] : file;
}

int android_fflush(void *file) REPLACES("flush");
int android_fflush(void *file) { return fflush(file ? file_of(file) : NULL); }

size_t android_fwrite(const void *data, size_t size, size_t count, void *file) REPLACES("write");
size_t android_fwrite(const void *data, size_t size, size_t count, void *file) {
    return fwrite(data, size, count, file_of(file));
}

int android_fputc(int letter, void *file) REPLACES("putc");
int android_fputc(int letter, void *file) { return fputc(letter, file_of(file)); }

int android_fputs(const char *text, void *file) REPLACES("puts");
int android_fputs(const char *text, void *file) { return fputs(text, file_of(file)); }

int android_vfprintf(void *file, const char *format, va_list arguments) REPLACES("fprintf");
int android_vfprintf(void *file, const char *format, va_list arguments) {
    return vfprintf(file_of(file), format, arguments);
}

int android_fprintf(void *file, const char *format, ...) REPLACES("printf");
int android_fprintf(void *file, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int result = vfprintf(file_of(file), format, arguments);
    va_end(arguments);
    return result;
}

int android_getc(void *file) REPLACES("etc");
int android_getc(void *file) { return getc(file_of(file)); }

int android_ungetc(int letter, void *file) REPLACES("ngetc");
int android_ungetc(int letter, void *file) { return ungetc(letter, file_of(file)); }

int android_fileno(void *file) REPLACES("ileno");
int android_fileno(void *file) { return fileno(file_of(file)); }

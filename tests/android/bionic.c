/* What Android's C library has and this machine's has not, or has in another form, as far as ONNX Runtime's library
 * for x86_64 calls it. Names that both have but mean differently come with their first letter replaced by a Z: see
 * native.py. The rest (memory, files, mathematics, most of the threads) is the same on both, and comes from here.
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

/* Condition variables need an alignment of 8 here and of 4 there: so a counter of signals that waiters sleep on. */

typedef _Atomic(unsigned) condition;

static int wait_for(condition *signals, pthread_mutex_t *mutex, const struct timespec *deadline) {
    unsigned seen = atomic_load(signals);
    pthread_mutex_unlock(mutex);
    int mode = FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME;
    long woken = syscall(SYS_futex, signals, mode, seen, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    int error = woken == -1 && errno == ETIMEDOUT ? ETIMEDOUT : 0;
    pthread_mutex_lock(mutex);
    return error;
}

static int wake(condition *signals, int waiters) {
    atomic_fetch_add(signals, 1);
    syscall(SYS_futex, signals, FUTEX_WAKE_PRIVATE, waiters);
    return 0;
}

int android_cond_wait(condition *signals, pthread_mutex_t *mutex) REPLACES("thread_cond_wait");
int android_cond_wait(condition *signals, pthread_mutex_t *mutex) { return wait_for(signals, mutex, NULL); }

int android_cond_timedwait(condition *, pthread_mutex_t *, const struct timespec *) REPLACES("thread_cond_timedwait");
int android_cond_timedwait(condition *signals, pthread_mutex_t *mutex, const struct timespec *deadline) {
    return wait_for(signals, mutex, deadline);
}

int android_cond_signal(condition *signals) REPLACES("thread_cond_signal");
int android_cond_signal(condition *signals) { return wake(signals, 1); }

int android_cond_broadcast(condition *signals) REPLACES("thread_cond_broadcast");
int android_cond_broadcast(condition *signals) { return wake(signals, INT_MAX); }

int android_cond_destroy(condition *signals) REPLACES("thread_cond_destroy");
int android_cond_destroy(condition *signals) { (void)signals; return 0; }

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

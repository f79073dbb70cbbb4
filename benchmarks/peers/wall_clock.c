/* A wall clock that can be set for one program: load it with LD_PRELOAD. The file of WALL_CLOCK has the seconds that are
   added to the time of the machine, as a 64-bit number. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile int64_t *added;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WALL_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) added = page;
}

int clock_gettime(clockid_t clock, struct timespec *moment) {
    static int (*genuine)(clockid_t, struct timespec *);
    if (!genuine) genuine = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = genuine(clock, moment);
    if (!failed && added && clock == CLOCK_REALTIME) moment->tv_sec += *added;
    return failed;
}

/* A wall clock that the drill can set, for one process: gcc -shared -fPIC, LD_PRELOAD, and the offset in seconds as a
 * double in the file that WALLCLOCK_FILE names. The monotonic clock stays as it is.
 *
 * libfaketime 0.9.10 was tried: it looks at its file only now and then, and Python's time.sleep fails under it. A time
 * namespace moves only the monotonic clock.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile double *offset;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("WALLCLOCK_FILE");
    int file = path ? open(path, O_RDONLY) : -1;
    void *place = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    if (place != MAP_FAILED)
        offset = place;
}

int clock_gettime(clockid_t clock, struct timespec *moment)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, moment);
    if (!failed && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        double whole = floor(*offset);
        moment->tv_sec += (time_t)whole;
        moment->tv_nsec += (long)((*offset - whole) * 1e9);
        if (moment->tv_nsec >= 1000000000L) {
            moment->tv_nsec -= 1000000000L;
            moment->tv_sec++;
        }
    }
    return failed;
}

int gettimeofday(struct timeval *moment, void *zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    moment->tv_sec = now.tv_sec;
    moment->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return (time_t)-1;
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}

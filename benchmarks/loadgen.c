/* Closed-loop Modbus/TCP load: each connection keeps a number of requests in flight and sends the next one after each
 * response. Every response is compared with its request. All latencies are kept, and sorted at the end.
 *
 *   loadgen PORT CONNECTIONS IN_FLIGHT ADDRESS COUNT SECONDS
 *
 * prints: responses, seconds, median and p99 in us, exceptions, wrong responses, responses that were not to the oldest
 * request, and all responses including those of the warm-up, which the other figures leave out. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_BYTES = 12, HEADER_BYTES = 6, MAX_IN_FLIGHT = 64, BUFFER_BYTES = 32768, MAX_SAMPLES = 1 << 24 };
static const double WARM_UP_S = 0.3, PATIENCE_S = 5.0;

struct connection {
    int socket;
    uint16_t next_sent, next_received;
    double sent_at[MAX_IN_FLIGHT]; /* 0 after the response */
    size_t filled;
    uint8_t buffer[BUFFER_BYTES];
};

static int address, count, in_flight;
static double measuring_from;
static uint32_t *samples_ns;
static size_t responses, exceptions, wrong, skipped, all_responses;

static double now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + 1e-9 * (double)moment.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void put16(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }

/* Ask for `number` more, in one segment. */
static void ask(struct connection *c, int number) {
    uint8_t requests[MAX_IN_FLIGHT * REQUEST_BYTES];
    double moment = now();
    for (int i = 0; i < number; i++, c->next_sent++) {
        uint8_t *request = requests + i * REQUEST_BYTES;
        put16(request, c->next_sent);
        put16(request + 2, 0);
        put16(request + 4, 6);
        request[6] = 1;
        request[7] = 3;
        put16(request + 8, (unsigned)address);
        put16(request + 10, (unsigned)count);
        c->sent_at[c->next_sent % MAX_IN_FLIGHT] = moment;
    }
    ssize_t size = (ssize_t)number * REQUEST_BYTES;
    if (send(c->socket, requests, (size_t)size, MSG_NOSIGNAL) != size) fail("send");
}

static void check(struct connection *c, const uint8_t *response, unsigned length, double moment) {
    uint16_t transaction = (uint16_t)get16(response), due = c->next_received++;
    double *sent_at = &c->sent_at[transaction % MAX_IN_FLIGHT], sent = *sent_at;
    *sent_at = 0;
    all_responses++;
    if (moment < measuring_from) return;
    int is_waited_for = sent > 0 && (uint16_t)(c->next_sent - transaction - 1) < MAX_IN_FLIGHT;
    if (!is_waited_for || get16(response + 2) != 0 || response[6] != 1) {
        wrong++;
        return;
    }
    if (response[7] & 0x80) {
        exceptions++;
    } else if (response[7] != 3 || response[8] != 2 * count || length != 3u + 2u * (unsigned)count) {
        wrong++;
        return;
    }
    if (transaction != due) skipped++;
    if (responses < MAX_SAMPLES) samples_ns[responses] = (uint32_t)(1e9 * (moment - sent));
    responses++;
}

static void receive(struct connection *c) {
    ssize_t got = recv(c->socket, c->buffer + c->filled, BUFFER_BYTES - c->filled, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        fprintf(stderr, "the server has closed a connection\n");
        exit(1);
    }
    c->filled += (size_t)got;
    double moment = now();
    size_t at = 0;
    int done = 0;
    while (c->filled - at >= HEADER_BYTES) {
        unsigned length = get16(c->buffer + at + 4);
        if (c->filled - at < HEADER_BYTES + length) break;
        check(c, c->buffer + at, length, moment);
        at += HEADER_BYTES + length;
        done++;
    }
    memmove(c->buffer, c->buffer + at, c->filled - at);
    c->filled -= at;
    if (done) ask(c, done);
}

static int connect_to(int port) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (connect(descriptor, (struct sockaddr *)&server, sizeof server)) fail("connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return descriptor;
}

static int ascending(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: loadgen PORT CONNECTIONS IN_FLIGHT ADDRESS COUNT SECONDS\n");
        return 2;
    }
    int port = atoi(argv[1]), connections = atoi(argv[2]);
    in_flight = atoi(argv[3]);
    address = atoi(argv[4]);
    count = atoi(argv[5]);
    double seconds = atof(argv[6]);
    if (in_flight < 1 || in_flight > MAX_IN_FLIGHT || connections < 1) return 2;
    struct connection *all = calloc((size_t)connections, sizeof *all);
    samples_ns = malloc(sizeof *samples_ns * MAX_SAMPLES);
    if (!all || !samples_ns) fail("memory");
    int ready = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        all[i].socket = connect_to(port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (epoll_ctl(ready, EPOLL_CTL_ADD, all[i].socket, &event)) fail("epoll_ctl");
    }
    measuring_from = now() + WARM_UP_S;
    double end = measuring_from + seconds, last = now();
    for (int i = 0; i < connections; i++) ask(&all[i], in_flight);
    struct epoll_event events[256];
    while (now() < end) {
        int number = epoll_wait(ready, events, 256, 100);
        for (int i = 0; i < number; i++) receive(events[i].data.ptr);
        if (number > 0) last = now();
        if (now() - last > PATIENCE_S) {
            fprintf(stderr, "the server does not respond any more\n");
            return 1;
        }
    }
    size_t kept = responses < MAX_SAMPLES ? responses : MAX_SAMPLES;
    if (!kept) return 1;
    qsort(samples_ns, kept, sizeof *samples_ns, ascending);
    printf("%zu %.6f %.3f %.3f %zu %zu %zu %zu\n", responses, now() - measuring_from, 1e-3 * samples_ns[kept / 2],
           1e-3 * samples_ns[(size_t)(0.99 * (double)(kept - 1))], exceptions, wrong, skipped,
           all_responses);
    return 0;
}

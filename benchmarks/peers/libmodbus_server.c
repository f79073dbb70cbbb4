/* A Modbus/TCP server on libmodbus for many clients: libmodbus handles each request, epoll selects the client.
 *
 *   libmodbus_server PORT */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REGISTERS = 2000, BACKLOG = 256, EVENTS = 256 };

static void watch(int ready, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(ready, EPOLL_CTL_ADD, descriptor, &event)) {
        perror("epoll_ctl");
        exit(1);
    }
}

static void serve(modbus_t *server, modbus_mapping_t *registers, int client) {
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(server, client);
    int size = modbus_receive(server, request);
    if (size > 0) {
        modbus_reply(server, request, size, registers);
    } else if (size < 0) {
        close(client);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    modbus_t *server = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    modbus_mapping_t *registers = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    int listener = modbus_tcp_listen(server, BACKLOG), ready = epoll_create1(0), yes = 1;
    if (!registers || listener < 0 || ready < 0) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
        return 1;
    }
    for (int i = 0; i < REGISTERS; i++) registers->tab_registers[i] = (uint16_t)i;
    watch(ready, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int number = epoll_wait(ready, events, EVENTS, -1);
        for (int i = 0; i < number; i++) {
            if (events[i].data.fd != listener) {
                serve(server, registers, events[i].data.fd);
                continue;
            }
            int client = accept(listener, NULL, NULL);
            if (client < 0) continue;
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            watch(ready, client);
        }
    }
}

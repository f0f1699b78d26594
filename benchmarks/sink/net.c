#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_BUFFER = 1 << 20, LEAST_SPACE = 1 << 16 };

int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void give_up(const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *p = text; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < 0x20) *p = '\'';
    printf("{\"error\": \"%s\"}\n", text);
    fflush(stdout);
    _exit(1);
}

int listen_on_loopback(int *port) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1024)
        || getsockname(listener, (struct sockaddr *)&address, &length))
        give_up("cannot listen on loopback: %s", strerror(errno));
    *port = ntohs(address.sin_port);
    return listener;
}

void accept_connection(connection *c, int listener, SSL_CTX *tls) {
    int one = 1;
    *c = (connection){.fd = accept(listener, NULL, NULL), .data = malloc(FIRST_BUFFER), .size = FIRST_BUFFER};
    if (c->fd < 0) give_up("accept: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (tls) {
        c->ssl = SSL_new(tls);
        SSL_set_fd(c->ssl, c->fd);
        if (SSL_accept(c->ssl) != 1) give_up("the TLS handshake failed");
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void make_space(connection *c) {
    if (c->start == c->end) c->start = c->end = 0;
    if (c->size - c->end >= LEAST_SPACE) return;
    if (c->start > c->size / 2) {
        memmove(c->data, c->data + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    } else {
        c->size *= 2;
        c->data = realloc(c->data, c->size);
    }
}

int fill(connection *c) {
    make_space(c);
    ssize_t got;
    if (c->ssl) {
        got = SSL_read(c->ssl, c->data + c->end, (int)(c->size - c->end));
        if (got <= 0) {
            int reason = SSL_get_error(c->ssl, (int)got);
            return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
        }
    } else {
        got = recv(c->fd, c->data + c->end, c->size - c->end, 0);
        if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (got == 0) return -1;
    }
    c->end += got;
    return (int)got;
}

void wait_readable(connection *c, int64_t nanoseconds) {
    struct pollfd wanted = {.fd = c->fd, .events = POLLIN};
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    ppoll(&wanted, 1, &limit, NULL);
}

// While the peer takes nothing, what it sends meanwhile is read, so that two full directions cannot block each other.
void send_all(connection *c, const void *bytes, size_t length) {
    const char *next = bytes;
    while (length) {
        ssize_t sent = c->ssl ? SSL_write(c->ssl, next, (int)length) : send(c->fd, next, length, MSG_NOSIGNAL);
        if (sent > 0) {
            next += sent;
            length -= sent;
            continue;
        }
        if (c->ssl) {
            int reason = SSL_get_error(c->ssl, (int)sent);
            if (reason != SSL_ERROR_WANT_WRITE && reason != SSL_ERROR_WANT_READ) give_up("the client hung up on a write");
        } else if (errno != EAGAIN && errno != EINTR) {
            give_up("the client hung up on a write: %s", strerror(errno));
        }
        struct pollfd wanted = {.fd = c->fd, .events = POLLOUT | POLLIN};
        poll(&wanted, 1, 1000);
        if (wanted.revents & POLLIN && fill(c) < 0) give_up("the client closed the connection during a write");
    }
}

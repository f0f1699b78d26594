// One accepted connection, plain or TLS, with a growing read buffer. Not thread-safe: the sink has one thread.
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int fd;
    SSL *ssl;             // NULL on a plain connection
    unsigned char *data;  // what was read and not yet taken is data[start..end)
    size_t size, start, end;
} connection;

int64_t now_ns(void);

_Noreturn void give_up(const char *format, ...);  // print {"error": ...} as the result and leave

int listen_on_loopback(int *port);
void accept_connection(connection *c, int listener, SSL_CTX *tls);

int fill(connection *c);                  // one read: bytes gained, 0 if there is nothing now, -1 at the end of the stream
void wait_readable(connection *c, int64_t nanoseconds);
void send_all(connection *c, const void *bytes, size_t length);

#define _GNU_SOURCE
#include "wire.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t UPGRADE_TIMEOUT = 15000000000LL;

void upgrade(connection *c) {
    int64_t deadline = now_ns() + UPGRADE_TIMEOUT;
    char *end;
    while (!(end = memmem(c->data + c->start, c->end - c->start, "\r\n\r\n", 4))) {
        if (now_ns() > deadline) give_up("no upgrade request arrived");
        if (fill(c) < 0) give_up("the client hung up in the upgrade");
        wait_readable(c, 10000000);
    }
    *end = 0;
    static const char name[] = "\r\nSec-WebSocket-Key:";
    char *key = strcasestr((char *)c->data + c->start, name);
    if (!key) give_up("the upgrade request has no Sec-WebSocket-Key");
    char joined[128];
    unsigned char digest[SHA_DIGEST_LENGTH], accept[64];
    key += sizeof name - 1 + strspn(key + sizeof name - 1, " ");
    int length = snprintf(joined, sizeof joined, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(key, "\r "), key);
    EVP_EncodeBlock(accept, SHA1((unsigned char *)joined, length, digest), sizeof digest);
    char answer[256];
    length = snprintf(answer, sizeof answer,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
    c->start = (unsigned char *)end + 4 - c->data;
    send_all(c, answer, length);
}

static void unmask(unsigned char *bytes, size_t length, const unsigned char key[4]) {
    uint64_t wide;
    memcpy(&wide, key, 4);
    memcpy((char *)&wide + 4, key, 4);
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        word ^= wide;
        memcpy(bytes + i, &word, 8);
    }
    for (; i < length; i++) bytes[i] ^= key[i & 3];
}

bool next_frame(connection *c, frame *out) {
    unsigned char *p = c->data + c->start;
    size_t have = c->end - c->start, header = 6;
    if (have < 2) return false;
    if ((p[0] & 0xf0) != 0x80) give_up("a frame is fragmented or uses reserved bits: first byte %02x", p[0]);
    if (!(p[1] & 0x80)) give_up("a frame is not masked");
    uint64_t length = p[1] & 0x7f;
    if (length >= 126) {
        int extra = length == 126 ? 2 : 8;
        header += extra;
        if (have < header) return false;
        length = 0;
        for (int i = 0; i < extra; i++) length = length << 8 | p[2 + i];
    }
    if (have < header + length) return false;
    unmask(p + header, length, p + header - 4);
    *out = (frame){p[0] & 0x0f, {(char *)p + header, length}};
    c->start += header + length;
    return true;
}

void send_frame(connection *c, int opcode, const char *payload, size_t length) {
    unsigned char header[10] = {0x80 | opcode};
    int used = 2;
    if (length < 126) {
        header[1] = length;
    } else {
        int extra = length < 65536 ? 2 : 8;
        header[1] = extra == 2 ? 126 : 127;
        for (int i = 0; i < extra; i++) header[2 + i] = (uint64_t)length >> 8 * (extra - 1 - i);
        used += extra;
    }
    if (length > 4096) {
        send_all(c, header, used);
        send_all(c, payload, length);
    } else {
        char whole[4096 + 10];
        memcpy(whole, header, used);
        memcpy(whole + used, payload, length);
        send_all(c, whole, used + length);
    }
}

bool is(span text, const char *expected) {
    return text.at && text.length == strlen(expected) && !memcmp(text.at, expected, text.length);
}

static const char *skip_blanks(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
    return p;
}

static const char *string_end(const char *p, const char *end) {  // p stands behind the opening quote
    const char *from = p;
    while ((p = memchr(p, '"', end - p))) {
        size_t escapes = 0;
        while (p - escapes > from && p[-1 - (ptrdiff_t)escapes] == '\\') escapes++;
        if (escapes % 2 == 0) return p;
        p++;
    }
    give_up("a message ends within a string");
}

static const char *skip_value(const char *p, const char *end) {  // anything but a string
    for (int depth = 0; p < end; p++) {
        if (*p == '"') p = string_end(p + 1, end);
        else if (*p == '{' || *p == '[') depth++;
        else if (*p == '}' || *p == ']') {
            if (depth-- == 0) return p;
        } else if (*p == ',' && depth == 0) return p;
    }
    return p;
}

message parse_message(span json) {
    message found = {0};
    const struct { const char *name; span *value; } wanted[] = {
        {"type", &found.type}, {"taskId", &found.task_id}, {"chunk", &found.chunk},
        {"content", &found.content}, {"botToken", &found.bot_token}, {"error", &found.error}};
    const char *end = json.at + json.length, *p = skip_blanks(json.at, end);
    if (p == end || *p++ != '{') give_up("a message is not a JSON object");
    for (;;) {
        p = skip_blanks(p, end);
        if (p == end) give_up("a message ends early");
        if (*p == '}') break;
        if (*p == ',') { p++; continue; }
        if (*p != '"') give_up("a message is not JSON");
        span key = {p + 1, string_end(p + 1, end) - (p + 1)};
        p = skip_blanks(key.at + key.length + 1, end);
        if (p == end || *p != ':') give_up("a key has no value");
        p = skip_blanks(p + 1, end);
        if (p == end || *p != '"') {
            p = skip_value(p, end);
            continue;
        }
        span value = {p + 1, string_end(p + 1, end) - (p + 1)};
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (is(key, wanted[i].name)) *wanted[i].value = value;
        p = value.at + value.length + 1;
    }
    if (skip_blanks(p + 1, end) != end) give_up("something follows a message's JSON object");
    return found;
}

json_text read_json_text(span escaped) { return (json_text){.next = escaped.at, .end = escaped.at + escaped.length}; }

static int hex4(const char *p, const char *end) {
    char digits[5] = {0}, *stop;
    if (end - p < 4) return -1;
    memcpy(digits, p, 4);
    long value = strtol(digits, &stop, 16);
    return *stop ? -1 : (int)value;
}

static bool decode_escape(json_text *text) {  // text->next stands on a backslash
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *p = text->next + 1, *letter;
    if (p >= text->end) return false;
    if (*p != 'u') {
        if (!*p || !(letter = strchr(letters, *p))) return false;
        text->pending[0] = meanings[letter - letters];
        text->held = 1;
        text->next = p + 1;
        return true;
    }
    int code = hex4(p + 1, text->end);
    p += 5;
    if (code >= 0xd800 && code < 0xdc00 && text->end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(p + 2, text->end) - 0xdc00);
        p += 6;
    }
    if (code < 0 || (code >= 0xd800 && code < 0xe000)) return false;
    char *to = text->pending;
    if (code < 0x80) *to++ = code;
    else {
        int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        *to++ = (0xff00 >> (more + 1) & 0xff) | code >> 6 * more;
        while (more--) *to++ = 0x80 | (code >> 6 * more & 0x3f);
    }
    text->held = to - text->pending;
    text->next = p;
    return true;
}

bool continues_with(json_text *text, const char *expected, size_t length) {
    while (length) {
        if (text->held) {
            size_t n = (size_t)text->held < length ? (size_t)text->held : length;
            if (memcmp(text->pending, expected, n)) return false;
            text->held -= n;
            memmove(text->pending, text->pending + n, text->held);
            expected += n;
            length -= n;
        } else if (text->next == text->end) {
            return false;
        } else if (*text->next == '\\') {
            if (!decode_escape(text)) return false;
        } else {
            size_t n = text->end - text->next;
            if (n > length) n = length;
            const char *escape = memchr(text->next, '\\', n);
            if (escape) n = escape - text->next;
            if (memcmp(text->next, expected, n)) return false;
            text->next += n;
            expected += n;
            length -= n;
        }
    }
    return true;
}

bool at_end(const json_text *text) { return text->next == text->end && !text->held; }

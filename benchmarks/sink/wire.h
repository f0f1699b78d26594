// The WebSocket and JSON of the server's side: upgrade, frames, flat messages, comparison of JSON strings.
#pragma once

#include <stdbool.h>

#include "net.h"

typedef struct {
    const char *at;
    size_t length;
} span;

typedef struct {
    int opcode;
    span payload;  // unmasked, inside the connection's buffer: valid until the next fill
} frame;

typedef struct {  // string values as they stand in the JSON text, still escaped; at == NULL if absent
    span type, task_id, chunk, content, bot_token, error;
} message;

void upgrade(connection *c);
bool next_frame(connection *c, frame *out);
void send_frame(connection *c, int opcode, const char *payload, size_t length);
message parse_message(span json);
bool is(span text, const char *expected);

// Whether a JSON string holds exactly the next expected bytes. A comparison may go on over several expected pieces.
typedef struct {
    const char *next, *end;  // the rest of the JSON string
    char pending[4];         // bytes of an escape already decoded and not yet compared
    int held;
} json_text;

json_text read_json_text(span escaped);
bool continues_with(json_text *text, const char *expected, size_t length);
bool at_end(const json_text *text);

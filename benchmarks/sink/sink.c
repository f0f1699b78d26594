// The server's side of one measurement: takes connections, hands out tasks, checks every chunk that comes back,
// and prints one JSON object: what the client process spent (by the kernel's clock) and when things arrived.
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fairness.h"
#include "wire.h"

#define MILLISECOND 1000000LL
#define SECOND 1000000000LL

enum { NAP, SPIN, BLOCK };  // what to do when nothing has arrived: sleep 100 us, ask again, wait for the kernel

static struct {
    int wait, tasks, window, chunks, ack_every, repeat, connections, conversations;
    bool ordered;
    int64_t gap, every, settle, timeout;
    const char *certificate, *key, *corpus, *content, *expected, *log;
} options = {.tasks = 1, .window = 1, .connections = 1, .settle = 100 * MILLISECOND, .timeout = 120 * SECOND};

static struct task {
    int64_t sent, first, done;
    int chunks;
} *tasks;

static struct {  // the chunks that every client cycles through
    char **at;
    size_t *length;
    int count;
} corpus;

static connection *all;  // task number n goes to all[n % connections]
static struct pollfd *readable;
static clockid_t client_clock;
static int client_pid;
static int64_t *arrivals;  // [task][chunk], kept if there is a log
static int64_t idle, started, started_cpu, next_due, streamed, streamed_cpu, frames, resident_start, resident_early;
static int handed_out, completed;
static int64_t next_look, most_threads;
static char *content = "hello";

static int64_t client_cpu(void) {
    struct timespec t;
    if (clock_gettime(client_clock, &t)) give_up("the client process is gone");
    return t.tv_sec * SECOND + t.tv_nsec;
}

static int64_t client_status(const char *field) {  // memory in KiB
    char path[64], line[256];
    int64_t value = 0;
    snprintf(path, sizeof path, "/proc/%d/status", client_pid);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, field, strlen(field))) value = strtoll(line + strlen(field), NULL, 10);
    if (status) fclose(status);
    return value;
}

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file) give_up("cannot read %s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    *length = ftell(file);
    rewind(file);
    char *bytes = malloc(*length + 1);
    if (fread(bytes, 1, *length, file) != *length) give_up("cannot read %s", path);
    bytes[*length] = 0;
    fclose(file);
    return bytes;
}

static void load_corpus(void) {  // chunks with a NUL behind each
    size_t length;
    char *bytes = read_file(options.corpus, &length), *end = bytes + length;
    corpus.at = malloc(length * sizeof *corpus.at);
    corpus.length = malloc(length * sizeof *corpus.length);
    for (char *p = bytes; p < end; p += corpus.length[corpus.count++] + 1) {
        corpus.at[corpus.count] = p;
        corpus.length[corpus.count] = strlen(p);
    }
}

static int expected_chunk(int task, int chunk) { return (int)(((int64_t)task * 97 + chunk) % corpus.count); }

static char *task_frame(int task, size_t *length) {
    char *text;
    *length = asprintf(&text,
        "{\"type\":\"task\",\"taskId\":\"00000000-0000-4000-8000-%012x\","
        "\"conversationId\":\"00000000-0000-4000-9000-%012x\",\"conversationType\":\"h2a\","
        "\"senderUserId\":\"u1\",\"senderUsername\":\"ann\",\"userMessageId\":\"m%d\",\"history\":[],\"content\":\"%s\"}",
        task, options.conversations ? task % options.conversations : task, task, content);
    return text;
}

static connection *connection_of(int task) { return &all[task % options.connections]; }

static void hand_out(int task) {
    size_t length;
    char *text = task_frame(task, &length);
    tasks[task].sent = now_ns();
    send_frame(connection_of(task), 1, text, length);
    free(text);
}

static void start_clock(void) {
    resident_start = resident_early = client_status("VmRSS:");
    started = now_ns();
    started_cpu = client_cpu();
    idle = 0;
}

static void hand_out_due(int64_t now) {
    while (now >= next_due && handed_out < options.tasks && handed_out - completed < options.window) {
        hand_out(handed_out++);
        if (options.every) next_due = started + options.every * handed_out / options.connections;
    }
}

static void watch_threads(int64_t now) {
    if (!options.conversations || now < next_look) return;
    int64_t threads = client_status("Threads:");
    if (threads > most_threads) most_threads = threads;
    next_look = now + 10 * MILLISECOND;
}

static int compare_times(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void write_log(void) {
    FILE *log = fopen(options.log, "wb");
    if (!log || fwrite(arrivals, sizeof *arrivals, (size_t)options.tasks * options.chunks, log) == 0 || fclose(log))
        give_up("cannot write %s", options.log);
}

static void report(void) {
    int64_t end = now_ns(), cpu = client_cpu() - started_cpu, *waits = malloc(options.tasks * sizeof *waits);
    for (int i = 0; i < options.tasks; i++)
        waits[i] = (tasks[i].first ? tasks[i].first : tasks[i].done) - tasks[i].sent;
    qsort(waits, options.tasks, sizeof *waits, compare_times);
    if (arrivals) write_log();
    printf("{\"cpu\": %.9f, \"wall\": %.9f, \"stream_cpu\": %.9f, \"stream_wall\": %.9f, \"frames\": %lld, \"busy\": %.4f, \"first_p50\": %.9f, "
           "\"first_p99\": %.9f, \"memory_start\": %lld, \"memory_early\": %lld, \"memory_end\": %lld, \"memory_peak\": %lld",
           cpu / 1e9, (end - started) / 1e9, (streamed_cpu - started_cpu) / 1e9, (streamed - started) / 1e9, (long long)frames,
           1 - (double)idle / (end - started), waits[options.tasks / 2] / 1e9, waits[options.tasks * 99LL / 100] / 1e9,
           (long long)resident_start, (long long)resident_early, (long long)client_status("VmRSS:"),
           (long long)client_status("VmHWM:"));
    if (options.conversations) printf(", \"threads\": %lld, \"ahead\": %d", (long long)most_threads - 1, furthest_ahead());
    printf("}\n");
    fflush(stdout);
}

static int task_number(span id) {
    static const char prefix[] = "00000000-0000-4000-8000-";
    if (!id.at || id.length != 36 || memcmp(id.at, prefix, sizeof prefix - 1)) give_up("a frame names no task of ours");
    long number = strtol(id.at + sizeof prefix - 1, NULL, 16);
    if (number >= handed_out) give_up("a frame names task %ld, which was not handed out yet", number);
    return (int)number;
}

static void check_turn(int number, const connection *c) {
    if (c != connection_of(number)) give_up("task %d: answered on another agent's connection", number);
    int earlier = number - options.conversations;
    if (options.ordered && earlier >= 0 && !tasks[earlier].done)
        give_up("task %d began before task %d of its conversation had ended", number, earlier);
}

static void on_chunk(connection *c, const message *m, int64_t now) {
    int number = task_number(m->task_id), index = tasks[number].chunks++;
    check_turn(number, c);
    if (tasks[number].done) give_up("task %d: a chunk after its end", number);
    if (index >= options.chunks) give_up("task %d: more than %d chunks", number, options.chunks);
    int expected = expected_chunk(number, index);
    json_text text = read_json_text(m->chunk);
    if (!m->chunk.at || !continues_with(&text, corpus.at[expected], corpus.length[expected]) || !at_end(&text))
        give_up("task %d: chunk %d is not what was sent: %.*s", number, index, (int)m->chunk.length, m->chunk.at);
    if (!tasks[number].first) tasks[number].first = now;
    if (arrivals) arrivals[(int64_t)number * options.chunks + index] = now;
    if (++frames == (int64_t)options.tasks * options.chunks) {
        streamed = now_ns();
        streamed_cpu = client_cpu();
    }
    if (options.tasks == 1 && frames == options.chunks / 10) resident_early = client_status("VmRSS:");
    if (options.ack_every && frames % options.ack_every == 0) send_frame(c, 1, "{\"type\":\"pong\"}", 15);
}

static void on_complete(connection *c, const message *m, int64_t now) {
    int number = task_number(m->task_id);
    check_turn(number, c);
    if (tasks[number].done) give_up("task %d ended twice", number);
    if (tasks[number].chunks != options.chunks)
        give_up("task %d: ended after %d of %d chunks", number, tasks[number].chunks, options.chunks);
    json_text text = read_json_text(m->content);
    if (options.expected) {
        if (!m->content.at || !continues_with(&text, options.expected, strlen(options.expected)) || !at_end(&text))
            give_up("task %d: answered %.*s instead of %s", number, (int)m->content.length, m->content.at, options.expected);
    } else if (m->content.length && options.chunks) {
        for (int i = 0, expected; i < options.chunks; i++)
            if (expected = expected_chunk(number, i), !continues_with(&text, corpus.at[expected], corpus.length[expected]))
                give_up("task %d: its final text is not what was streamed", number);
        if (!at_end(&text)) give_up("task %d: its final text is longer than what was streamed", number);
    }
    tasks[number].done = now;
    if (options.conversations) conversation_served(number % options.conversations);
    if (options.gap) next_due = now + options.gap;
    if (++completed == options.tasks / 10) resident_early = client_status("VmRSS:");
    if (options.repeat && number == 0) {  // the same task again and again: received and parsed, and run no second time
        size_t length;
        char *again = task_frame(0, &length);
        usleep(options.settle / 1000);
        start_clock();
        for (int i = 0; i < options.repeat; i++) send_frame(c, 1, again, length);
        free(again);
    }
}

static void on_frame(connection *c, frame f, int64_t now) {
    if (f.opcode == 8) give_up("the client closed the connection");
    if (f.opcode == 9) send_frame(c, 10, f.payload.at, f.payload.length);
    if (f.opcode != 1) return;
    message m = parse_message(f.payload);
    if (is(m.type, "agent_chunk")) on_chunk(c, &m, now);
    else if (is(m.type, "agent_complete")) on_complete(c, &m, now);
    else if (is(m.type, "agent_error")) give_up("the client reports an error: %.*s", (int)m.error.length, m.error.at);
    else if (is(m.type, "ping")) send_frame(c, 1, "{\"type\":\"pong\"}", 15);
}

static void authenticate(connection *c) {  // the token is ari_ and the client's process id
    frame f;
    int64_t deadline = now_ns() + 15 * SECOND;
    while (!next_frame(c, &f)) {
        if (fill(c) < 0 || now_ns() > deadline) give_up("the client did not authenticate");
        wait_readable(c, 10 * MILLISECOND);
    }
    message m = parse_message(f.payload);
    if (!is(m.type, "agent_auth") || !m.bot_token.at || m.bot_token.length < 5) give_up("the first frame is not agent_auth");
    client_pid = atoi(m.bot_token.at + 4);
    if (clock_getcpuclockid(client_pid, &client_clock)) give_up("the token does not name the client's process");
    static const char answer[] = "{\"type\":\"auth_ok\",\"agentId\":\"a1\",\"agentName\":\"bench\"}";
    send_frame(c, 1, answer, sizeof answer - 1);
}

static void wait_for_any(int64_t nanoseconds) {
    struct timespec limit = {nanoseconds / SECOND, nanoseconds % SECOND};
    ppoll(readable, options.connections, &limit, NULL);
}

static void nothing_arrived(int64_t before) {
    struct timespec nap = {0, 100000};
    int64_t now = now_ns();
    if (now - started > options.timeout) give_up("timed out after %d of %d tasks, %lld chunks", completed, options.tasks, (long long)frames);
    if (options.wait == NAP) nanosleep(&nap, NULL);
    if (options.wait == BLOCK) wait_for_any(next_due > now ? next_due - now : SECOND);
    now = now_ns();
    idle += now - before;
    hand_out_due(now);
}

static bool serve(connection *c) {  // whether anything had arrived
    int got = fill(c);
    if (got < 0) give_up("the connection ended after %d of %d tasks, %lld chunks", completed, options.tasks, (long long)frames);
    if (got == 0) return false;
    int64_t now = now_ns();
    frame f;
    while (completed < options.tasks && next_frame(c, &f)) on_frame(c, f, now);
    hand_out_due(now);
    return true;
}

static bool serve_all(void) {
    if (options.connections == 1) return serve(all);  // one system call less
    bool any = false;
    poll(readable, options.connections, 0);
    for (int i = 0; i < options.connections; i++)
        if (readable[i].revents) any |= serve(&all[i]);
    return any;
}

static void run_tasks(void) {
    usleep(options.settle / 1000);
    start_clock();
    hand_out_due(started);
    while (completed < options.tasks) {
        int64_t before = now_ns();
        if (!serve_all()) nothing_arrived(before);
        watch_threads(before);
    }
    report();
    while (fill(all) >= 0) wait_readable(all, SECOND);  // the runner ends both sides
}

static void keep_alive(void) {  // until the runner has seen enough
    printf("{\"connected\": %d}\n", options.connections);
    fflush(stdout);
    while (poll(readable, options.connections, -1) >= 0)
        for (int i = 0; i < options.connections; i++) {
            frame f;
            if (!readable[i].revents) continue;
            if (fill(&all[i]) < 0) return;
            while (next_frame(&all[i], &f)) on_frame(&all[i], f, 0);
        }
}

static void read_options(int argc, char **argv) {
    static const char *const names[] = {"core", "wait", "tasks", "window", "chunks", "ack-every", "repeat", "connections",
        "gap", "settle", "timeout", "certificate", "key", "corpus", "content", "expected", "log", "conversations", "ordered",
        "every", NULL};
    struct option table[sizeof names / sizeof *names] = {0};
    for (int i = 0; names[i]; i++) table[i] = (struct option){names[i], required_argument, NULL, i};
    cpu_set_t cores;
    for (int found; (found = getopt_long(argc, argv, "", table, NULL)) >= 0;) {
        size_t length;
        switch (found) {
            case 0: CPU_ZERO(&cores); CPU_SET(atoi(optarg), &cores); sched_setaffinity(0, sizeof cores, &cores); break;
            case 1: options.wait = optarg[0] == 'n' ? NAP : optarg[0] == 's' ? SPIN : BLOCK; break;
            case 2: options.tasks = atoi(optarg); break;
            case 3: options.window = atoi(optarg); break;
            case 4: options.chunks = atoi(optarg); break;
            case 5: options.ack_every = atoi(optarg); break;
            case 6: options.repeat = atoi(optarg); break;
            case 7: options.connections = atoi(optarg); break;
            case 8: options.gap = atof(optarg) * SECOND; break;
            case 9: options.settle = atof(optarg) * SECOND; break;
            case 10: options.timeout = atof(optarg) * SECOND; break;
            case 11: options.certificate = optarg; break;
            case 12: options.key = optarg; break;
            case 13: options.corpus = optarg; break;
            case 14: content = read_file(optarg, &length); break;
            case 15: options.expected = optarg; break;
            case 16: options.log = optarg; break;
            case 17: options.conversations = atoi(optarg); break;
            case 18: options.ordered = atoi(optarg); break;
            case 19: options.every = atof(optarg) * SECOND; break;
            default: exit(2);
        }
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    read_options(argc, argv);
    SSL_CTX *tls = NULL;
    if (options.certificate) {
        tls = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        if (SSL_CTX_use_certificate_chain_file(tls, options.certificate) != 1
            || SSL_CTX_use_PrivateKey_file(tls, options.key, SSL_FILETYPE_PEM) != 1)
            give_up("cannot load the certificate");
    }
    if (options.corpus) load_corpus();
    if (options.chunks && !corpus.count) give_up("chunks are expected, but there is no corpus");
    tasks = calloc(options.tasks + 1, sizeof *tasks);
    if (options.conversations) {
        if (options.tasks % options.conversations) give_up("some conversations would have a task more than others");
        expect_conversations(options.conversations, options.tasks / options.conversations);
    } else if (options.ordered) {
        give_up("an order was asked for, but each task has a conversation of its own");
    }
    if (options.log) arrivals = calloc((size_t)options.tasks * options.chunks + 1, sizeof *arrivals);

    int port, listener = listen_on_loopback(&port);
    printf("%d\n", port);
    fflush(stdout);
    all = calloc(options.connections, sizeof *all);
    readable = calloc(options.connections, sizeof *readable);
    for (int i = 0; i < options.connections; i++) {
        accept_connection(&all[i], listener, tls);
        upgrade(&all[i]);
        authenticate(&all[i]);
        readable[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
    }
    if (options.tasks) run_tasks();
    else keep_alive();
}

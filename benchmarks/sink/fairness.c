#include "fairness.h"

#include <stdlib.h>

static int *ended;   // [conversation] its tasks that have ended
static int *having;  // [n] conversations of which n tasks have ended
static int least, most, ahead;

void expect_conversations(int count, int tasks_of_each) {
    ended = calloc(count, sizeof *ended);
    having = calloc(tasks_of_each + 1, sizeof *having);
    having[0] = count;
}

void conversation_served(int number) {
    int now = ++ended[number];
    having[now - 1]--;
    having[now]++;
    while (!having[least]) least++;
    if (now > most) most = now;
    if (most - least > ahead) ahead = most - least;
}

int furthest_ahead(void) { return ahead; }

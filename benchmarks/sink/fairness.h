// How evenly conversations are served: by how many ended tasks one was ahead of another at the worst moment.
// Served in turn it is one or two, whatever the number of workers; served one after the other, all that one has.
#pragma once

void expect_conversations(int count, int tasks_of_each);
void conversation_served(int number);  // one of its tasks has ended
int furthest_ahead(void);

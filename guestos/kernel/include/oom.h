/* Which process is killed when memory has run out; of all, or of those for which `among` holds. */
#pragma once
#include "types.h"

struct process;
typedef bool oom_among(const struct process *, const void *argument);

bool oom_may_kill(const struct process *);
bool oom_process_dying(const struct process *);
bool oom_is_dying(oom_among *, const void *);               /* one of them has been killed and is not gone yet */
struct process *oom_victim(oom_among *, const void *);      /* NULL: none may be killed */
void oom_kill(struct process *);

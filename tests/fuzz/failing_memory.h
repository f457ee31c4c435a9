/* Put before `_scan.c`: each allocation may be told to fail, so that the tests see what becomes of that. */
#include <stdlib.h>

static long allocations_left = -1; /* so many succeed before the next one fails; less than 0: not known yet */

static int may_allocate(void)
{
    const char *set = getenv("ALLOCATIONS");
    if (allocations_left < 0 && set)
        allocations_left = atol(set);
    return allocations_left < 0 || allocations_left-- > 0;
}

static void *failing_realloc(void *memory, size_t size)
{
    return may_allocate() ? realloc(memory, size) : NULL;
}

static void *failing_calloc(size_t count, size_t size)
{
    return may_allocate() ? calloc(count, size) : NULL;
}

#define realloc failing_realloc
#define calloc failing_calloc

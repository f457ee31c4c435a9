/* Drives `_digests.c` with mutated lines, which begin right behind memory that nobody may touch, or end right before it.
 *
 * Usage: drive_digests CORPUS SEED ROUNDS. The corpus is a file of lines. Built with sanitizers by test_digests_in_c.py. It
 * ends with 1 and the seed and round if something that must hold does not: a line has the same numbers whatever comes before
 * it, or is declined; declined lines are counted, and found; another number of lines is refused.
 */
#include "_digests.c"
#include "mutated_text.h"

enum { SECRET_KEY = 99 };

static Reader reader; /* not cleared in between: each call must begin anew by itself */

/* The numbers of so many lines, in memory of which every byte counts; what digest_lines() returns. */
static Py_ssize_t try_lines(Text text, size_t size, size_t count, uint64_t **keys, uint64_t **digests)
{
    *keys = malloc(count * sizeof **keys);
    *digests = malloc(count * sizeof **digests);
    begin_lines(&reader, text + size, SECRET_KEY);
    return digest_lines(&reader, text, (Py_ssize_t)count, *keys, *digests);
}

static const char *compare_with_each_alone(Text text, size_t size, size_t count, const uint64_t *keys, const uint64_t *digests)
{
    Text at = text, end = text + size;
    for (size_t i = 0; i < count; i++) {
        Text newline = memchr(at, '\n', (size_t)(end - at));
        size_t line_size = (size_t)((newline ? newline : end) - at);
        unsigned char *copy = malloc(line_size);
        uint64_t *key, *digest;
        memcpy(copy, at, line_size);
        Py_ssize_t declined = try_lines(copy, line_size, 1, &key, &digest);
        if (line_size && declined != (digests[i] == 0))
            return "what comes before a line decides whether it is declined";
        if (digests[i] == 0 ? keys[i] != (uint64_t)(at - text) : *key != keys[i] || *digest != digests[i])
            return "the numbers of a line differ";
        free(copy);
        free(key);
        free(digest);
        at = newline ? newline + 1 : end;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    read_corpus(argv[1]);
    uint64_t seed = strtoull(argv[2], NULL, 10), rounds = strtoull(argv[3], NULL, 10), tried = 0, accepted = 0;
    seed_random(seed);
    size_t room;
    unsigned char *memory = guarded_memory(&room);
    static unsigned char made[2 * TEXT_MAX];
    for (uint64_t round = 0; round < rounds; round++) {
        size_t size = make_text(made), count = size > 0;
        for (size_t i = 0; i < size; i++)
            count += made[i] == '\n';
        unsigned char *text = below(2) ? memory : memory + room - size;
        memcpy(text, made, size);
        uint64_t *keys, *digests;
        size_t wrong = count + 1 - 2 * below(count ? 2 : 1);
        if (try_lines(text, size, wrong, &keys, &digests) != -1)
            give_up("a wrong number of lines is accepted", seed, round, text, size);
        free(keys);
        free(digests);
        Py_ssize_t declined = try_lines(text, size, count, &keys, &digests);
        size_t without = 0;
        for (size_t i = 0; i < count; i++)
            without += digests[i] == 0;
        if (declined != (Py_ssize_t)without)
            give_up("another number of lines is declined", seed, round, text, size);
        const char *why = compare_with_each_alone(text, size, count, keys, digests);
        if (why)
            give_up(why, seed, round, text, size);
        tried += count;
        accepted += count - without;
        free(keys);
        free(digests);
    }
    printf("%llu texts, %llu lines tried, %llu accepted\n", (unsigned long long)rounds, (unsigned long long)tried,
           (unsigned long long)accepted);
    return 0;
}

/* What the drivers have in common: texts of some lines of a corpus, mutated, and memory with an end.
 *
 * Included behind the accelerator that is driven, which defines `Text`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, LINES_MAX = 100000 };

static uint64_t state;

static void seed_random(uint64_t seed)
{
    state = seed * 0x9E3779B97F4A7C15u + 1;
}

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t limit)
{
    return limit ? (size_t)(next_random() % limit) : 0;
}

static unsigned char *lines[LINES_MAX];
static size_t sizes[LINES_MAX], line_count;

static void read_corpus(const char *path)
{
    FILE *file = fopen(path, "rb");
    static unsigned char line[TEXT_MAX];
    size_t size = 0;
    for (int c; file && (c = fgetc(file)) != EOF;) {
        if (c != '\n' && size < sizeof line) {
            line[size++] = (unsigned char)c;
            continue;
        }
        if (line_count < LINES_MAX && c == '\n') {
            lines[line_count] = malloc(size + 1);
            memcpy(lines[line_count], line, size);
            sizes[line_count++] = size;
        }
        size = 0;
    }
    if (!line_count) {
        fprintf(stderr, "no corpus\n");
        exit(2);
    }
    fclose(file);
}

/* Make a text of some lines, mutated; returns its size. */
static size_t make_text(unsigned char *text)
{
    static const char *pieces[] = {"\"", "\\", "{", "}", "[", "]", ",", ":", "\n", "\r", " ", "\x01", "\xff", "\xc3", "\xed\xa0\x80",
                                   "\\u", "\\ud83d", "null", "-", "0", "e", ".", "\"id\"", "\"data\"", "\xf4\x90\x80\x80", "\xe0\x80"};
    size_t size = 0;
    for (size_t left = 1 + below(3); left; left--) {
        size_t chosen = below(line_count);
        if (size + sizes[chosen] + 1 > TEXT_MAX - 64)
            break;
        if (size)
            text[size++] = '\n';
        memcpy(text + size, lines[chosen], sizes[chosen]);
        size += sizes[chosen];
    }
    for (size_t left = below(5); left && size; left--) {
        size_t at = below(size);
        switch (below(5)) {
        case 0:
            text[at] ^= (unsigned char)(1u << below(8));
            break;
        case 1:
            size = at; /* cut */
            break;
        case 2: {
            size_t length = below(8);
            length = at + length > size ? size - at : length;
            memmove(text + at, text + at + length, size - at - length);
            size -= length;
            break;
        }
        case 3: {
            const char *piece = pieces[below(sizeof pieces / sizeof *pieces)];
            size_t length = strlen(piece);
            memmove(text + at + length, text + at, size - at);
            memcpy(text + at, piece, length);
            size += length;
            break;
        }
        default:
            text[at] = (unsigned char)below(256);
        }
    }
    return size;
}

/* Memory for a text with pages before and behind it that nobody may touch; `*room` is how large it is. */
static unsigned char *guarded_memory(size_t *room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *room = (TEXT_MAX / page + 2) * page;
    unsigned char *memory = mmap(NULL, page + *room + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + page, *room, PROT_READ | PROT_WRITE))
        exit(2);
    return memory + page;
}

static void give_up(const char *why, uint64_t seed, uint64_t round, Text text, size_t size)
{
    fprintf(stderr, "%s: seed %llu, round %llu:\n", why, (unsigned long long)seed, (unsigned long long)round);
    fwrite(text, 1, size, stderr);
    exit(1);
}

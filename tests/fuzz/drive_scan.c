/* Drives the scanners of `_scan.c` with mutated lines, each of which ends right before memory that nobody may read.
 *
 * Usage: drive_scan CORPUS SEED ROUNDS. The corpus is a file of lines. Built with sanitizers by test_scan_in_c.py. It ends
 * with 1 and the seed and round if something that must hold does not: what is accepted is accepted again as it was
 * rewritten, and unchanged; each record has a line and a number; no more is scanned than was given.
 */
#include "_scan.c"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, LINES_MAX = 100000 };

static uint64_t state;

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

static void give_up(const char *why, uint64_t seed, uint64_t round, Text text, size_t size)
{
    fprintf(stderr, "%s: seed %llu, round %llu:\n", why, (unsigned long long)seed, (unsigned long long)round);
    fwrite(text, 1, size, stderr);
    exit(1);
}

/* Whether it may be nested as deep as is allowed: as data of a canonical line it is one level deeper. */
static int is_deep(Text text, size_t size)
{
    size_t brackets = 0;
    for (size_t i = 0; i < size; i++)
        brackets += text[i] == '[' || text[i] == '{';
    return brackets >= DEPTH_MAX;
}

static void learn(Flat *flat, const char *name, const char *member, int is_id, int condition)
{
    static Piece words[2] = {{NULL, (Text) "N/A", 3}, {NULL, (Text) "due", 3}};
    Key *key = &flat->keys[flat->key_count++];
    size_t place;
    *key = (Key){.condition = condition, .is_id = is_id, .slot = flat->key_count, .next = NONE};
    key->key = (Piece){NULL, (Text)name, strlen(name)};
    if (member)
        key->member = (Piece){(PyObject *)flat, (Text)member, strlen(member)};
    key->nulls = (Words){words, 1, length_bit(3)};
    key->wanted = (Words){words, 2, length_bit(3)};
    find_key(flat, key->key.bytes, key->key.size, &place);
    flat->table[place] = (int16_t)flat->key_count;
}

static Flat *new_flat(int omit_nulls, int with_condition)
{
    Flat *flat = calloc(1, sizeof *flat);
    begin_scan(&flat->scan, 2000, 99);
    flat->omit_nulls = omit_nulls;
    flat->first = NONE;
    flat->head = (Piece){NULL, (Text) "\"state\":\"KA\"", with_condition ? 12 : 0};
    flat->tail = (Piece){NULL, (Text) "\"feed\":1", omit_nulls ? 8 : 0};
    flat->conditions = with_condition ? 1 : 0;
    learn(flat, "loan_id", omit_nulls ? NULL : "\"loan\":", 1, NONE);
    learn(flat, "amount", "\"a much longer name than before\":", 0, NONE);
    learn(flat, "status", "\"status\":", 0, with_condition ? 0 : NONE);
    learn(flat, "name", "\"name\":", 0, NONE);
    learn(flat, "dpd", "\"dpd\":", 0, NONE);
    learn(flat, "zone", NULL, 0, NONE);
    learn(flat, "id", "\"id\":", 0, NONE);
    learn(flat, "data", "\"data\":", 0, NONE);
    return flat;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    read_corpus(argv[1]);
    uint64_t seed = strtoull(argv[2], NULL, 10), rounds = strtoull(argv[3], NULL, 10), accepted = 0, scanned = 0;
    state = seed * 0x9E3779B97F4A7C15u + 1;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (TEXT_MAX / page + 2) * page;
    unsigned char *memory = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + room, page, PROT_NONE))
        return 2;
    Canonical *canonical = calloc(1, sizeof *canonical), *again = calloc(1, sizeof *again);
    begin_scan(&canonical->scan, 2000, 99);
    begin_scan(&again->scan, (Py_ssize_t)1 << 40, 99);
    Flat *flats[] = {new_flat(1, 0), new_flat(0, 0), new_flat(1, 1)};
    static unsigned char made[2 * TEXT_MAX];
    for (uint64_t round = 0; round < rounds; round++) {
        size_t size = make_text(made);
        unsigned char *text = memory + room - size - 1, *end = text + size;
        memcpy(text, made, size);
        *end = 0;
        size_t which = below(4);
        void *scanner = which < 3 ? (void *)flats[which] : (void *)canonical;
        Scan *scan = which < 3 ? &flats[which]->scan : &canonical->scan;
        for (Text at = text; at <= end;) {
            Text stopped = scan_lines(scanner, scan, which < 3 ? scan_flat : scan_canonical, at, end);
            if (stopped < at || stopped > end + 1)
                give_up("it stopped elsewhere", seed, round, text, size);
            if (scan->numbers.size != scan->records * sizeof(uint64_t))
                give_up("not a number for each record", seed, round, text, size);
            scanned += scan->scanned;
            accepted += scan->records;
            if (scan->records && !is_deep(text, size)) {
                unsigned char *lines_end = scan->lines.bytes + scan->lines.size - 1;
                *lines_end = 0; /* as in the bytes object that is made of them */
                scan_lines(again, &again->scan, scan_canonical, scan->lines.bytes, lines_end);
                *lines_end = '\n';
                if (again->scan.records != scan->records || again->scan.lines.size != scan->lines.size ||
                    memcmp(again->scan.lines.bytes, scan->lines.bytes, scan->lines.size))
                    give_up("what was accepted is not canonical", seed, round, text, size);
                if (memcmp(again->scan.numbers.bytes, scan->numbers.bytes, scan->numbers.size))
                    give_up("the numbers differ", seed, round, text, size);
            }
            if (stopped > end)
                break;
            Text newline = memchr(stopped, '\n', (size_t)(end - stopped));
            if (!newline)
                break;
            at = newline + 1;
        }
    }
    printf("%llu texts, %llu lines scanned, %llu records accepted\n", (unsigned long long)rounds,
           (unsigned long long)scanned, (unsigned long long)accepted);
    return 0;
}

/* Drives the scanners of `_scan.c` with mutated lines, each of which ends right before memory that nobody may read.
 *
 * Usage: drive_scan CORPUS SEED ROUNDS. The corpus is a file of lines. Built with sanitizers by test_scan_in_c.py. It ends
 * with 1 and the seed and round if something that must hold does not: what is accepted is accepted again as it was
 * rewritten, and unchanged; each record has a line and a number; no more is scanned than was given.
 */
#include "_scan.c"
#include "mutated_text.h"

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
    seed_random(seed);
    size_t room;
    unsigned char *memory = guarded_memory(&room);
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

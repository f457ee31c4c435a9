/* The accelerator of the ledger: the keys and digests of canonical lines, in one pass over their bytes; the entries of
 * keys, whose columns are far larger than the processor's caches (`lookup.py`); the few lines that are wanted of many
 * (`lines.py`); and ids as the ledger keeps them (`ids.py`).
 *
 * What keys and digests are is said in Python (`digests.py`); this file only says the same, faster, of the lines that nearly all are.
 * It declines what is rare, and Python finds these lines' numbers: ids and names with escapes, names that come twice, ids
 * and fields that are longer than the short forms of XXH3 go.
 *
 * Lines are valid as sources yield them, but the bounds do not depend on that: `end` is behind the last byte, whatever
 * comes there, each step compares with it before it looks at a byte, and none steps over a newline.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* XXH3-128 of this file without this line, so that a binary of another version is not used (`acceleration.py`). */
#define SOURCE_DIGEST "97cfa7799a1c1f3883142d4dd66f7ac8"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE_ENDIAN_WORDS 1
#endif

typedef const unsigned char *Text;

/* ---------------------------------------------------------------- XXH3 of 64 bits, of short input, by its specification:
 * https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md */

enum { HASHED_MAX = 240 };

static const unsigned char SECRET[192] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static const uint64_t PRIME64_1 = 0x9E3779B185EBCA87u, PRIME64_2 = 0xC2B2AE3D27D4EB4Fu, PRIME64_3 = 0x165667B19E3779F9u,
                      PRIME_MX1 = 0x165667919E3779F9u, PRIME_MX2 = 0x9FB21C651E98DF25u;

static inline uint32_t word32(Text at)
{
#if defined(LITTLE_ENDIAN_WORDS)
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
#else
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
#endif
}

static inline uint64_t word64(Text at)
{
#if defined(LITTLE_ENDIAN_WORDS)
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
#else
    return word32(at) | (uint64_t)word32(at + 4) << 32;
#endif
}

static inline uint32_t swapped32(uint32_t word)
{
    return word << 24 | (word & 0xFF00) << 8 | (word >> 8 & 0xFF00) | word >> 24;
}

static inline uint64_t swapped64(uint64_t word)
{
    return (uint64_t)swapped32((uint32_t)word) << 32 | swapped32((uint32_t)(word >> 32));
}

static inline uint64_t rotated(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

/* The two halves of the product of 128 bits, by exclusive or. */
static inline uint64_t folded_product(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__)
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    const uint64_t low = 0xFFFFFFFFu;
    uint64_t low_low = (a & low) * (b & low), high_low = (a >> 32) * (b & low), low_high = (a & low) * (b >> 32);
    uint64_t middle = (low_low >> 32) + (high_low & low) + low_high; /* at most 2^64 - 1 */
    uint64_t upper = (high_low >> 32) + (middle >> 32) + (a >> 32) * (b >> 32);
    return upper ^ (middle << 32 | (low_low & low));
#endif
}

static inline uint64_t avalanche(uint64_t hash)
{
    hash = (hash ^ hash >> 37) * PRIME_MX1;
    return hash ^ hash >> 32;
}

static inline uint64_t avalanche_xxh64(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * PRIME64_2;
    hash = (hash ^ hash >> 29) * PRIME64_3;
    return hash ^ hash >> 32;
}

static inline uint64_t xxh3_of_0_to_3(Text at, size_t size, uint64_t seed)
{
    if (!size)
        return avalanche_xxh64(seed ^ word64(SECRET + 56) ^ word64(SECRET + 64));
    uint32_t combined = at[size - 1] | (uint32_t)size << 8 | (uint32_t)at[0] << 16 | (uint32_t)at[size >> 1] << 24;
    return avalanche_xxh64(((word32(SECRET) ^ word32(SECRET + 4)) + seed) ^ combined);
}

static inline uint64_t xxh3_of_4_to_8(Text at, size_t size, uint64_t seed)
{
    uint64_t modified = seed ^ (uint64_t)swapped32((uint32_t)seed) << 32;
    uint64_t combined = word32(at + size - 4) | (uint64_t)word32(at) << 32;
    uint64_t hash = ((word64(SECRET + 8) ^ word64(SECRET + 16)) - modified) ^ combined;
    hash = (hash ^ rotated(hash, 49) ^ rotated(hash, 24)) * PRIME_MX2;
    hash = (hash ^ ((hash >> 35) + size)) * PRIME_MX2;
    return hash ^ hash >> 28;
}

static inline uint64_t xxh3_of_9_to_16(Text at, size_t size, uint64_t seed)
{
    uint64_t low = ((word64(SECRET + 24) ^ word64(SECRET + 32)) + seed) ^ word64(at);
    uint64_t high = ((word64(SECRET + 40) ^ word64(SECRET + 48)) - seed) ^ word64(at + size - 8);
    return avalanche(size + swapped64(low) + high + folded_product(low, high));
}

static inline uint64_t mixed16(Text at, Text secret, uint64_t seed)
{
    return folded_product(word64(at) ^ (word64(secret) + seed), word64(at + 8) ^ (word64(secret + 8) - seed));
}

/* From both ends, sixteen bytes each, which may overlap in the middle. */
static inline uint64_t xxh3_of_17_to_128(Text at, size_t size, uint64_t seed)
{
    uint64_t hash = size * PRIME64_1;
    for (size_t pair = (size - 1) / 32 + 1; pair--;)
        hash += mixed16(at + 16 * pair, SECRET + 32 * pair, seed) +
                mixed16(at + size - 16 * (pair + 1), SECRET + 32 * pair + 16, seed);
    return avalanche(hash);
}

static uint64_t xxh3_of_129_to_240(Text at, size_t size, uint64_t seed)
{
    uint64_t hash = size * PRIME64_1;
    for (size_t i = 0; i < 8; i++)
        hash += mixed16(at + 16 * i, SECRET + 16 * i, seed);
    hash = avalanche(hash);
    for (size_t i = 8; i < size / 16; i++)
        hash += mixed16(at + 16 * i, SECRET + 16 * (i - 8) + 3, seed);
    return avalanche(hash + mixed16(at + size - 16, SECRET + 136 - 17, seed));
}

/* The hash of at most HASHED_MAX bytes. */
static inline uint64_t xxh3(Text at, size_t size, uint64_t seed)
{
    if (size > 128)
        return xxh3_of_129_to_240(at, size, seed);
    if (size > 16)
        return xxh3_of_17_to_128(at, size, seed);
    if (size > 8)
        return xxh3_of_9_to_16(at, size, seed);
    return size > 3 ? xxh3_of_4_to_8(at, size, seed) : xxh3_of_0_to_3(at, size, seed);
}

/* ---------------------------------------------------------------- JSON that is known to be valid: each function returns
 * where its part ends, or NULL if it is not there. */

static inline Text skip_spaces(Text at, Text end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* A mark and the spaces around it. */
static inline Text skip_mark(Text at, Text end, unsigned char mark)
{
    at = skip_spaces(at, end);
    return at < end && *at == mark ? skip_spaces(at + 1, end) : NULL;
}

static inline Text skip_word(Text at, Text end, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(end - at) >= size && !memcmp(at, word, size) ? at + size : NULL;
}

#if defined(LITTLE_ENDIAN_WORDS)
static const uint64_t ONES = 0x0101010101010101u, TOPS = 0x8080808080808080u;

/* The top bit of the first byte that is less than `limit`, at most 128. As in the next one, bits of bytes behind the first
 * one found mean nothing, because of a borrow. */
static inline uint64_t bytes_below(uint64_t word, unsigned char limit)
{
    return (word - ONES * limit) & ~word & TOPS;
}

static inline uint64_t bytes_equal(uint64_t word, unsigned char byte)
{
    return bytes_below(word ^ (ONES * byte), 1);
}

static inline size_t first_of(uint64_t found)
{
    return (size_t)__builtin_ctzll(found) >> 3;
}
#endif

/* The first quote, backslash or control character; `end` if there is none. */
static inline Text find_in_string(Text at, Text end)
{
#if defined(LITTLE_ENDIAN_WORDS)
    for (; end - at >= 8; at += 8) {
        uint64_t word = word64(at), found = bytes_below(word, 0x20) | bytes_equal(word, '"') | bytes_equal(word, '\\');
        if (found)
            return at + first_of(found);
    }
#endif
    while (at < end && *at >= 0x20 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* A number, true, false or null, by what may come behind it in an object. */
static inline Text skip_scalar(Text at, Text end)
{
#if defined(LITTLE_ENDIAN_WORDS)
    for (; end - at >= 8; at += 8) {
        uint64_t word = word64(at), found = bytes_below(word, 0x21) | bytes_equal(word, ',') | bytes_equal(word, '}');
        if (found)
            return at + first_of(found);
    }
#endif
    while (at < end && *at > 0x20 && *at != ',' && *at != '}')
        at++;
    return at;
}

/* A string, from its opening quote to behind its closing one. */
static inline Text skip_string(Text at, Text end)
{
    for (at = find_in_string(at + 1, end); at < end && *at == '\\'; at = find_in_string(at + 2, end))
        if (end - at < 2 || at[1] < 0x20)
            return NULL;
    return at < end && *at == '"' ? at + 1 : NULL;
}

/* A list or an object, from its opening bracket to behind its closing one. */
static Text skip_container(Text at, Text end)
{
    for (size_t depth = 0; at < end && *at != '\n';) {
        if (*at == '"') {
            if (!(at = skip_string(at, end)))
                return NULL;
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (!depth)
            return at;
    }
    return NULL;
}

static inline Text skip_value(Text at, Text end)
{
    if (at == end)
        return NULL;
    if (*at == '"')
        return skip_string(at, end);
    return *at == '{' || *at == '[' ? skip_container(at, end) : skip_scalar(at, end);
}

/* ---------------------------------------------------------------- names, of which no two are the same: most lines have
 * those of the line before, in its order. */

enum { NAMES_MAX = 512, NONE = -1 };

typedef struct {
    Text text; /* where it was met first, with its quotes; without escapes, so that other bytes are another name */
    size_t size;
    int next;        /* the name that followed it the last time */
    uint64_t met_in; /* the line in which it was met last */
} Name;

typedef struct {
    uint64_t seed, line_number; /* counted from 1 */
    Text end;
    int name_count, first;
    Name names[NAMES_MAX];
} Reader;

static inline int is_name(const Name *name, Text at, Text end)
{
    return (size_t)(end - at) >= name->size && !memcmp(at, name->text, name->size);
}

/* The number of the name at `at`; NONE if it has escapes, or there are too many names. */
static int find_name(Reader *reader, Text at)
{
    Text quote = at < reader->end && *at == '"' ? find_in_string(at + 1, reader->end) : reader->end;
    if (quote == reader->end || *quote != '"')
        return NONE;
    for (int i = 0; i < reader->name_count; i++)
        if (is_name(&reader->names[i], at, quote + 1))
            return i;
    if (reader->name_count == NAMES_MAX)
        return NONE;
    reader->names[reader->name_count] = (Name){.text = at, .size = (size_t)(quote + 1 - at), .next = NONE};
    return reader->name_count++;
}

static void forget_names(Reader *reader)
{
    reader->name_count = 0;
    reader->first = NONE;
}

/* Make a reader, of which nothing is set, ready for lines that end before `end`. */
static void begin_lines(Reader *reader, Text end, uint64_t seed)
{
    reader->seed = seed;
    reader->line_number = 0;
    reader->end = end;
    forget_names(reader);
}

/* ---------------------------------------------------------------- lines */

/* The hash of a field, whose name is at `name`, with its quotes; 0 and no hash if it is too long. */
static inline int hash_field(Text name, size_t name_size, Text value, Text value_end, uint64_t seed, uint64_t *hash)
{
    size_t value_size = (size_t)(value_end - value), size = name_size + 1 + value_size;
    unsigned char together[HASHED_MAX];
    if (value_size > HASHED_MAX || size > HASHED_MAX)
        return 0;
    if (value == name + name_size + 1) {
        *hash = xxh3(name, size, seed);
        return 1;
    }
    memcpy(together, name, name_size);
    together[name_size] = ':';
    memcpy(together + name_size + 1, value, value_size);
    *hash = xxh3(together, size, seed);
    return 1;
}

/* Add up the fields of an object, from behind its opening bracket to behind its closing one; NULL in doubt. */
static inline Text add_fields(Reader *reader, Text at, uint64_t *sum, uint64_t *count)
{
    Text end = reader->end;
    int *follows = &reader->first;
    *sum = *count = 0;
    if (at < end && *at == '}')
        return at + 1;
    for (;;) {
        int number = *follows;
        if (number == NONE || !is_name(&reader->names[number], at, end))
            *follows = number = find_name(reader, at);
        if (number == NONE)
            return NULL;
        Name *name = &reader->names[number];
        if (name->met_in == reader->line_number)
            return NULL;
        name->met_in = reader->line_number;
        follows = &name->next;
        Text start = at, value = skip_mark(at + name->size, end, ':');
        if (!value || !(at = skip_value(value, end)))
            return NULL;
        uint64_t hash;
        if (!hash_field(start, name->size, value, at, reader->seed, &hash))
            return NULL;
        *sum += hash;
        ++*count;
        at = skip_spaces(at, end);
        if (at == end || (*at != ',' && *at != '}'))
            return NULL;
        if (*at == '}')
            return at + 1;
        at = skip_spaces(at + 1, end);
    }
}

static void put64(unsigned char *at, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

enum { ID_BYTES_MAX = HASHED_MAX - 16 }; /* the sum and the number of fields come before it */

/* The key and the digest of the line at `line`; returns where it ends, NULL in doubt. */
static inline Text digest_line(Reader *reader, Text line, uint64_t *key, uint64_t *digest)
{
    Text end = reader->end, at = skip_mark(line, end, '{');
    if (!at || !(at = skip_word(at, end, "\"id\"")) || !(at = skip_mark(at, end, ':')) || at == end || *at != '"')
        return NULL;
    Text id = at + 1, id_end = find_in_string(id, end);
    size_t id_size = (size_t)(id_end - id);
    if (id_end == end || *id_end != '"' || id_size > ID_BYTES_MAX)
        return NULL;
    uint64_t sum, count;
    if (!(at = skip_mark(id_end + 1, end, ',')) || !(at = skip_word(at, end, "\"data\"")) ||
        !(at = skip_mark(at, end, ':')) || !(at = skip_mark(at, end, '{')) ||
        !(at = add_fields(reader, at, &sum, &count)) || !(at = skip_mark(at, end, '}')) || (at < end && *at != '\n'))
        return NULL;
    unsigned char all[HASHED_MAX];
    put64(all, sum);
    put64(all + 8, count);
    memcpy(all + 16, id, id_size);
    *key = xxh3(id, id_size, reader->seed);
    *digest = xxh3(all, 16 + id_size, reader->seed);
    if (!*digest)
        *digest = 1; /* 0 stands for none */
    return at;
}

/* The numbers of all lines; returns how many are declined, -1 if there are not so many lines. A declined line has no digest,
 * which is 0, and its key is where it begins. */
static Py_ssize_t digest_lines(Reader *reader, Text lines, Py_ssize_t count, uint64_t *keys, uint64_t *digests)
{
    Text at = lines, end = reader->end;
    Py_ssize_t declined = 0;
    if (at == end || !count)
        return at == end && !count ? 0 : -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        reader->line_number++;
        Text line_end = digest_line(reader, at, &keys[i], &digests[i]);
        if (!line_end) {
            keys[i] = (uint64_t)(at - lines);
            digests[i] = 0;
            declined++;
            line_end = memchr(at, '\n', (size_t)(end - at));
            line_end = line_end ? line_end : end;
            if (reader->name_count == NAMES_MAX)
                forget_names(reader);
        }
        if ((line_end == end) != (i == count - 1))
            return -1;
        at = line_end + 1;
    }
    return declined;
}

/* ---------------------------------------------------------------- the module */

PyDoc_STRVAR(lines_doc, "keys_and_digests(lines: bytes, count: int, key: int) -> tuple[bytes, bytes, int]\n\n"
                        "Return the keys and the digests of so many lines, and how many are declined: these have the digest 0,\n"
                        "and the offset at which they begin in place of a key.");

static PyObject *keys_and_digests(PyObject *module, PyObject *args)
{
    PyObject *bytes, *keys = NULL, *digests = NULL, *found = NULL;
    Py_ssize_t count, size, declined;
    unsigned long long seed;
    char *text;
    if (!PyArg_ParseTuple(args, "SnK", &bytes, &count, &seed) || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (count < 0 || count > size)
        return PyErr_Format(PyExc_ValueError, "there are not %zd lines", count);
    Reader *reader = PyMem_Malloc(sizeof *reader);
    if (!reader)
        return PyErr_NoMemory();
    begin_lines(reader, (Text)text + size, seed);
    keys = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(uint64_t));
    digests = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(uint64_t));
    if (!keys || !digests)
        goto done;
    uint64_t *to_keys = (uint64_t *)(void *)PyBytes_AsString(keys), *to_digests = (uint64_t *)(void *)PyBytes_AsString(digests);
    Py_BEGIN_ALLOW_THREADS
    declined = digest_lines(reader, (Text)text, count, to_keys, to_digests);
    Py_END_ALLOW_THREADS
    if (declined < 0)
        PyErr_Format(PyExc_ValueError, "there are not %zd lines", count);
    else
        found = Py_BuildValue("OOn", keys, digests, declined);
done:
    Py_XDECREF(keys);
    Py_XDECREF(digests);
    PyMem_Free(reader);
    return found;
}

/* ------------------------------------------------------------------------------------- the entries of keys (`lookup.py`) */

enum { KEY_BITS = 52, AT_ONCE = 64 };

typedef struct {
    const uint32_t *edges; /* where each bucket begins, and where the last one ends */
    size_t buckets;
    const void *keys; /* the lower bits of keys, of 4 bytes each or of 8 */
    size_t records;
    int is_wide;
    int low_bits;
} Columns;

typedef struct {
    uint64_t low;
    size_t start, stop;
} Search;

#if defined(__GNUC__)
#define WILL_READ(place) __builtin_prefetch(place)
#else
#define WILL_READ(place) ((void)(place))
#endif

static inline const void *key_at(const Columns *columns, size_t entry)
{
    return (const char *)columns->keys + entry * (columns->is_wide ? 8 : 4);
}

static inline uint64_t low_key(const Columns *columns, size_t entry)
{
    return columns->is_wide ? ((const uint64_t *)columns->keys)[entry] : ((const uint32_t *)columns->keys)[entry];
}

/* Return the first entry of a key, -1 if there is none. A bucket has some ten entries, in order. */
static inline int64_t first_entry(const Columns *columns, const Search *search)
{
    size_t entry = search->start, end = search->stop;
    while (entry < end) {
        size_t middle = entry + (end - entry) / 2;
        if (low_key(columns, middle) < search->low)
            entry = middle + 1;
        else
            end = middle;
    }
    return entry < search->stop && low_key(columns, entry) == search->low ? (int64_t)entry : -1;
}

/* Each step is made for some keys before the next one is, so that they wait for memory together, not one by one. */
static void find_some(const Columns *columns, const uint64_t *wanted, size_t count, int64_t *found)
{
    Search searches[AT_ONCE];
    size_t bucket[AT_ONCE];
    for (size_t i = 0; i < count; i++) {
        uint64_t key = wanted[i] >> (64 - KEY_BITS);
        bucket[i] = (size_t)(key >> columns->low_bits);
        searches[i].low = key & ((UINT64_C(1) << columns->low_bits) - 1);
        WILL_READ(columns->edges + bucket[i]);
    }
    for (size_t i = 0; i < count; i++) {
        size_t start = columns->edges[bucket[i]], stop = columns->edges[bucket[i] + 1];
        searches[i].stop = stop < columns->records ? stop : columns->records;
        searches[i].start = start < searches[i].stop ? start : searches[i].stop;
        WILL_READ(key_at(columns, searches[i].start));
        WILL_READ(key_at(columns, searches[i].stop));
    }
    for (size_t i = 0; i < count; i++)
        found[i] = first_entry(columns, &searches[i]);
}

static PyObject *find_all(Py_buffer *edges, Py_buffer *keys, Py_buffer *wanted, Py_buffer *found, int low_bits)
{
    size_t count = (size_t)wanted->len / 8;
    Columns columns = {edges->buf, (size_t)edges->len / 4 - 1, keys->buf, 0, low_bits > 32, low_bits};
    columns.records = (size_t)keys->len / (columns.is_wide ? 8 : 4);
    if (low_bits < 1 || low_bits > KEY_BITS || edges->len < 8 || columns.buckets != (size_t)1 << (KEY_BITS - low_bits) ||
        (size_t)found->len != count * 8) {
        PyErr_SetString(PyExc_ValueError, "these are no columns of a ledger");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    for (size_t at = 0; at < count; at += AT_ONCE)
        find_some(&columns, (const uint64_t *)wanted->buf + at, count - at < AT_ONCE ? count - at : AT_ONCE,
                  (int64_t *)found->buf + at);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(find_doc, "find(edges, keys, low_bits, wanted, found)\n--\n\n"
                       "Put the first entry of each wanted key into `found`, -1 where there is none.\n\n"
                       "All are arrays of native numbers as `columns.py` has them, `found` of signed 64-bit ones.");

static PyObject *find(PyObject *module, PyObject *args)
{
    Py_buffer edges, keys, wanted, found;
    int low_bits;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*iy*w*", &edges, &keys, &low_bits, &wanted, &found))
        return NULL;
    PyObject *result = find_all(&edges, &keys, &wanted, &found, low_bits);
    PyBuffer_Release(&edges);
    PyBuffer_Release(&keys);
    PyBuffer_Release(&wanted);
    PyBuffer_Release(&found);
    return result;
}

/* Return how many entries there are, -1 if `more` is not as many elements, of so many bytes each. */
static Py_ssize_t entry_count(const Py_buffer *entries, const Py_buffer *more, Py_ssize_t bytes)
{
    if (entries->len % 8 == 0 && more->len == entries->len / 8 * bytes)
        return entries->len / 8;
    PyErr_SetString(PyExc_ValueError, "there is not one for each entry");
    return -1;
}

/* Entries that are none, or beyond what there is, have 0. */
static void take_some(const uint64_t *column, size_t records, const int64_t *entries, size_t count, uint64_t *taken)
{
    for (size_t i = 0; i < count; i++)
        if ((uint64_t)entries[i] < records)
            WILL_READ(column + entries[i]);
    for (size_t i = 0; i < count; i++)
        taken[i] = (uint64_t)entries[i] < records ? column[entries[i]] : 0;
}

PyDoc_STRVAR(take_doc, "take(column, entries, taken)\n--\n\n"
                       "Put what a column of 64-bit numbers has of each entry into `taken`, 0 where there is no entry.");

static PyObject *take(PyObject *module, PyObject *args)
{
    Py_buffer column, entries, taken;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*w*", &column, &entries, &taken))
        return NULL;
    Py_ssize_t count = entry_count(&entries, &taken, 8);
    if (count >= 0) {
        Py_BEGIN_ALLOW_THREADS;
        for (Py_ssize_t at = 0; at < count; at += AT_ONCE)
            take_some(column.buf, (size_t)column.len / 8, (const int64_t *)entries.buf + at,
                      (size_t)(count - at < AT_ONCE ? count - at : AT_ONCE), (uint64_t *)taken.buf + at);
        Py_END_ALLOW_THREADS;
    }
    PyBuffer_Release(&column);
    PyBuffer_Release(&entries);
    PyBuffer_Release(&taken);
    return count < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(look_doc, "look(bits, entries, was_there, adds)\n--\n\n"
                       "Say of each entry whether its bit is set, and if `adds`, set it before the next one is looked at.");

static PyObject *look(PyObject *module, PyObject *args)
{
    Py_buffer bits, entries, was_there;
    int adds;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*w*p", &bits, &entries, &was_there, &adds))
        return NULL;
    Py_ssize_t count = entry_count(&entries, &was_there, 1);
    if (count >= 0) {
        Py_BEGIN_ALLOW_THREADS;
        for (Py_ssize_t i = 0; i < count; i++) {
            uint64_t entry = (uint64_t)((const int64_t *)entries.buf)[i];
            unsigned char *byte = (unsigned char *)bits.buf + (entry >> 3), bit = (unsigned char)(1 << (entry & 7));
            int is_entry = entry >> 3 < (uint64_t)bits.len;
            ((unsigned char *)was_there.buf)[i] = is_entry && *byte & bit;
            if (adds && is_entry)
                *byte |= bit;
        }
        Py_END_ALLOW_THREADS;
    }
    PyBuffer_Release(&bits);
    PyBuffer_Release(&entries);
    PyBuffer_Release(&was_there);
    return count < 0 ? NULL : Py_NewRef(Py_None);
}

/* -------------------------------------------------------------------------------------------------- some of many lines */

/* Append the lines that are wanted, by their ascending numbers; returns 0 and an exception if that cannot be done. */
static int append_lines(PyObject *list, Text at, Text end, const int64_t *wanted, Py_ssize_t count)
{
    int64_t number = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Text line_end = NULL;
        while (at <= end && number <= wanted[i]) {
            line_end = memchr(at, '\n', (size_t)(end - at));
            line_end = line_end ? line_end : end;
            if (number++ < wanted[i])
                at = line_end + 1;
        }
        if (at > end || number != wanted[i] + 1 || !line_end) {
            PyErr_SetString(PyExc_ValueError, "there is no such line");
            return 0;
        }
        PyObject *line = PyBytes_FromStringAndSize((const char *)at, line_end - at);
        int failed = !line || PyList_Append(list, line) < 0;
        Py_XDECREF(line);
        if (failed)
            return 0;
        at = line_end + 1;
    }
    return 1;
}

PyDoc_STRVAR(pick_doc, "pick(lines: bytes, wanted) -> list[bytes]\n--\n\n"
                       "Return some of the lines that newlines join: those of these numbers, which ascend, from 0 on.");

static PyObject *pick(PyObject *module, PyObject *args)
{
    PyObject *bytes, *list;
    Py_buffer wanted;
    Py_ssize_t size;
    char *text;
    (void)module;
    if (!PyArg_ParseTuple(args, "Sy*", &bytes, &wanted))
        return NULL;
    list = PyBytes_AsStringAndSize(bytes, &text, &size) < 0 ? NULL : PyList_New(0);
    if (list && !append_lines(list, (Text)text, (Text)text + size, wanted.buf, wanted.len / 8)) {
        Py_DECREF(list);
        list = NULL;
    }
    PyBuffer_Release(&wanted);
    return list;
}

enum { PACKED_ID_MAX = 0xFFFF / 4, WORD_BYTES = 8, LENGTH_BYTES = 2 };

typedef struct {
    Text at;
    size_t size;
} Id;

/* Find the ids of so many lines, and in which word each begins; returns how many words they take, 0 in doubt. */
static size_t find_ids(Text at, Text end, Py_ssize_t count, Id *ids, uint32_t *begins)
{
    static const char BEFORE_ID[] = "{\"id\":\"";
    size_t words = 0, before = sizeof BEFORE_ID - 1;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (at >= end || (size_t)(end - at) <= before || memcmp(at, BEFORE_ID, before))
            return 0;
        Text id = at + before, id_end = find_in_string(id, end), line_end = memchr(id, '\n', (size_t)(end - id));
        line_end = line_end ? line_end : end;
        ids[i].at = id;
        ids[i].size = (size_t)(id_end - id);
        if (id_end >= line_end || *id_end != '"' || ids[i].size > PACKED_ID_MAX || words > UINT32_MAX)
            return 0;
        begins[i] = (uint32_t)words;
        words += (LENGTH_BYTES + ids[i].size + WORD_BYTES - 1) / WORD_BYTES;
        at = line_end + 1;
    }
    return at == end + 1 ? words : 0;
}

PyDoc_STRVAR(pack_doc, "pack_ids(lines: bytes, count: int) -> tuple[bytes, bytes] | None\n--\n\n"
                       "Return the ids of so many lines as `ids.py` packs them; None if one of them is not as nearly all are.");

static PyObject *pack_ids(PyObject *module, PyObject *args)
{
    PyObject *bytes, *begins = NULL, *words = NULL, *packed = NULL;
    Py_ssize_t count, size;
    char *text;
    (void)module;
    if (!PyArg_ParseTuple(args, "Sn", &bytes, &count) || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (count < 1 || count > size)
        Py_RETURN_NONE;
    Id *ids = PyMem_Malloc((size_t)count * sizeof *ids);
    begins = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(uint32_t));
    if (!ids || !begins) {
        PyErr_NoMemory();
        goto done;
    }
    size_t word_count = find_ids((Text)text, (Text)text + size, count, ids, (uint32_t *)(void *)PyBytes_AsString(begins));
    if (!word_count) {
        packed = Py_NewRef(Py_None);
        goto done;
    }
    if (!(words = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(word_count * WORD_BYTES))))
        goto done;
    unsigned char *to = (unsigned char *)PyBytes_AsString(words);
    memset(to, 0, word_count * WORD_BYTES);
    for (Py_ssize_t i = 0; i < count; i++) {
        to[0] = (unsigned char)ids[i].size;
        to[1] = (unsigned char)(ids[i].size >> 8);
        memcpy(to + LENGTH_BYTES, ids[i].at, ids[i].size);
        to += (LENGTH_BYTES + ids[i].size + WORD_BYTES - 1) / WORD_BYTES * WORD_BYTES;
    }
    packed = PyTuple_Pack(2, words, begins);
done:
    Py_XDECREF(begins);
    Py_XDECREF(words);
    PyMem_Free(ids);
    return packed;
}

static PyMethodDef functions[] = {{"keys_and_digests", keys_and_digests, METH_VARARGS, lines_doc},
                                  {"find", find, METH_VARARGS, find_doc},
                                  {"take", take, METH_VARARGS, take_doc},
                                  {"look", look, METH_VARARGS, look_doc},
                                  {"pick", pick, METH_VARARGS, pick_doc},
                                  {"pack_ids", pack_ids, METH_VARARGS, pack_doc},
                                  {0}};

static int execute(PyObject *module)
{
    return PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_digests", "Records as numbers; see `acceleration.py`.", 0, functions, slots, 0, 0, 0};

PyMODINIT_FUNC PyInit__digests(void)
{
    return PyModuleDef_Init(&definition);
}

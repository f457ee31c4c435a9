/* The accelerator of NDJSON sources: it proves lines at once, and declines what it is not sure of.
 *
 * What a line means is said in Python (`exact_lines.py`, `flat.py`); this file only says the same, faster, of the lines
 * that nearly all are. A line that it declines is no mistake: it goes the Python way, which finds the reason if there is
 * one. So whatever is rare is declined here: escapes in keys and ids, keys never met before, values that need a shape.
 *
 * How the bounds are kept: text is a `bytes` object, and CPython ends these with a NUL that is not counted (PyBytes_AsString
 * promises it). No part of JSON contains a NUL or a newline, so each step looks at one byte, and goes on only if it is
 * another one than these. Whatever looks at several bytes at once compares with the end first.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* XXH3-128 of this file without this line, so that a binary of another version is not used (`acceleration.py`). */
#define SOURCE_DIGEST "83d8c4a62041cfce9f16308169afd521"

typedef const unsigned char *Text;

enum { DEPTH_MAX = 200 }; /* as in json_text.py */

/* ---------------------------------------------------------------- JSON: each function returns where its part ends, or
 * NULL if it is not there, not valid, or nested too deeply. */

static inline Text skip_spaces(Text at)
{
    while (*at == ' ' || *at == '\t' || *at == '\r')
        at++;
    return at;
}

/* A mark and the spaces around it. */
static inline Text skip_mark(Text at, unsigned char mark)
{
    at = skip_spaces(at);
    return *at == mark ? skip_spaces(at + 1) : NULL;
}

static inline uint64_t eight_bytes(Text at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Step over characters that need no look: printable ASCII but for quotes and backslashes, eight at a time. */
static inline Text skip_plain(Text at, Text end)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    while (end - at >= 8) {
        uint64_t word = eight_bytes(at), quotes = word ^ (ones * '"'), backslashes = word ^ (ones * '\\');
        /* The top bit of each byte that is a control character, a quote, a backslash, or not ASCII. A borrow can
         * disturb only bytes behind the first one found. */
        uint64_t found = (((word - ones * 0x20) & ~word) | ((quotes - ones) & ~quotes) |
                          ((backslashes - ones) & ~backslashes) | word) & tops;
        if (found)
            return at + (__builtin_ctzll(found) >> 3);
        at += 8;
    }
#else
    (void)end;
#endif
    while (*at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

static inline int continues(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* One character that is not ASCII, as RFC 3629 allows it: the shortest form, no surrogates, nothing above U+10FFFF. */
static Text skip_wide(Text at)
{
    unsigned char first = at[0];
    if (first < 0xC2 || first > 0xF4 || !continues(at[1]))
        return NULL;
    if (first < 0xE0)
        return at + 2;
    if ((first == 0xE0 && at[1] < 0xA0) || (first == 0xED && at[1] > 0x9F) || !continues(at[2]))
        return NULL;
    if (first < 0xF0)
        return at + 3;
    if ((first == 0xF0 && at[1] < 0x90) || (first == 0xF4 && at[1] > 0x8F) || !continues(at[3]))
        return NULL;
    return at + 4;
}

/* The four hexadecimal digits at `at` as a number, or -1. */
static int hex4(Text at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* What follows a backslash. Halves of surrogate pairs stand for no character. */
static Text skip_escape(Text at)
{
    if (*at != 'u')
        return *at && strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
    int unit = hex4(at + 1);
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return NULL;
    if (unit < 0xD800 || unit > 0xDBFF)
        return at + 5;
    if (at[5] != '\\' || at[6] != 'u')
        return NULL;
    int second = hex4(at + 7);
    return second >= 0xDC00 && second <= 0xDFFF ? at + 11 : NULL;
}

/* A string, from behind its opening quote to its closing one. `escapes` is set if it has any. */
static Text find_quote(Text at, Text end, int *escapes)
{
    for (;;) {
        at = skip_plain(at, end);
        if (*at == '"')
            return at;
        if (*at == '\\') {
            *escapes = 1;
            at = skip_escape(at + 1);
        } else
            at = *at >= 0x80 ? skip_wide(at) : NULL;
        if (!at)
            return NULL;
    }
}

static inline int is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

static Text skip_number(Text at)
{
    at += *at == '-';
    if (*at == '0')
        at++;
    else {
        if (!is_digit(*at))
            return NULL;
        while (is_digit(*at))
            at++;
    }
    if (*at == '.') {
        if (!is_digit(*++at))
            return NULL;
        while (is_digit(*at))
            at++;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        if (!is_digit(*at))
            return NULL;
        while (is_digit(*at))
            at++;
    }
    return at;
}

static Text skip_word(Text at, const char *word)
{
    for (; *word; word++)
        if (*at++ != (unsigned char)*word)
            return NULL;
    return at;
}

static Text skip_object(Text at, Text end, int depth, int *fields);
static Text skip_list(Text at, Text end, int depth);

/* Any value; containers in it are `depth` levels deep, counted from 1. `escapes` is set if it is a string with any. */
static inline Text skip_value(Text at, Text end, int depth, int *escapes)
{
    int fields;
    switch (*at) {
    case '"':
        at = find_quote(at + 1, end, escapes);
        return at ? at + 1 : NULL;
    case '{':
        return skip_object(at, end, depth, &fields);
    case '[':
        return skip_list(at, end, depth);
    case 't':
        return skip_word(at, "true");
    case 'f':
        return skip_word(at, "false");
    case 'n':
        return skip_word(at, "null");
    default:
        return skip_number(at);
    }
}

static Text skip_object(Text at, Text end, int depth, int *fields)
{
    int escapes;
    *fields = 0;
    if (depth > DEPTH_MAX || *at != '{')
        return NULL;
    at = skip_spaces(at + 1);
    if (*at == '}')
        return at + 1;
    for (;;) {
        if (*at != '"' || !(at = find_quote(at + 1, end, &escapes)) || !(at = skip_mark(at + 1, ':')) ||
            !(at = skip_value(at, end, depth + 1, &escapes)))
            return NULL;
        *fields = 1;
        at = skip_spaces(at);
        if (*at == '}')
            return at + 1;
        if (*at != ',')
            return NULL;
        at = skip_spaces(at + 1);
    }
}

static Text skip_list(Text at, Text end, int depth)
{
    int escapes;
    if (depth > DEPTH_MAX)
        return NULL;
    at = skip_spaces(at + 1);
    if (*at == ']')
        return at + 1;
    for (;;) {
        at = skip_value(at, end, depth + 1, &escapes);
        if (!at)
            return NULL;
        at = skip_spaces(at);
        if (*at == ']')
            return at + 1;
        if (*at != ',')
            return NULL;
        at = skip_spaces(at + 1);
    }
}

/* The closing quote of the id, if a line begins as canonical ones do: {"id":"… `*id` is behind the opening one. */
static inline Text find_id(Text line, Text end, Text *id, int *escapes)
{
    Text at = *line == '{' ? skip_word(skip_spaces(line + 1), "\"id\"") : NULL;
    if (!at || !(at = skip_mark(at, ':')) || *at != '"')
        return NULL;
    *id = at + 1;
    return find_quote(*id, end, escapes);
}

/* The end of a line: a newline, or the NUL behind all text. */
static inline int ends_line(Text at, Text end)
{
    return *at == '\n' || at == end;
}

/* ---------------------------------------------------------------- memory that grows; a failure is remembered, so that
 * the caller can tell it apart from a line that is declined. */

typedef struct {
    unsigned char *bytes;
    size_t size, room;
    int failed;
} Buffer;

/* Make room for so many bytes more; 0 if there is none. */
static int reserve(Buffer *buffer, size_t more)
{
    if (buffer->room - buffer->size >= more)
        return 1;
    size_t room = buffer->room ? buffer->room : 4096;
    while (room - buffer->size < more) {
        if (room > SIZE_MAX / 2)
            return buffer->failed = 1, 0;
        room *= 2;
    }
    unsigned char *bytes = realloc(buffer->bytes, room);
    if (!bytes)
        return buffer->failed = 1, 0;
    buffer->bytes = bytes;
    buffer->room = room;
    return 1;
}

/* Append bytes for which there is room. */
static inline void append(Buffer *buffer, const void *bytes, size_t size)
{
    if (size) /* nothing to copy may be NULL */
        memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
}

/* Where its bytes are, also if there are none. */
static const char *start_of(const Buffer *buffer)
{
    return buffer->bytes ? (const char *)buffer->bytes : "";
}

static void release(Buffer *buffer)
{
    free(buffer->bytes);
    memset(buffer, 0, sizeof *buffer);
}

/* Bytes that the settings hold, with a reference of their own. */
typedef struct {
    PyObject *owner;
    Text bytes;
    size_t size;
} Piece;

static int piece_of(Piece *piece, PyObject *bytes)
{
    char *text;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return 0;
    Py_INCREF(bytes);
    piece->owner = bytes;
    piece->bytes = (Text)text;
    piece->size = (size_t)size;
    return 1;
}

/* Some words, and which lengths they have: bit 63 stands for all beyond. */
typedef struct {
    Piece *words;
    size_t count;
    uint64_t lengths;
} Words;

static void release_words(Words *words)
{
    for (size_t i = 0; i < words->count; i++)
        Py_XDECREF(words->words[i].owner);
    free(words->words);
    memset(words, 0, sizeof *words);
}

static inline uint64_t length_bit(size_t size)
{
    return (uint64_t)1 << (size < 63 ? size : 63);
}

/* Take the words of a tuple of bytes; 0 and an exception if that fails. */
static int words_of(Words *words, PyObject *tuple)
{
    Py_ssize_t count = PyTuple_Size(tuple);
    memset(words, 0, sizeof *words);
    if (count <= 0)
        return count == 0;
    words->words = calloc((size_t)count, sizeof *words->words);
    if (!words->words) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!piece_of(&words->words[i], PyTuple_GetItem(tuple, i))) {
            release_words(words);
            return 0;
        }
        words->count++;
        words->lengths |= length_bit(words->words[i].size);
    }
    return 1;
}

static inline int is_one_of(const Words *words, Text text, size_t size)
{
    if (!(words->lengths & length_bit(size)))
        return 0;
    for (size_t i = 0; i < words->count; i++)
        if (words->words[i].size == size && !memcmp(words->words[i].bytes, text, size))
            return 1;
    return 0;
}

/* ---------------------------------------------------------------- what valid escapes mean */

/* Write a character as UTF-8 (RFC 3629); returns how many bytes it takes. */
static size_t put_character(unsigned char *out, uint32_t character)
{
    if (character < 0x80)
        return out[0] = (unsigned char)character, 1;
    size_t more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xC0, 0xE0, 0xF0};
    for (size_t i = more; i > 0; i--, character >>= 6)
        out[i] = (unsigned char)(0x80 | (character & 0x3F));
    out[0] = (unsigned char)(first[more] | character);
    return more + 1;
}

/* Read the escape behind a backslash, which is valid, and step over it. */
static uint32_t read_escape(Text *at)
{
    static const char names[] = "bfnrt", controls[] = "\b\f\n\r\t";
    unsigned char letter = *(*at)++;
    const char *name = letter == 'u' ? NULL : strchr(names, letter);
    if (letter != 'u')
        return name ? (uint32_t)controls[name - names] : letter;
    uint32_t unit = (uint32_t)hex4(*at);
    *at += 4;
    if (unit < 0xD800 || unit > 0xDBFF)
        return unit;
    uint32_t second = (uint32_t)hex4(*at + 2);
    *at += 6;
    return 0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00);
}

/* Write what the next character of a valid string means, and step over it; returns how many bytes that takes, which are
 * never more than it is written with. */
static size_t next_character(Text *at, unsigned char *out)
{
    if (**at != '\\') {
        *out = *(*at)++;
        return 1;
    }
    ++*at;
    return put_character(out, read_escape(at));
}

/* ---------------------------------------------------------------- ids as 64-bit numbers: different numbers prove different
 * ids, equal ones are a doubt. */

static uint64_t number_of(Text text, size_t size, uint64_t seed)
{
    uint64_t hash = seed ^ (size * 0x9E3779B97F4A7C15u), word;
    for (;;) {
        size_t taken = size < 8 ? size : 8;
        word = 0;
        memcpy(&word, text, taken);
        hash = (hash ^ word) * 0xBF58476D1CE4E5B9u;
        hash = (hash ^ (hash >> 32)) * 0x94D049BB133111EBu;
        hash ^= hash >> 29;
        if (size <= 8)
            return hash ? hash : 1; /* 0 marks a free place */
        text += 8;
        size -= 8;
    }
}

enum { ESCAPED_ID_MAX = 1024 };

/* The number of an id as it is written, from behind its opening quote to its closing one; 0 if it has escapes and is too
 * long to be looked at here. */
static inline uint64_t number_of_id(Text at, Text end, int escapes, uint64_t seed)
{
    if (!escapes)
        return number_of(at, (size_t)(end - at), seed);
    unsigned char id[ESCAPED_ID_MAX];
    size_t size = 0;
    if (end - at > ESCAPED_ID_MAX)
        return 0;
    while (at < end)
        size += next_character(&at, id + size);
    return number_of(id, size, seed);
}

/* ---------------------------------------------------------------- what both kinds of scanners have in common */

typedef struct {
    size_t line_bytes_max;
    uint64_t seed;
    Buffer lines;    /* the records, joined by newlines */
    Buffer numbers;  /* of their ids, see `number_of` */
    Buffer filtered; /* which of the lines scanned are left out, counted from 0, as 32-bit numbers */
    uint32_t scanned, records;
    int busy;
} Scan;

enum Found { DECLINED, RECORD, FILTERED };

typedef enum Found (*LineScanner)(void *scanner, Text line, Text end, Text *line_end);

/* Scan lines from `at` on, until one is declined or the text ends; returns where that is, `end` + 1 for the end. */
static Text scan_lines(void *scanner, Scan *scan, LineScanner scan_line, Text at, Text end)
{
    scan->lines.size = scan->numbers.size = scan->filtered.size = 0;
    scan->scanned = scan->records = 0;
    while (at <= end && scan->scanned < UINT32_MAX) {
        Text line_end;
        size_t lines_before = scan->lines.size, numbers_before = scan->numbers.size;
        enum Found found = scan_line(scanner, at, end, &line_end);
        if (found == DECLINED || (size_t)(line_end - at) > scan->line_bytes_max) {
            scan->lines.size = lines_before;
            scan->numbers.size = numbers_before;
            return at;
        }
        if (found == FILTERED) {
            if (!reserve(&scan->filtered, sizeof scan->scanned))
                return at;
            append(&scan->filtered, &scan->scanned, sizeof scan->scanned);
        } else
            scan->records++;
        scan->scanned++;
        at = line_end + 1;
    }
    return at;
}

/* The method `scan(text, start, stop)` of both. */
static PyObject *scan_text(PyObject *self, Scan *scan, LineScanner scan_line, PyObject *args)
{
    PyObject *bytes;
    Py_ssize_t start, stop, size;
    char *text;
    if (!PyArg_ParseTuple(args, "Snn", &bytes, &start, &stop) || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (start < 0 || start > stop || stop > size || (stop < size && text[stop] != '\n'))
        return PyErr_Format(PyExc_ValueError, "there are no whole lines from start to stop");
    if (scan->busy)
        return PyErr_Format(PyExc_RuntimeError, "another thread is using this scanner");
    Text end = (Text)text + stop, stopped;
    scan->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    stopped = scan_lines(self, scan, scan_line, (Text)text + start, end);
    Py_END_ALLOW_THREADS
    scan->busy = 0;
    if (scan->lines.failed || scan->numbers.failed || scan->filtered.failed) {
        scan->lines.failed = scan->numbers.failed = scan->filtered.failed = 0;
        return PyErr_NoMemory();
    }
    size_t lines_size = scan->lines.size - (scan->records > 0); /* without the newline behind the last one */
    return Py_BuildValue("y#y#IIny#", start_of(&scan->lines), (Py_ssize_t)lines_size, start_of(&scan->numbers),
                         (Py_ssize_t)scan->numbers.size, scan->records, scan->scanned,
                         (Py_ssize_t)(stopped - (Text)text), start_of(&scan->filtered),
                         (Py_ssize_t)scan->filtered.size);
}

/* Note the number of the id of the next record; 0 if that can't be done here. */
static inline int note_id(Scan *scan, Text id, Text id_end, int escapes)
{
    uint64_t number = number_of_id(id, id_end, escapes, scan->seed);
    if (!number || !reserve(&scan->numbers, sizeof number))
        return 0;
    append(&scan->numbers, &number, sizeof number);
    return 1;
}

static void release_scan(Scan *scan)
{
    release(&scan->lines);
    release(&scan->numbers);
    release(&scan->filtered);
}

static void begin_scan(Scan *scan, Py_ssize_t line_bytes_max, uint64_t seed)
{
    scan->line_bytes_max = (size_t)(line_bytes_max < 0 ? 0 : line_bytes_max);
    scan->seed = seed;
}

static PyObject *new_object(PyTypeObject *type)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return alloc(type, 0);
}

static void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_memory = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_memory(self);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------- canonical lines: {"id": "…", "data": {…}} */

typedef struct {
    PyObject_HEAD
    Scan scan;
} Canonical;

static enum Found scan_canonical(void *scanner, Text line, Text end, Text *line_end)
{
    Scan *scan = &((Canonical *)scanner)->scan;
    Text begin = skip_spaces(line), at, id;
    int escapes = 0, fields;
    Text id_end = find_id(begin, end, &id, &escapes);
    if (!id_end || id_end == id || !(at = skip_mark(id_end + 1, ',')) || !(at = skip_word(at, "\"data\"")) ||
        !(at = skip_mark(at, ':')) || !(at = skip_object(at, end, 2, &fields)) || !fields)
        return DECLINED;
    at = skip_spaces(at);
    if (*at != '}')
        return DECLINED;
    Text stop = at + 1;
    at = skip_spaces(stop);
    if (!ends_line(at, end) || !reserve(&scan->lines, (size_t)(stop - begin) + 1))
        return DECLINED;
    append(&scan->lines, begin, (size_t)(stop - begin));
    append(&scan->lines, "\n", 1);
    *line_end = at;
    return note_id(scan, id, id_end, escapes) ? RECORD : DECLINED;
}

static PyObject *canonical_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    Py_ssize_t line_bytes_max;
    unsigned long long seed;
    if (keywords && PyDict_Size(keywords))
        return PyErr_Format(PyExc_TypeError, "it takes no keywords");
    if (!PyArg_ParseTuple(args, "nK", &line_bytes_max, &seed))
        return NULL;
    Canonical *self = (Canonical *)new_object(type);
    if (self)
        begin_scan(&self->scan, line_bytes_max, seed);
    return (PyObject *)self;
}

static void canonical_dealloc(PyObject *self)
{
    release_scan(&((Canonical *)self)->scan);
    free_object(self);
}

static PyObject *canonical_scan(PyObject *self, PyObject *args)
{
    return scan_text(self, &((Canonical *)self)->scan, scan_canonical, args);
}

PyDoc_STRVAR(scan_doc,
             "scan(text: bytes, start: int, stop: int) -> tuple[bytes, bytes, int, int, int, bytes]\n\n"
             "Scan the lines of `text` from `start` to `stop`, where a line ends, until one is declined.\n\n"
             "Returns the records' lines, joined; 64-bit numbers of their ids; how many they are; how\n"
             "many lines were scanned; where the declined line starts, or more than `stop` if there is none;\n"
             "and which of the lines scanned are left out, counted from 0, as 32-bit numbers.");

static PyMethodDef canonical_methods[] = {{"scan", canonical_scan, METH_VARARGS, scan_doc}, {0}};
static PyType_Slot canonical_slots[] = {
    {Py_tp_doc, "CanonicalScanner(line_bytes_max: int, seed: int)\n\nProves lines that are canonical records."},
    {Py_tp_new, canonical_new},
    {Py_tp_dealloc, canonical_dealloc},
    {Py_tp_methods, canonical_methods},
    {0},
};
static PyType_Spec canonical_spec = {"engine.sources.ndjson._scan.CanonicalScanner", sizeof(Canonical), 0,
                                     Py_TPFLAGS_DEFAULT, canonical_slots};

/* ---------------------------------------------------------------- flat lines, rewritten to canonical ones */

enum { KEYS_MAX = 1000, TABLE_SIZE = 4096, MEMBERS_MAX = 2048, NONE = -1 };

/* What becomes of the values of one key. */
typedef struct {
    Piece key;
    Piece member;   /* how the member begins that is sent, `"field":`; no owner if none is sent */
    Words nulls;    /* texts that mean null */
    Words wanted;   /* texts of which the value must have one */
    int condition;  /* which of the conditions `wanted` is, or NONE */
    int is_id, declines, slot;
    int next;       /* the key that followed it the last time */
    uint64_t met_in; /* the line in which it was met last */
} Key;

typedef struct {
    int key, escapes;
    Text name, value, value_end; /* name: at its quote */
} Member;

typedef struct {
    PyObject_HEAD
    Scan scan;
    int omit_nulls;
    Piece head, tail; /* members that come before and behind those of the line */
    Words id_nulls;
    uint64_t conditions, met_by_nothing; /* a bit for each condition; and those that a line without the key meets */
    int key_count, first;
    uint64_t line_number, slots[KEYS_MAX]; /* the line in which each field was sent last */
    int16_t table[TABLE_SIZE]; /* numbers of keys + 1 by the hash of their text; 0: free */
    Key keys[KEYS_MAX];
    Member members[MEMBERS_MAX];
} Flat;

static inline size_t key_place(Text text, size_t size)
{
    uint64_t hash = size * 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ text[i]) * 0x100000001B3u;
    return (size_t)((hash ^ (hash >> 29)) % TABLE_SIZE);
}

/* Return the number of a key, NONE if it was never met; `*place` is where it stands in the table, or could. */
static int find_key(const Flat *flat, Text text, size_t size, size_t *place)
{
    for (*place = key_place(text, size); flat->table[*place]; *place = (*place + 1) % TABLE_SIZE) {
        const Piece *key = &flat->keys[flat->table[*place] - 1].key;
        if (key->size == size && !memcmp(key->bytes, text, size))
            return flat->table[*place] - 1;
    }
    return NONE;
}

/* Read the key whose opening quote is at `*at`; `expected` is what it probably is. NONE if it is not known. */
static inline int read_key(const Flat *flat, Text *at, Text end, int expected)
{
    Text text = *at + 1;
    if (expected != NONE) {
        const Piece *key = &flat->keys[expected].key;
        if ((size_t)(end - text) > key->size && text[key->size] == '"' && !memcmp(text, key->bytes, key->size)) {
            *at = text + key->size + 1;
            return expected;
        }
    }
    int escapes = 0;
    size_t place;
    Text quote = find_quote(text, end, &escapes);
    if (!quote || escapes)
        return NONE;
    *at = quote + 1;
    return find_key(flat, text, (size_t)(quote - text), &place);
}

/* Whether the inside of a valid string with escapes means this word. */
static int means(Text at, Text end, const Piece *word)
{
    size_t matched = 0;
    while (at < end) {
        unsigned char character[4];
        size_t size = next_character(&at, character);
        if (word->size - matched < size || memcmp(word->bytes + matched, character, size))
            return 0;
        matched += size;
    }
    return matched == word->size;
}

/* Whether the text of a value is one of these words: of a string what it means, of a null nothing, of others what is
 * written. */
static int has_text_of(const Member *member, const Words *words)
{
    Text text = member->value;
    size_t size = (size_t)(member->value_end - text);
    if (*text == 'n')
        size = 0;
    if (*text == '"') {
        text++;
        size -= 2;
    }
    if (!member->escapes)
        return is_one_of(words, text, size);
    for (size_t i = 0; i < words->count; i++)
        if (words->words[i].size < size && means(text, text + size, &words->words[i]))
            return 1;
    return 0;
}

/* Read the members of a line; returns how many, NONE in doubt. `*at` is behind the line's first spaces, and ends behind
 * its last ones. `*met` has the conditions that are met. */
static int read_members(Flat *flat, Text *line, Text end, uint64_t *met)
{
    Text at = *line;
    int count = 0, expected = flat->first, *follows = &flat->first;
    *met = flat->met_by_nothing;
    if (*at != '{')
        return NONE;
    at = skip_spaces(at + 1);
    for (;;) {
        if (*at != '"' || count == MEMBERS_MAX)
            return NONE;
        Member *member = &flat->members[count++];
        member->name = at;
        member->key = read_key(flat, &at, end, expected);
        if (member->key == NONE)
            return NONE;
        Key *key = &flat->keys[member->key];
        *follows = member->key;
        follows = &key->next;
        expected = key->next;
        if (key->met_in == flat->line_number)
            return NONE; /* written twice */
        key->met_in = flat->line_number;
        if (!(at = skip_mark(at, ':')))
            return NONE;
        member->value = at;
        member->escapes = 0;
        member->value_end = at = skip_value(member->value, end, 2, &member->escapes);
        if (!at)
            return NONE;
        if (key->condition != NONE) {
            uint64_t bit = (uint64_t)1 << key->condition;
            *met = has_text_of(member, &key->wanted) ? *met | bit : *met & ~bit;
        }
        at = skip_spaces(at);
        if (*at == '}')
            break;
        if (*at != ',')
            return NONE;
        at = skip_spaces(at + 1);
    }
    *line = skip_spaces(at + 1);
    return ends_line(*line, end) ? count : NONE;
}

/* Whether a value is null or means it. */
static inline int is_null(const Words *nulls, const Member *member)
{
    return *member->value == 'n' || (nulls->count && has_text_of(member, nulls));
}

/* Whether a value is a whole number but for -0. */
static int is_whole(const Member *member)
{
    Text at = member->value;
    at += *at == '-';
    if (*at == '0' && at > member->value)
        return 0;
    while (is_digit(*at))
        at++;
    return at == member->value_end;
}

/* Append the id as a JSON string, and the beginning of the data. 0 in doubt. */
static int write_id(Flat *flat, const Member *id)
{
    Buffer *lines = &flat->scan.lines;
    size_t size = (size_t)(id->value_end - id->value);
    if (is_null(&flat->id_nulls, id))
        return 0;
    append(lines, "{\"id\":", 6);
    if (*id->value == '"') {
        if (size == 2)
            return 0; /* empty */
        append(lines, id->value, size);
    } else {
        if (!is_whole(id))
            return 0;
        append(lines, "\"", 1);
        append(lines, id->value, size);
        append(lines, "\"", 1);
    }
    append(lines, ",\"data\":{", 9);
    int quoted = *id->value == '"';
    return note_id(&flat->scan, id->value + quoted, id->value_end - quoted, id->escapes);
}

/* Append the members that are sent; returns whether there were any, -1 in doubt. Members that can be sent as they are
 * written, one behind the other, are copied at once. */
static int write_members(Flat *flat, int count)
{
    Buffer *lines = &flat->scan.lines;
    Text run = NULL, run_end = NULL;
    int any = 0;
    for (int i = 0; i < count; i++) {
        const Member *member = &flat->members[i];
        const Key *key = &flat->keys[member->key];
        if (key->declines)
            return -1;
        if (!key->member.owner)
            continue;
        int null = is_null(&key->nulls, member);
        if (null && flat->omit_nulls)
            continue;
        if (flat->slots[key->slot] == flat->line_number)
            return -1; /* two values for one field */
        flat->slots[key->slot] = flat->line_number;
        size_t name_size = (size_t)(member->value - member->name);
        int as_written = name_size == key->member.size && (!null || *member->value == 'n') &&
                         !memcmp(member->name, key->member.bytes, name_size);
        if (as_written && run && member->name == run_end + 1 && *run_end == ',') {
            run_end = member->value_end;
            continue;
        }
        if (run)
            append(lines, run, (size_t)(run_end - run));
        run = NULL;
        if (any)
            append(lines, ",", 1);
        any = 1;
        if (as_written) {
            run = member->name;
            run_end = member->value_end;
        } else {
            append(lines, key->member.bytes, key->member.size);
            if (null)
                append(lines, "null", 4);
            else
                append(lines, member->value, (size_t)(member->value_end - member->value));
        }
    }
    if (run)
        append(lines, run, (size_t)(run_end - run));
    return any;
}

/* How many bytes a record may take that is made of this line. */
static size_t most_bytes(const Flat *flat, int count, size_t line_bytes)
{
    size_t size = line_bytes + flat->head.size + flat->tail.size + 64;
    for (int i = 0; i < count; i++)
        size += flat->keys[flat->members[i].key].member.size + 8;
    return size;
}

static const Member *id_of(const Flat *flat, int count)
{
    for (int i = 0; i < count; i++)
        if (flat->keys[flat->members[i].key].is_id)
            return &flat->members[i];
    return NULL;
}

static enum Found scan_flat(void *scanner, Text line, Text end, Text *line_end)
{
    Flat *flat = scanner;
    Buffer *lines = &flat->scan.lines;
    uint64_t met;
    Text at = skip_spaces(line);
    flat->line_number++;
    int count = read_members(flat, &at, end, &met);
    if (count == NONE)
        return DECLINED;
    *line_end = at;
    if (met != flat->conditions)
        return FILTERED;
    const Member *id = id_of(flat, count);
    /* The id's own bytes are counted a second time: it may be a field as well. */
    if (!id || !reserve(lines, most_bytes(flat, count, 2 * (size_t)(at - line))) || !write_id(flat, id))
        return DECLINED;
    append(lines, flat->head.bytes, flat->head.size);
    size_t before = lines->size;
    if (flat->head.size)
        append(lines, ",", 1);
    int any = write_members(flat, count);
    if (any < 0 || !(any || flat->head.size || flat->tail.size))
        return DECLINED;
    if (!any)
        lines->size = before;
    if (flat->tail.size) {
        if (any || flat->head.size)
            append(lines, ",", 1);
        append(lines, flat->tail.bytes, flat->tail.size);
    }
    append(lines, "}}\n", 3);
    return RECORD;
}

static PyObject *flat_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    Py_ssize_t line_bytes_max;
    int omit_nulls;
    PyObject *head, *tail, *id_nulls;
    unsigned long long seed, conditions, met_by_nothing;
    if (keywords && PyDict_Size(keywords))
        return PyErr_Format(PyExc_TypeError, "it takes no keywords");
    if (!PyArg_ParseTuple(args, "nKpSSO!KK", &line_bytes_max, &seed, &omit_nulls, &head, &tail, &PyTuple_Type, &id_nulls,
                          &conditions, &met_by_nothing))
        return NULL;
    Flat *self = (Flat *)new_object(type);
    if (!self)
        return NULL;
    begin_scan(&self->scan, line_bytes_max, seed);
    self->omit_nulls = omit_nulls;
    self->conditions = conditions;
    self->met_by_nothing = met_by_nothing;
    self->first = NONE;
    if (!piece_of(&self->head, head) || !piece_of(&self->tail, tail) || !words_of(&self->id_nulls, id_nulls)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void release_key(Key *key)
{
    Py_XDECREF(key->key.owner);
    Py_XDECREF(key->member.owner);
    release_words(&key->nulls);
    release_words(&key->wanted);
    memset(key, 0, sizeof *key);
}

static void flat_dealloc(PyObject *object)
{
    Flat *self = (Flat *)object;
    release_scan(&self->scan);
    Py_XDECREF(self->head.owner);
    Py_XDECREF(self->tail.owner);
    release_words(&self->id_nulls);
    for (int i = 0; i < self->key_count; i++)
        release_key(&self->keys[i]);
    free_object(object);
}

static PyObject *flat_scan(PyObject *self, PyObject *args)
{
    return scan_text(self, &((Flat *)self)->scan, scan_flat, args);
}

PyDoc_STRVAR(learn_doc,
             "learn(key: bytes, is_id: bool, declines: bool, member: bytes | None, nulls: tuple[bytes, ...],\n"
             "      condition: int, wanted: tuple[bytes, ...]) -> bool\n\n"
             "Say what becomes of the values of a key; False if it is known already, or too many are.\n\n"
             "`declines`: lines with it are declined. `member`: how the field begins that it is sent as, `\"field\":`, None\n"
             "if it is not sent; a line that would send one twice is declined. `nulls`: texts that mean null.\n"
             "`condition`: which of the conditions of `where` it is, -1 for none, and `wanted` the texts that meet it.");

/* The slot of a field: that of an earlier key that is sent as the same one, or a new one. */
static int slot_of(const Flat *flat, const Piece *member)
{
    for (int i = 0; i < flat->key_count; i++) {
        const Piece *other = &flat->keys[i].member;
        if (member->owner && other->owner && other->size == member->size &&
            !memcmp(other->bytes, member->bytes, member->size))
            return flat->keys[i].slot;
    }
    return flat->key_count;
}

static PyObject *flat_learn(PyObject *object, PyObject *args)
{
    Flat *self = (Flat *)object;
    PyObject *text, *member, *nulls, *wanted;
    int is_id, declines, condition;
    size_t place;
    if (!PyArg_ParseTuple(args, "SppOO!iO!", &text, &is_id, &declines, &member, &PyTuple_Type, &nulls, &condition,
                          &PyTuple_Type, &wanted))
        return NULL;
    if (condition < NONE || condition > 63)
        return PyErr_Format(PyExc_ValueError, "condition is out of range");
    if (self->scan.busy)
        return PyErr_Format(PyExc_RuntimeError, "another thread is using this scanner");
    Key key = {.condition = condition, .is_id = is_id, .declines = declines, .next = NONE};
    if (!piece_of(&key.key, text) || (member != Py_None && !piece_of(&key.member, member)) ||
        !words_of(&key.nulls, nulls) || !words_of(&key.wanted, wanted)) {
        release_key(&key);
        return NULL;
    }
    if (self->key_count == KEYS_MAX || find_key(self, key.key.bytes, key.key.size, &place) != NONE) {
        release_key(&key);
        return PyBool_FromLong(0);
    }
    key.slot = slot_of(self, &key.member);
    self->keys[self->key_count++] = key;
    self->table[place] = (int16_t)self->key_count;
    return PyBool_FromLong(1);
}

static PyMethodDef flat_methods[] = {
    {"scan", flat_scan, METH_VARARGS, scan_doc}, {"learn", flat_learn, METH_VARARGS, learn_doc}, {0}};
static PyType_Slot flat_slots[] = {
    {Py_tp_doc, "FlatScanner(line_bytes_max: int, seed: int, omit_nulls: bool, head: bytes, tail: bytes,\n"
                "            id_nulls: tuple[bytes, ...], conditions: int, met_by_nothing: int)\n\n"
                "Rewrites flat lines, of which each key must have been learnt, to canonical ones.\n\n"
                "`head` and `tail` are members that all records get, before and behind those of their line, without\n"
                "commas around. `id_nulls` are texts that no id has. `conditions` has a bit for each condition of\n"
                "`where`, `met_by_nothing` those that a line without their key meets."},
    {Py_tp_new, flat_new},
    {Py_tp_dealloc, flat_dealloc},
    {Py_tp_methods, flat_methods},
    {0},
};
static PyType_Spec flat_spec = {"engine.sources.ndjson._scan.FlatScanner", sizeof(Flat), 0, Py_TPFLAGS_DEFAULT,
                                flat_slots};

/* ---------------------------------------------------------------- sets of these numbers */

/* The numbers of the ids of so many canonical lines; 0 if one is written in a way that is rare. */
static int number_lines(Text at, Text end, uint64_t *numbers, Py_ssize_t count, uint64_t seed)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        Text id;
        int escapes = 0;
        if (!(at = find_id(at, end, &id, &escapes)) || !(numbers[i] = number_of_id(id, at, escapes, seed)))
            return 0;
        Text newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return at == end;
}

PyDoc_STRVAR(lines_doc, "numbers_of_lines(lines: bytes, count: int, seed: int) -> bytes | None\n\n"
                         "Return a 64-bit number for the id of each of `count` canonical lines, by a secret `seed`;\n"
                         "None if an id does not come first, or is very long.");

static PyObject *numbers_of_lines(PyObject *module, PyObject *args)
{
    PyObject *bytes;
    Py_ssize_t count, size;
    unsigned long long seed;
    char *text;
    if (!PyArg_ParseTuple(args, "SnK", &bytes, &count, &seed) || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (count < 0 || count > size)
        return PyErr_Format(PyExc_ValueError, "there are not so many lines");
    PyObject *numbers = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(uint64_t));
    if (!numbers)
        return NULL;
    if (number_lines((Text)text, (Text)text + size, (uint64_t *)(void *)PyBytes_AsString(numbers), count, seed))
        return numbers;
    Py_DECREF(numbers);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(numbers_of_ids_doc, "numbers_of_ids(ids: list[bytes], seed: int) -> bytes\n\n"
                                "Return the same for ids as text in UTF-8.");

static PyObject *numbers_of_ids(PyObject *module, PyObject *args)
{
    PyObject *ids;
    unsigned long long seed;
    if (!PyArg_ParseTuple(args, "O!K", &PyList_Type, &ids, &seed))
        return NULL;
    Py_ssize_t count = PyList_Size(ids);
    PyObject *result = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(uint64_t));
    if (!result)
        return NULL;
    uint64_t *numbers = (uint64_t *)(void *)PyBytes_AsString(result);
    for (Py_ssize_t i = 0; i < count; i++) {
        char *text;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyList_GetItem(ids, i), &text, &size) < 0) {
            Py_DECREF(result);
            return NULL;
        }
        numbers[i] = number_of((Text)text, (size_t)size, seed);
    }
    return result;
}

/* Put the numbers of so many ids into `numbers`; 0 if one of them is not within the text. */
static int number_column(const unsigned char *offsets, Text text, Py_ssize_t text_size, uint64_t *numbers, Py_ssize_t rows,
                         uint64_t seed)
{
    int32_t start, stop;
    memcpy(&start, offsets, sizeof start);
    for (Py_ssize_t row = 0; row < rows; row++, start = stop) {
        memcpy(&stop, offsets + sizeof stop * (size_t)(row + 1), sizeof stop);
        if (start < 0 || stop < start || stop > text_size)
            return 0;
        numbers[row] = number_of(text + start, (size_t)(stop - start), seed);
    }
    return 1;
}

PyDoc_STRVAR(column_doc, "numbers_of_column(skipped: int, offsets, text, rows: int, seed: int) -> bytes\n\n"
                         "Return the same for ids in a column of text without nulls, as Arrow has it: 32-bit offsets, of which\n"
                         "some are to be skipped, and the bytes of all ids.");

static PyObject *numbers_of_column(PyObject *module, PyObject *args)
{
    Py_buffer offsets, text;
    Py_ssize_t skipped, rows;
    unsigned long long seed;
    int is_whole = 0;
    if (!PyArg_ParseTuple(args, "ny*y*nK", &skipped, &offsets, &text, &rows, &seed))
        return NULL;
    Py_ssize_t values = offsets.len / (Py_ssize_t)sizeof(int32_t);
    PyObject *numbers = NULL;
    if (skipped >= 0 && rows >= 0 && skipped < values && rows < values - skipped &&
        (numbers = PyBytes_FromStringAndSize(NULL, rows * (Py_ssize_t)sizeof(uint64_t)))) {
        const unsigned char *first = (const unsigned char *)offsets.buf + sizeof(int32_t) * (size_t)skipped;
        uint64_t *to = (uint64_t *)(void *)PyBytes_AsString(numbers);
        Py_BEGIN_ALLOW_THREADS
        is_whole = number_column(first, text.buf, text.len, to, rows, seed);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&offsets);
    PyBuffer_Release(&text);
    if (is_whole)
        return numbers;
    Py_XDECREF(numbers);
    return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "the buffers of a column are too small");
}

typedef struct {
    PyObject_HEAD
    uint64_t *table; /* a power of two of places, half of them free at least */
    size_t places, used;
} NumberSet;

enum { PLACES_MIN = 1 << 12, AHEAD = 8 };

/* Put a number that is not there yet; returns 0 if it is. */
static inline int put_number(uint64_t *table, size_t places, uint64_t number)
{
    size_t place = number & (places - 1);
    while (table[place]) {
        if (table[place] == number)
            return 0;
        place = (place + 1) & (places - 1);
    }
    table[place] = number;
    return 1;
}

/* Make room for so many more numbers; 0 if there is none. */
static int grow(NumberSet *set, size_t more)
{
    size_t places = set->places ? set->places : PLACES_MIN;
    while (places / 2 < set->used + more) {
        if (places > SIZE_MAX / 2 / sizeof(uint64_t))
            return 0;
        places *= 2;
    }
    if (places == set->places)
        return 1;
    uint64_t *table = calloc(places, sizeof *table);
    if (!table)
        return 0;
    for (size_t i = 0; i < set->places; i++)
        if (set->table[i])
            put_number(table, places, set->table[i]);
    free(set->table);
    set->table = table;
    set->places = places;
    return 1;
}

/* The numbers that a bytes object holds; NULL and an exception if it is none of them. */
static const uint64_t *numbers_in(PyObject *bytes, size_t *count)
{
    char *text;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    *count = (size_t)size / sizeof(uint64_t);
    return (const uint64_t *)(const void *)text;
}

static inline void fetch(const NumberSet *set, const uint64_t *numbers, size_t i, size_t count)
{
#if defined(__GNUC__)
    if (i + AHEAD < count)
        __builtin_prefetch(&set->table[numbers[i + AHEAD] & (set->places - 1)]);
#endif
}

static PyObject *set_add(PyObject *object, PyObject *bytes)
{
    NumberSet *set = (NumberSet *)object;
    size_t count, new = 0;
    const uint64_t *numbers = numbers_in(bytes, &count);
    if (!numbers)
        return NULL;
    if (!grow(set, count))
        return PyErr_NoMemory();
    for (size_t i = 0; i < count; i++) {
        fetch(set, numbers, i, count);
        new += (size_t)put_number(set->table, set->places, numbers[i]);
    }
    set->used += new;
    return PyBool_FromLong(new == count);
}

static PyObject *set_lacks(PyObject *object, PyObject *bytes)
{
    NumberSet *set = (NumberSet *)object;
    size_t count;
    const uint64_t *numbers = numbers_in(bytes, &count);
    if (!numbers)
        return NULL;
    for (size_t i = 0; set->used && i < count; i++) {
        fetch(set, numbers, i, count);
        for (size_t place = numbers[i] & (set->places - 1); set->table[place]; place = (place + 1) & (set->places - 1))
            if (set->table[place] == numbers[i])
                return PyBool_FromLong(0);
    }
    return PyBool_FromLong(1);
}

static PyObject *set_clear(PyObject *object, PyObject *unused)
{
    NumberSet *set = (NumberSet *)object;
    if (set->used)
        memset(set->table, 0, set->places * sizeof *set->table);
    set->used = 0;
    Py_RETURN_NONE;
}

static void set_dealloc(PyObject *object)
{
    free(((NumberSet *)object)->table);
    free_object(object);
}

static PyMethodDef set_methods[] = {
    {"add", set_add, METH_O, "add(numbers: bytes) -> bool\n\nAdd numbers; whether all were new, and pairwise different."},
    {"lacks", set_lacks, METH_O, "lacks(numbers: bytes) -> bool\n\nWhether none of the numbers is here."},
    {"clear", set_clear, METH_NOARGS, "clear() -> None\n\nForget all of them; the memory is kept."},
    {0}};
static PyType_Slot set_slots[] = {
    {Py_tp_doc, "NumberSet()\n\nA set of 64-bit numbers but 0, many of which are added or looked for at once."},
    {Py_tp_dealloc, set_dealloc},
    {Py_tp_methods, set_methods},
    {0},
};
static PyType_Spec set_spec = {"engine.sources.ndjson._scan.NumberSet", sizeof(NumberSet), 0, Py_TPFLAGS_DEFAULT, set_slots};

/* ---------------------------------------------------------------- the module */

PyDoc_STRVAR(newline_doc, "nth_newline(lines: bytes, number: int) -> int\n\n"
                          "Return where newline `number`, counted from 1, is; -1 if there are fewer.");

static PyObject *nth_newline(PyObject *module, PyObject *args)
{
    PyObject *bytes;
    Py_ssize_t number, size;
    char *text;
    if (!PyArg_ParseTuple(args, "Sn", &bytes, &number) || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    Py_ssize_t at = -1;
    for (; number > 0; number--) {
        const char *newline = memchr(text + at + 1, '\n', (size_t)(size - at - 1));
        if (!newline)
            return PyLong_FromLong(-1);
        at = newline - text;
    }
    return PyLong_FromSsize_t(at);
}

PyDoc_STRVAR(apart_doc, "rows_apart(first_row: int, count: int, left_out: bytes) -> tuple[bytes, bytes]\n\n"
                        "Return which of `count` rows are kept, and which are left out, as 64-bit numbers: the `left_out` are\n"
                        "given by how far they are from the first row, ascending, as 32-bit numbers. ValueError: they are not.");

static PyObject *rows_apart(PyObject *module, PyObject *args)
{
    unsigned long long first_row;
    Py_ssize_t count, size;
    const char *left_out;
    if (!PyArg_ParseTuple(args, "Kny#", &first_row, &count, &left_out, &size))
        return NULL;
    Py_ssize_t gone_count = size / (Py_ssize_t)sizeof(uint32_t);
    if (count < gone_count || count > UINT32_MAX)
        return PyErr_Format(PyExc_ValueError, "no more than all rows can be left out");
    PyObject *kept = PyBytes_FromStringAndSize(NULL, (count - gone_count) * (Py_ssize_t)sizeof(uint64_t));
    PyObject *gone = PyBytes_FromStringAndSize(NULL, gone_count * (Py_ssize_t)sizeof(uint64_t));
    PyObject *both = NULL;
    if (!kept || !gone)
        goto done;
    char *kept_to = PyBytes_AsString(kept), *gone_to = PyBytes_AsString(gone);
    uint64_t row = first_row;
    Py_ssize_t distance = 0, room = count - gone_count;
    for (Py_ssize_t index = 0; index <= gone_count; index++) {
        uint32_t next = (uint32_t)count;
        if (index < gone_count)
            memcpy(&next, left_out + index * (Py_ssize_t)sizeof next, sizeof next);
        if (next < distance || next - distance > room || (index < gone_count && next == count)) {
            PyErr_SetString(PyExc_ValueError, "they must ascend");
            goto done;
        }
        room -= next - distance;
        for (; distance < (Py_ssize_t)next; distance++, row++, kept_to += sizeof row)
            memcpy(kept_to, &row, sizeof row);
        if (index < gone_count) {
            memcpy(gone_to + index * (Py_ssize_t)sizeof row, &row, sizeof row);
            distance++;
            row++;
        }
    }
    both = PyTuple_Pack(2, kept, gone);
done:
    Py_XDECREF(kept);
    Py_XDECREF(gone);
    return both;
}

/* ---------------------------------------------------------------- the texts of one key */

#define TEXTS_KNOWN 4096
#define KNOWN_TEXT_MAX 64 /* bytes; longer texts are made anew each time */

/* Texts come again and again: the same object then serves many lines, and its hash is known. */
typedef struct {
    PyObject_HEAD
    PyObject *key; /* bytes, with quotes */
    Py_ssize_t depth;
    PyObject *known[TEXTS_KNOWN]; /* at the place that its number says; a later text takes the place of an earlier one */
} KeyTexts;

static PyObject *key_texts_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *key;
    Py_ssize_t depth;
    if (keywords && PyDict_Size(keywords))
        return PyErr_Format(PyExc_TypeError, "it takes no keywords");
    if (!PyArg_ParseTuple(args, "Sn", &key, &depth))
        return NULL;
    KeyTexts *self = (KeyTexts *)new_object(type);
    if (self) {
        self->key = Py_NewRef(key);
        self->depth = depth;
    }
    return (PyObject *)self;
}

static void key_texts_dealloc(PyObject *object)
{
    KeyTexts *self = (KeyTexts *)object;
    Py_XDECREF(self->key);
    for (size_t place = 0; place < TEXTS_KNOWN; place++)
        Py_XDECREF(self->known[place]);
    free_object(object);
}

/* A new reference to a text, which is valid UTF-8. */
static PyObject *text_object(KeyTexts *texts, Text text, size_t size)
{
    if (size > KNOWN_TEXT_MAX)
        return PyUnicode_DecodeUTF8((const char *)text, (Py_ssize_t)size, NULL);
    PyObject **known = &texts->known[number_of(text, size, 0) % TEXTS_KNOWN];
    if (*known) {
        Py_ssize_t known_size;
        const char *bytes = PyUnicode_AsUTF8AndSize(*known, &known_size);
        if (!bytes)
            return NULL;
        if ((size_t)known_size == size && memcmp(bytes, text, size) == 0)
            return Py_NewRef(*known);
    }
    PyObject *made = PyUnicode_DecodeUTF8((const char *)text, (Py_ssize_t)size, NULL), *before = *known;
    if (!made)
        return NULL;
    *known = Py_NewRef(made);
    Py_XDECREF(before);
    return made;
}

/* Where the text of the key begins in a line, which ends at `end`; NULL if that is not sure. */
static Text text_of_key(Text line, Text end, Text key, Py_ssize_t key_size)
{
    Text found = NULL;
    for (Text at = line; (at = memchr(at, ':', (size_t)(end - at))); at++) {
        if (at - line < key_size || memcmp(at - key_size, key, (size_t)key_size) != 0)
            continue;
        if (found)
            return NULL;
        found = at + 1;
    }
    if (!found)
        return NULL;
    while (found < end && *found == ' ')
        found++;
    return found < end && *found == '"' ? found + 1 : NULL;
}

PyDoc_STRVAR(of_lines_doc, "of_lines(lines: bytes, count: int) -> list[str] | None\n\n"
                           "Return the text that the key has in each of `count` lines, which are valid JSON, if that is\n"
                           "sure: if each line has it once, with a text, there are no escapes, and each line has just\n"
                           "`depth` objects.");

static PyObject *key_texts_of_lines(PyObject *object, PyObject *args)
{
    KeyTexts *self = (KeyTexts *)object;
    PyObject *bytes;
    Py_ssize_t count, size, key_size, objects = 0;
    char *text, *key;
    if (!PyArg_ParseTuple(args, "Sn", &bytes, &count) || PyBytes_AsStringAndSize(bytes, &text, &size) < 0 ||
        PyBytes_AsStringAndSize(self->key, &key, &key_size) < 0)
        return NULL;
    for (Py_ssize_t index = 0; index < size; index++)
        objects += text[index] == '{';
    /* A line is a byte at least, with its end: so no list is made that is larger than the lines. */
    if (count < 0 || count > size + 1 || memchr(text, '\\', (size_t)size) || objects != self->depth * count)
        Py_RETURN_NONE;
    PyObject *texts = PyList_New(count);
    if (!texts)
        return NULL;
    Text line = (Text)text, end = line + size;
    for (Py_ssize_t number = 0; number < count; number++) {
        Text line_end = line <= end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
        int is_last = number == count - 1;
        if (is_last ? line_end != NULL || line > end : line_end == NULL)
            goto declined;
        line_end = is_last ? end : line_end;
        Text start = text_of_key(line, line_end, (Text)key, key_size);
        Text stop = start ? memchr(start, '"', (size_t)(line_end - start)) : NULL;
        if (!stop)
            goto declined;
        PyObject *found = text_object(self, start, (size_t)(stop - start));
        if (!found || PyList_SetItem(texts, number, found) < 0) {
            Py_DECREF(texts);
            return NULL;
        }
        line = line_end + 1;
    }
    return texts;
declined:
    Py_DECREF(texts);
    Py_RETURN_NONE;
}

static PyMethodDef key_texts_methods[] = {{"of_lines", key_texts_of_lines, METH_VARARGS, of_lines_doc}, {0}};
static PyType_Slot key_texts_slots[] = {
    {Py_tp_doc, "KeyTexts(key: bytes, depth: int)\n\nFinds the texts of a key, which is written as in JSON, with its quotes."},
    {Py_tp_new, key_texts_new},
    {Py_tp_dealloc, key_texts_dealloc},
    {Py_tp_methods, key_texts_methods},
    {0},
};
static PyType_Spec key_texts_spec = {"engine.sources.ndjson._scan.KeyTexts", sizeof(KeyTexts), 0, Py_TPFLAGS_DEFAULT,
                                     key_texts_slots};

PyDoc_STRVAR(ordered_doc, "lines_in_order(lines: bytes, order: buffer) -> tuple[bytes, bytes]\n\n"
                          "Return the lines in another order, each with a newline behind it, and where each of them begins\n"
                          "there: 64-bit numbers, with the end of the last one behind them. `order` has the number of each\n"
                          "line, as 64-bit numbers. ValueError: there are not as many lines, or no such line.");

static PyObject *lines_in_order(PyObject *module, PyObject *args)
{
    PyObject *bytes, *text_out = NULL, *begins_out = NULL;
    Py_buffer order;
    Py_ssize_t size;
    char *text;
    if (!PyArg_ParseTuple(args, "Sy*", &bytes, &order))
        return NULL;
    Py_ssize_t count = order.len / (Py_ssize_t)sizeof(int64_t);
    int64_t *starts = NULL;
    if (PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        goto done;
    starts = malloc(((size_t)count + 1) * sizeof(int64_t));
    if (!starts) {
        PyErr_NoMemory();
        goto done;
    }
    Py_ssize_t at = 0, found = 0;
    while (found < count && at <= size) {
        starts[found++] = at;
        const char *newline = memchr(text + at, '\n', (size_t)(size - at));
        at = newline ? newline - text + 1 : size + 1;
    }
    if (found < count || at <= size) {
        PyErr_SetString(PyExc_ValueError, "there are not as many lines");
        goto done;
    }
    starts[count] = size + 1;
    /* Each line once, so that all of them take as much as before: this is counted below. */
    text_out = PyBytes_FromStringAndSize(NULL, size + 1);
    begins_out = PyBytes_FromStringAndSize(NULL, (count + 1) * (Py_ssize_t)sizeof(int64_t));
    if (!text_out || !begins_out)
        goto done;
    char *out = PyBytes_AsString(text_out), *begins = PyBytes_AsString(begins_out);
    int64_t written = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        int64_t line;
        memcpy(&line, (const char *)order.buf + index * (Py_ssize_t)sizeof(line), sizeof(line));
        memcpy(begins + index * (Py_ssize_t)sizeof(written), &written, sizeof(written));
        int64_t length = line < 0 || line >= count ? -1 : starts[line + 1] - starts[line];
        if (length < 0 || written + length > size + 1) {
            PyErr_SetString(PyExc_ValueError, "each line must be named once");
            Py_CLEAR(text_out);
            goto done;
        }
        memcpy(out + written, text + starts[line], (size_t)(length - 1));
        out[written + length - 1] = '\n';
        written += length;
    }
    memcpy(begins + count * (Py_ssize_t)sizeof(written), &written, sizeof(written));
    if (written != size + 1) {
        PyErr_SetString(PyExc_ValueError, "each line must be named once");
        Py_CLEAR(text_out);
    }
done:
    free(starts);
    PyBuffer_Release(&order);
    PyObject *both = text_out && begins_out ? PyTuple_Pack(2, text_out, begins_out) : NULL;
    Py_XDECREF(text_out);
    Py_XDECREF(begins_out);
    return both;
}

PyDoc_STRVAR(elements_doc, "put_elements(target: memoryview, lines: bytes) -> None\n\n"
                           "Write lines that are joined by newlines to the start of `target`, joined by commas.");

static PyObject *put_elements(PyObject *module, PyObject *args)
{
    Py_buffer target;
    const char *lines;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "w*y#", &target, &lines, &size))
        return NULL;
    if (size > target.len) {
        PyBuffer_Release(&target);
        return PyErr_Format(PyExc_ValueError, "the lines are larger than their place");
    }
    char *to = target.buf;
    Py_BEGIN_ALLOW_THREADS
    while (size > 0) {
        const char *newline = memchr(lines, '\n', (size_t)size);
        Py_ssize_t length = newline ? newline - lines : size;
        memcpy(to, lines, (size_t)length);
        if (newline)
            to[length++] = ',';
        to += length;
        lines += length;
        size -= length;
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&target);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(keep_doc, "keep_memory(bytes: int) -> bool\n\n"
                       "Have the C library keep so many freed bytes for the next allocation, instead of giving them back\n"
                       "to the system, which clears each page before it hands it out again; whether it can.");

static PyObject *keep_memory(PyObject *module, PyObject *bytes)
{
    long size = PyLong_AsLong(bytes);
    if (size == -1 && PyErr_Occurred())
        return NULL;
#if defined(__GLIBC__)
    int most = size > INT_MAX ? INT_MAX : (int)size;
    return PyBool_FromLong(mallopt(M_MMAP_THRESHOLD, most < (32 << 20) ? most : 32 << 20) && mallopt(M_TRIM_THRESHOLD, most));
#else
    return PyBool_FromLong(0);
#endif
}

static PyMethodDef functions[] = {{"numbers_of_lines", numbers_of_lines, METH_VARARGS, lines_doc},
                                  {"numbers_of_ids", numbers_of_ids, METH_VARARGS, numbers_of_ids_doc},
                                  {"numbers_of_column", numbers_of_column, METH_VARARGS, column_doc},
                                  {"nth_newline", nth_newline, METH_VARARGS, newline_doc},
                                  {"rows_apart", rows_apart, METH_VARARGS, apart_doc},
                                  {"lines_in_order", lines_in_order, METH_VARARGS, ordered_doc},
                                  {"put_elements", put_elements, METH_VARARGS, elements_doc},
                                  {"keep_memory", keep_memory, METH_O, keep_doc},
                                  {0}};

static int add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int failed = !type || PyModule_AddType(module, (PyTypeObject *)type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static int execute(PyObject *module)
{
    if (PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST) < 0 ||
        PyModule_AddIntConstant(module, "DEPTH_MAX", DEPTH_MAX) < 0 ||
        PyModule_AddIntConstant(module, "KEYS_MAX", KEYS_MAX) < 0 || add_type(module, &canonical_spec) < 0 ||
        add_type(module, &flat_spec) < 0 || add_type(module, &key_texts_spec) < 0)
        return -1;
    return add_type(module, &set_spec);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_scan", "Scans lines of NDJSON; see `acceleration.py`.", 0, functions, slots, 0, 0, 0};

PyMODINIT_FUNC PyInit__scan(void)
{
    return PyModuleDef_Init(&definition);
}

/* The accelerator of columns: it puts the values of columns together as lines, writes numbers as text, proves that texts
 * are plain numbers or dates, and that none is a name.
 *
 * What these mean is said in Python (`column_text.py`, `to_json.py`, `typed_text.py`, `not_records.py`); this file says
 * the same, faster. A column of text comes as Arrow has it in memory: how many values to step over, a bitmap of those
 * that are not null (or None), 32-bit offsets (or None if there are no values), and the bytes of all values (or None).
 * In a column of few values, that come again and again, 32-bit numbers stand in place of the offsets and bytes: which of
 * the values of another column, that follows with their count, each one is. Nothing in these is trusted: each offset and
 * each number is held against the sizes of the buffers before it is used.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <float.h>
#include <stdint.h>
#include <string.h>

/* XXH3-128 of this file without this line, so that a binary of another version is not used (`acceleration.py`). */
#define SOURCE_DIGEST "7d4415508f7770752f73b4d49216af88"

enum { AT_ONCE = 32 }; /* so many bytes are copied at once where there is room for them */

typedef struct {
    Py_ssize_t skipped;
    const unsigned char *valid;   /* NULL: no value is null */
    const unsigned char *indices; /* NULL: each value stands for itself; else which of `values` it is */
    Py_ssize_t values, values_skipped;
    const unsigned char *offsets; /* NULL: this is no column but the same text in each row */
    const unsigned char *text;
    Py_ssize_t text_size;
    Py_ssize_t room; /* how many bytes from the start of `text` may be read; more than its size for a short constant */
    unsigned char padded[AT_ONCE];
    Py_buffer buffers[4];
    int buffer_count;
} Part;

typedef struct {
    const unsigned char *at;
    Py_ssize_t size;
} Value;

/* ---------------------------------------------------------------- from Python objects to parts, and back */

static const unsigned char *buffer_of(Part *part, PyObject *object, Py_ssize_t *size)
{
    Py_buffer *buffer = &part->buffers[part->buffer_count];
    *size = 0;
    if (PyObject_GetBuffer(object, buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    part->buffer_count++;
    *size = buffer->len;
    return buffer->buf ? buffer->buf : (const unsigned char *)"";
}

static int open_constant(Part *part, PyObject *bytes)
{
    if (!(part->text = buffer_of(part, bytes, &part->text_size)))
        return 0;
    part->room = part->text_size;
    if (part->text_size < AT_ONCE) {
        memcpy(part->padded, part->text, (size_t)part->text_size);
        part->text = part->padded;
        part->room = AT_ONCE;
    }
    return 1;
}

/* Take the offsets and the text of so many values behind the first `skipped`; 0 and an exception if they are not there. */
static int open_text(Part *part, PyObject *offsets, PyObject *text, Py_ssize_t skipped, Py_ssize_t values)
{
    Py_ssize_t offsets_size = 0;
    if (!(part->offsets = buffer_of(part, offsets, &offsets_size)))
        return 0;
    part->text = (const unsigned char *)"";
    if (text != Py_None && !(part->text = buffer_of(part, text, &part->text_size)))
        return 0;
    part->room = part->text_size;
    if (offsets_size / (Py_ssize_t)sizeof(int32_t) > skipped + values)
        return 1;
    PyErr_SetString(PyExc_ValueError, "the buffers of a column are too small");
    return 0;
}

/* Take the bitmap of so many values behind the first `part->skipped`, if there is one. */
static int open_valid(Part *part, PyObject *valid, Py_ssize_t rows)
{
    Py_ssize_t size = 0;
    Py_ssize_t most = PY_SSIZE_T_MAX / 8 - rows; /* no sum here or later may overflow */
    if (valid != Py_None && !(part->valid = buffer_of(part, valid, &size)))
        return 0;
    if (part->skipped >= 0 && part->skipped <= most && (!part->valid || size >= (part->skipped + rows + 7) / 8))
        return 1;
    PyErr_SetString(PyExc_ValueError, "the buffers of a column are too small");
    return 0;
}

static int open_coded(Part *part, PyObject *object, Py_ssize_t rows)
{
    PyObject *valid, *indices, *no_nulls, *offsets, *text;
    Py_ssize_t indices_size = 0;
    if (!PyArg_ParseTuple(object, "nOO(nOOO)n", &part->skipped, &valid, &indices, &part->values_skipped, &no_nulls,
                          &offsets, &text, &part->values) ||
        !open_valid(part, valid, rows) || !(part->indices = buffer_of(part, indices, &indices_size)))
        return 0;
    if (no_nulls == Py_None && part->values >= 0 && part->values < INT32_MAX && part->values_skipped >= 0 &&
        part->values_skipped < INT32_MAX && indices_size / (Py_ssize_t)sizeof(int32_t) >= part->skipped + rows)
        return open_text(part, offsets, text, part->values_skipped, part->values);
    PyErr_SetString(PyExc_ValueError, "the buffers of a column are too small, or a value is null");
    return 0;
}

/* Fill `part`, which is all zeros, for `rows` rows, at least one; 0 and an exception if it does not hold so many. */
static int open_part(Part *part, PyObject *object, Py_ssize_t rows)
{
    PyObject *valid, *offsets, *text;
    if (PyBytes_Check(object))
        return open_constant(part, object);
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "a part is bytes or a tuple");
        return 0;
    }
    if (PyTuple_Size(object) == 5)
        return open_coded(part, object, rows);
    return PyArg_ParseTuple(object, "nOOO", &part->skipped, &valid, &offsets, &text) && open_valid(part, valid, rows) &&
           open_text(part, offsets, text, part->skipped, rows);
}

static void close_part(Part *part)
{
    while (part->buffer_count)
        PyBuffer_Release(&part->buffers[--part->buffer_count]);
}

/* ---------------------------------------------------------------- values */

static inline int is_null(const Part *part, Py_ssize_t row)
{
    size_t bit = (size_t)(part->skipped + row);
    return part->valid && !(part->valid[bit >> 3] >> (bit & 7) & 1);
}

static inline int32_t number_at(const unsigned char *numbers, Py_ssize_t index)
{
    int32_t number;
    memcpy(&number, numbers + sizeof number * (size_t)index, sizeof number);
    return number;
}

/* The value of a column in a row, with no bytes if it is null. For columns of which `part_size` has looked at all. */
static inline Value proven_value(const Part *part, Py_ssize_t row)
{
    Value value = {part->text, 0};
    if (is_null(part, row))
        return value;
    Py_ssize_t index = part->skipped + row;
    if (part->indices)
        index = part->values_skipped + number_at(part->indices, index);
    int32_t start = number_at(part->offsets, index);
    value.size = number_at(part->offsets, index + 1) - start;
    if (value.size)
        value.at = part->text + start;
    return value;
}

/* Return how many bytes so many values that follow each other have, or -1 if one of them is not within the text. */
static int64_t text_size(const Part *part, Py_ssize_t skipped, Py_ssize_t values)
{
    const unsigned char *offsets = part->offsets + sizeof(int32_t) * (size_t)skipped;
    int32_t first = number_at(offsets, 0), last = number_at(offsets, values), descends = 0;
    for (Py_ssize_t i = 0; i < values; i++)
        descends |= number_at(offsets, i + 1) < number_at(offsets, i);
    return first < 0 || last > part->text_size || descends ? -1 : (int64_t)last - first;
}

/* Return how many bytes all rows of a part have, or -1 if one of them is not within the text. */
static int64_t part_size(const Part *part, Py_ssize_t rows)
{
    int64_t total = 0;
    if (!part->offsets)
        return (int64_t)part->text_size * rows;
    if (!part->valid && !part->indices)
        return text_size(part, part->skipped, rows);
    if (part->indices && text_size(part, part->values_skipped, part->values) < 0)
        return -1;
    for (Py_ssize_t row = 0; row < rows; row++) {
        if (is_null(part, row))
            continue;
        Py_ssize_t index = part->skipped + row;
        if (part->indices) {
            int32_t number = number_at(part->indices, index);
            if (number < 0 || number >= part->values)
                return -1;
            index = part->values_skipped + number;
        }
        int32_t start = number_at(part->offsets, index), stop = number_at(part->offsets, index + 1);
        if (start < 0 || stop < start || stop > part->text_size)
            return -1;
        total += stop - start;
    }
    return total;
}

/* Return how many bytes all rows of all parts have, -1 if one is wrong, -2 if 32-bit offsets don't reach so far. */
static Py_ssize_t joined_size(const Part *parts, Py_ssize_t count, Py_ssize_t rows)
{
    int64_t total = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        int64_t size = part_size(&parts[i], rows);
        if (size < 0)
            return -1;
        if (size > INT32_MAX - total)
            return -2;
        total += size;
    }
    return (Py_ssize_t)total;
}

static inline Value text_in(const Part *part, Py_ssize_t row)
{
    Value constant = {part->text, part->text_size};
    return part->offsets ? proven_value(part, row) : constant;
}

/* Write all rows; `text` has room for exactly what they have, `offsets` for one more than there are rows. */
static void write_rows(const Part *parts, Py_ssize_t count, Py_ssize_t rows, unsigned char *text, Py_ssize_t size,
                       unsigned char *offsets)
{
    unsigned char *at = text, *end = text + size;
    for (Py_ssize_t row = 0; row < rows; row++) {
        for (Py_ssize_t i = 0; i < count; i++) {
            Value value = text_in(&parts[i], row);
            if (value.size <= AT_ONCE && end - at >= AT_ONCE && parts[i].text + parts[i].room - value.at >= AT_ONCE)
                memcpy(at, value.at, AT_ONCE); /* what is too much is written over */
            else if (value.size)
                memcpy(at, value.at, (size_t)value.size);
            at += value.size;
        }
        int32_t behind = (int32_t)(at - text);
        memcpy(offsets + sizeof behind * (size_t)(row + 1), &behind, sizeof behind);
    }
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?, or if it must be whole 0|-?[1-9][0-9]* */
static int is_plain_number(Value value, int whole)
{
    const unsigned char *at = value.at, *end = at + value.size;
    int is_negative = at < end && *at == '-';
    at += is_negative;
    if (at == end || *at < '0' || *at > '9')
        return 0;
    if (*at == '0') {
        at++;
        if (whole && is_negative)
            return 0;
    }
    else
        while (at < end && *at >= '0' && *at <= '9')
            at++;
    if (at == end)
        return 1;
    if (whole || *at != '.' || ++at == end)
        return 0;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at == end;
}

static int digits_at(const unsigned char *at, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        number = number * 10 + (at[i] - '0');
    }
    return number;
}

/* A day from 0001-01-01 to 9999-12-31, as ISO 8601 has it. */
static int is_date(Value value)
{
    static const int days_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const unsigned char *at = value.at;
    if (value.size != 10 || at[4] != '-' || at[7] != '-')
        return 0;
    int year = digits_at(at, 4), month = digits_at(at + 5, 2), day = digits_at(at + 8, 2);
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return 0;
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days_of[month - 1] + (month == 2 && is_leap);
}

/* ---------------------------------------------------------------- numbers as text */

/* ---- the shortest decimals that read back as a float of 64 bits (IEEE 754), as `to_json._float` has them */

enum { NUMBER_BYTES_MAX = 32, DIGITS_MAX = 17 }; /* so many digits read back as the float they were made of, always */

/* Write a count of 10^-decimals, the last of whose digits is not 0 if there are decimals. */
static unsigned char *put_decimal(unsigned char *to, uint64_t count, int decimals)
{
    unsigned char digits[NUMBER_BYTES_MAX], *first = digits + sizeof digits;
    for (int written = 0; count || written <= decimals; written++, count /= 10) {
        if (written && written == decimals)
            *--first = '.';
        *--first = (unsigned char)('0' + count % 10);
    }
    size_t size = (size_t)(digits + sizeof digits - first);
    memcpy(to, first, size);
    return to + size;
}

static unsigned char *put_integer(unsigned char *to, int64_t number)
{
    if (number < 0)
        *to++ = '-';
    return put_decimal(to, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 0);
}

#ifdef __SIZEOF_INT128__

typedef unsigned __int128 Wide;

enum Enough { TOO_FEW, ENOUGH, NOT_SAID };

/* Return whether so many decimals are enough for mantissa / 2^halvings, and the count of 10^-decimals nearest to it.
 *
 * What is less than half a unit of the mantissa away reads back as it. Nothing is said where it lies just in the middle
 * of two. All numbers here have fewer than 127 bits (`put_longer`). */
static enum Enough reads_back(uint64_t mantissa, int halvings, int decimals, uint64_t *count)
{
    Wide scale = 1;
    for (int n = decimals; n; n--)
        scale *= 10;
    Wide scaled = mantissa * scale, half = (Wide)1 << (halvings - 1), rest = scaled & (2 * half - 1);
    int is_above = rest > half;
    Wide off = is_above ? 2 * half - rest : rest;
    *count = (uint64_t)(scaled >> halvings) + (uint64_t)is_above;
    if (2 * off > scale)
        return TOO_FEW;
    return 2 * off == scale || rest == half ? NOT_SAID : ENOUGH;
}

/* Write a number from 10^-5 to 10^10 that is not whole: no other decimals of up to 17 digits are fewer, or as many and
 * nearer. NULL if it can't be said. */
static unsigned char *put_longer(unsigned char *to, double size)
{
    uint64_t bits, count, found = 0;
    memcpy(&bits, &size, sizeof bits);
    uint64_t mantissa = (bits & 0xfffffffffffff) | 0x10000000000000;
    int halvings = 1075 - (int)(bits >> 52), most = DIGITS_MAX, least = 1, decimals = 0;
    if (mantissa == 0x10000000000000 || halvings < 19 || halvings > 69) /* below a power of two, floats are denser */
        return NULL;
    for (double whole = 1; whole <= size; whole *= 10)
        most--;
    for (double part = 0.1; part > size; part /= 10)
        most++;
    while (least <= most) { /* where n decimals are enough, n + 1 are, too */
        int middle = (least + most) / 2;
        enum Enough enough = reads_back(mantissa, halvings, middle, &count);
        if (enough == NOT_SAID)
            return NULL;
        if (enough == TOO_FEW) {
            least = middle + 1;
            continue;
        }
        most = middle - 1;
        decimals = middle;
        found = count;
    }
    return decimals ? put_decimal(to, found, decimals) : NULL;
}

#else

static unsigned char *put_longer(unsigned char *to, double size)
{
    return NULL;
}

#endif

/* Write a float; NULL where that takes more than is here.
 *
 * Most are sums of money. If count / 100, whose quotient is correctly rounded, is the number, then that decimal reads
 * back as it; different decimals of 15 digits are different floats, so no other one is as short. */
static unsigned char *put_float(unsigned char *to, double number)
{
    double size = number < 0 ? -number : number;
    if (FLT_EVAL_METHOD != 0 || !(size < 1e10)) /* not rounded to 64 bits each time, or with an exponent, or no number */
        return NULL;
    int64_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (bits < 0) /* zero can be below zero, too */
        *to++ = '-';
    uint64_t count = (uint64_t)(size * 100 + 0.5);
    if ((double)count / 100 != size)
        return size < 1e-5 ? NULL : put_longer(to, size);
    if (count % 10)
        return put_decimal(to, count, 2);
    return count % 100 ? put_decimal(to, count / 10, 1) : put_decimal(to, count / 100, 0);
}

/* Write all numbers of a column, and their offsets; mark in `undone`, which is all zeros, which of them `put_float` did
 * not write. Returns how many these are. */
static Py_ssize_t write_numbers(const Part *part, const unsigned char *numbers, int are_floats, Py_ssize_t rows,
                                unsigned char *text, unsigned char *offsets, unsigned char *undone)
{
    unsigned char *at = text;
    Py_ssize_t undone_count = 0;
    for (Py_ssize_t row = 0; row < rows; row++) {
        const unsigned char *number = numbers + 8 * (size_t)(part->skipped + row);
        unsigned char *behind = at;
        if (!is_null(part, row) && are_floats) {
            double value;
            memcpy(&value, number, sizeof value);
            behind = put_float(at, value);
        }
        else if (!is_null(part, row)) {
            int64_t value;
            memcpy(&value, number, sizeof value);
            behind = put_integer(at, value);
        }
        if (!behind) {
            undone[row >> 3] |= (unsigned char)(1 << (row & 7));
            undone_count++;
        }
        else
            at = behind;
        int32_t offset = (int32_t)(at - text);
        memcpy(offsets + sizeof offset * (size_t)(row + 1), &offset, sizeof offset);
    }
    return undone_count;
}

/* ---------------------------------------------------------------- characters, and names */

/* Whether none of so many bytes must be escaped inside a JSON string: no control character, quote or backslash. */
static int stands_as_it_is(const unsigned char *at, Py_ssize_t size)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    const unsigned char *end = at + size;
    uint64_t found = 0;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t quotes = word ^ (ones * '"'), backslashes = word ^ (ones * '\\');
        /* The top bit of a byte that is less than a space, or zero. A borrow disturbs only bytes above one that is. */
        found |= ((word - ones * ' ') & ~word) | ((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes);
    }
    int plain = !(found & tops);
    for (; at < end; at++)
        plain &= *at >= ' ' && *at != '"' && *at != '\\';
    return plain;
}

static inline unsigned char lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

/* Whether a value may be one of some names, of lower case, in any case and with spaces and tabs around it. */
static int may_be_named(Value value, const Part *names, Py_ssize_t count)
{
    const unsigned char *at = value.at, *end = at + value.size;
    for (const unsigned char *byte = at; byte < end; byte++)
        if (*byte >= 0x80)
            return 1; /* other alphabets have cases, too */
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t same = 0;
        if (names[i].text_size != end - at)
            continue;
        while (same < end - at && lower(at[same]) == names[i].text[same])
            same++;
        if (same == end - at)
            return 1;
    }
    return 0;
}

/* ---------------------------------------------------------------- the module */

PyDoc_STRVAR(join_doc, "join_rows(parts: list[bytes | tuple], rows: int) -> tuple[bytes, bytes]\n\n"
                       "Return the offsets and the text of so many rows, each of them its parts joined. A part is the same\n"
                       "in each row, or a column; a null counts as empty. OverflowError: 32-bit offsets don't reach so far.");

static PyObject *join_rows(PyObject *module, PyObject *args)
{
    PyObject *list, *offsets = NULL, *text = NULL, *joined = NULL;
    Py_ssize_t rows, size;
    if (!PyArg_ParseTuple(args, "O!n", &PyList_Type, &list, &rows))
        return NULL;
    Py_ssize_t count = PyList_Size(list);
    if (rows < 1 || rows >= INT32_MAX)
        return PyErr_Format(PyExc_ValueError, "there must be rows, and fewer than 2^31");
    Part *parts = PyMem_Calloc((size_t)count + 1, sizeof *parts);
    if (!parts)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        if (!open_part(&parts[i], PyList_GetItem(list, i), rows))
            goto done;
    Py_BEGIN_ALLOW_THREADS
    size = joined_size(parts, count, rows);
    Py_END_ALLOW_THREADS
    if (size < 0) {
        if (size == -1)
            PyErr_SetString(PyExc_ValueError, "a value of a column is not within its text");
        else
            PyErr_SetString(PyExc_OverflowError, "the rows are larger than 2 GiB");
        goto done;
    }
    offsets = PyBytes_FromStringAndSize(NULL, (rows + 1) * (Py_ssize_t)sizeof(int32_t));
    text = PyBytes_FromStringAndSize(NULL, size);
    if (!offsets || !text)
        goto done;
    unsigned char *to_offsets = (unsigned char *)PyBytes_AsString(offsets), *to_text = (unsigned char *)PyBytes_AsString(text);
    Py_BEGIN_ALLOW_THREADS
    memset(to_offsets, 0, sizeof(int32_t));
    write_rows(parts, count, rows, to_text, size, to_offsets);
    Py_END_ALLOW_THREADS
    joined = PyTuple_Pack(2, offsets, text);
done:
    Py_XDECREF(offsets);
    Py_XDECREF(text);
    for (Py_ssize_t i = 0; i < count; i++)
        close_part(&parts[i]);
    PyMem_Free(parts);
    return joined;
}

enum Form { NUMBERS, WHOLE_NUMBERS, DATES };

static int is_of_form(Value value, enum Form form)
{
    return form == DATES ? is_date(value) : value.size > 0 && is_plain_number(value, form == WHOLE_NUMBERS);
}

/* Whether all values of a column but nulls are of a form. */
static PyObject *are_of_form(PyObject *column, Py_ssize_t rows, enum Form form)
{
    int are_plain;
    if (rows < 1 || rows >= INT32_MAX)
        return PyErr_Format(PyExc_ValueError, "there must be rows, and fewer than 2^31");
    Part part = {0};
    if (!open_part(&part, column, rows)) {
        close_part(&part);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    are_plain = part_size(&part, rows) >= 0;
    for (Py_ssize_t row = 0; are_plain && row < rows; row++)
        are_plain = is_null(&part, row) || is_of_form(proven_value(&part, row), form);
    Py_END_ALLOW_THREADS
    close_part(&part);
    return PyBool_FromLong(are_plain);
}

PyDoc_STRVAR(plain_doc, "are_plain_numbers(column: tuple, rows: int, whole: bool) -> bool\n\n"
                        "Whether each value but nulls is a number as JSON has it, without an exponent; of whole ones, \"-0\"\n"
                        "is none.");

static PyObject *are_plain_numbers(PyObject *module, PyObject *args)
{
    PyObject *column;
    Py_ssize_t rows;
    int whole;
    if (!PyArg_ParseTuple(args, "O!np", &PyTuple_Type, &column, &rows, &whole))
        return NULL;
    return are_of_form(column, rows, whole ? WHOLE_NUMBERS : NUMBERS);
}

PyDoc_STRVAR(dates_doc, "are_dates(column: tuple, rows: int) -> bool\n\n"
                        "Whether each value but nulls is a day as ISO 8601 has it, from 0001-01-01 to 9999-12-31.");

static PyObject *are_dates(PyObject *module, PyObject *args)
{
    PyObject *column;
    Py_ssize_t rows;
    return PyArg_ParseTuple(args, "O!n", &PyTuple_Type, &column, &rows) ? are_of_form(column, rows, DATES) : NULL;
}

PyDoc_STRVAR(numbers_doc, "number_texts(skipped: int, valid, numbers, are_floats: bool, rows: int)\n"
                          "-> tuple[bytes, bytes, bytes | None]\n\n"
                          "Return the offsets and the text of numbers of 64 bits, signed integers or floats; a null has none.\n"
                          "The third is a bitmap of the floats that are left out, or None: to write these takes more.");

static PyObject *number_texts(PyObject *module, PyObject *args)
{
    Part part = {0};
    PyObject *valid, *buffer, *offsets = NULL, *text = NULL, *undone = NULL, *written = NULL;
    Py_ssize_t rows, size, undone_count;
    const unsigned char *numbers;
    unsigned char *room = NULL; /* for the longest numbers that there could be */
    int are_floats;
    if (!PyArg_ParseTuple(args, "nOOpn", &part.skipped, &valid, &buffer, &are_floats, &rows))
        return NULL;
    if (rows < 1 || rows > INT32_MAX / NUMBER_BYTES_MAX)
        return PyErr_Format(PyExc_ValueError, "there must be rows, and not too many");
    if (!open_valid(&part, valid, rows) || !(numbers = buffer_of(&part, buffer, &size)))
        goto done;
    if (size / 8 < part.skipped + rows) {
        PyErr_SetString(PyExc_ValueError, "the buffers of a column are too small");
        goto done;
    }
    offsets = PyBytes_FromStringAndSize(NULL, (rows + 1) * (Py_ssize_t)sizeof(int32_t));
    undone = PyBytes_FromStringAndSize(NULL, (rows + 7) / 8);
    if (!offsets || !undone)
        goto done;
    if (!(room = PyMem_Malloc((size_t)rows * NUMBER_BYTES_MAX))) {
        PyErr_NoMemory();
        goto done;
    }
    unsigned char *to_offsets = (unsigned char *)PyBytes_AsString(offsets);
    unsigned char *to_undone = (unsigned char *)PyBytes_AsString(undone);
    Py_BEGIN_ALLOW_THREADS
    memset(to_offsets, 0, sizeof(int32_t));
    memset(to_undone, 0, (size_t)(rows + 7) / 8);
    undone_count = write_numbers(&part, numbers, are_floats, rows, room, to_offsets, to_undone);
    Py_END_ALLOW_THREADS
    if ((text = PyBytes_FromStringAndSize((const char *)room, number_at(to_offsets, rows))))
        written = PyTuple_Pack(3, offsets, text, undone_count ? undone : Py_None);
done:
    PyMem_Free(room);
    Py_XDECREF(offsets);
    Py_XDECREF(text);
    Py_XDECREF(undone);
    close_part(&part);
    return written;
}

PyDoc_STRVAR(as_it_is_doc, "stands_as_it_is(column: tuple, rows: int) -> bool\n\n"
                           "Whether no value has a character that must be escaped inside a JSON string. What nulls have does\n"
                           "matter, too.");

static PyObject *column_stands_as_it_is(PyObject *module, PyObject *args)
{
    PyObject *column, *answer = NULL;
    Py_ssize_t rows;
    Part part = {0};
    int stands;
    if (!PyArg_ParseTuple(args, "O!n", &PyTuple_Type, &column, &rows))
        return NULL;
    if (rows < 1 || rows >= INT32_MAX)
        return PyErr_Format(PyExc_ValueError, "there must be rows, and fewer than 2^31");
    if (!open_part(&part, column, rows))
        goto done;
    Py_BEGIN_ALLOW_THREADS
    int64_t size = part.indices ? -1 : text_size(&part, part.skipped, rows);
    stands = size >= 0 && stands_as_it_is(part.text + number_at(part.offsets, part.skipped), (Py_ssize_t)size);
    Py_END_ALLOW_THREADS
    answer = PyBool_FromLong(stands);
done:
    close_part(&part);
    return answer;
}

PyDoc_STRVAR(names_doc, "may_hold(column: tuple, rows: int, names: list[bytes]) -> bool\n\n"
                        "Whether a value may be one of some names, which are of lower case, in any case and with spaces and\n"
                        "tabs around it. True also where a value has characters that are not ASCII.");

static PyObject *may_hold(PyObject *module, PyObject *args)
{
    PyObject *column, *list, *answer = NULL;
    Py_ssize_t rows;
    Part part = {0};
    int found;
    if (!PyArg_ParseTuple(args, "O!nO!", &PyTuple_Type, &column, &rows, &PyList_Type, &list))
        return NULL;
    if (rows < 1 || rows >= INT32_MAX)
        return PyErr_Format(PyExc_ValueError, "there must be rows, and fewer than 2^31");
    Py_ssize_t count = PyList_Size(list);
    Part *names = PyMem_Calloc((size_t)count + 1, sizeof *names);
    if (!names)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        if (!open_constant(&names[i], PyList_GetItem(list, i)))
            goto done;
    if (!open_part(&part, column, rows))
        goto done;
    Py_BEGIN_ALLOW_THREADS
    found = part_size(&part, rows) < 0;
    for (Py_ssize_t row = 0; !found && row < rows; row++)
        found = !is_null(&part, row) && may_be_named(proven_value(&part, row), names, count);
    Py_END_ALLOW_THREADS
    answer = PyBool_FromLong(found);
done:
    close_part(&part);
    for (Py_ssize_t i = 0; i < count; i++)
        close_part(&names[i]);
    PyMem_Free(names);
    return answer;
}

static PyMethodDef functions[] = {{"join_rows", join_rows, METH_VARARGS, join_doc},
                                  {"are_plain_numbers", are_plain_numbers, METH_VARARGS, plain_doc},
                                  {"are_dates", are_dates, METH_VARARGS, dates_doc},
                                  {"number_texts", number_texts, METH_VARARGS, numbers_doc},
                                  {"stands_as_it_is", column_stands_as_it_is, METH_VARARGS, as_it_is_doc},
                                  {"may_hold", may_hold, METH_VARARGS, names_doc},
                                  {0}};

static int execute(PyObject *module)
{
    return PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_strings", "Text in columns; see `acceleration.py`.", 0, functions, slots, 0, 0, 0};

PyMODINIT_FUNC PyInit__strings(void)
{
    return PyModuleDef_Init(&definition);
}

/* The accelerator of columns: it puts the values of columns together as lines, and proves that texts are plain numbers.
 *
 * What both mean is said in Python (`column_text.py`, `typed_text.py`); this file says the same, faster. A column comes
 * as Arrow has it in memory: how many values to step over, a bitmap of those that are not null (or None), 32-bit offsets
 * (or None if there are no values), and the bytes of all values (or None). Nothing in these is trusted: each offset is
 * held against the sizes of the buffers before it is used.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* XXH3-128 of this file without this line, so that a binary of another version is not used (`acceleration.py`). */
#define SOURCE_DIGEST "244cb9e1a9c90082c2c6ffe0d61c0098"

enum { AT_ONCE = 32 }; /* so many bytes are copied at once where there is room for them */

typedef struct {
    Py_ssize_t skipped;
    const unsigned char *valid;   /* NULL: no value is null */
    const unsigned char *offsets; /* NULL: this is no column but the same text in each row */
    const unsigned char *text;
    Py_ssize_t text_size;
    Py_ssize_t room; /* how many bytes from the start of `text` may be read; more than its size for a short constant */
    unsigned char padded[AT_ONCE];
    Py_buffer buffers[3];
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

/* Fill `part`, which is all zeros, for `rows` rows, at least one; 0 and an exception if it does not hold so many. */
static int open_part(Part *part, PyObject *object, Py_ssize_t rows)
{
    PyObject *valid, *offsets, *text;
    Py_ssize_t valid_size = 0, offsets_size = 0;
    if (PyBytes_Check(object))
        return open_constant(part, object);
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "a part is bytes or a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(object, "nOOO", &part->skipped, &valid, &offsets, &text))
        return 0;
    if (valid != Py_None && !(part->valid = buffer_of(part, valid, &valid_size)))
        return 0;
    if (!(part->offsets = buffer_of(part, offsets, &offsets_size)))
        return 0;
    if (text != Py_None && !(part->text = buffer_of(part, text, &part->text_size)))
        return 0;
    Py_ssize_t most = PY_SSIZE_T_MAX / 8 - rows; /* no sum below may overflow */
    if (part->skipped < 0 || part->skipped > most || (part->valid && valid_size < (part->skipped + rows + 7) / 8) ||
        offsets_size / (Py_ssize_t)sizeof(int32_t) <= part->skipped + rows) {
        PyErr_SetString(PyExc_ValueError, "the buffers of a column are too small");
        return 0;
    }
    part->room = part->text_size;
    return 1;
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

static inline int32_t offset_at(const Part *part, Py_ssize_t row)
{
    int32_t offset;
    memcpy(&offset, part->offsets + sizeof offset * (size_t)(part->skipped + row), sizeof offset);
    return offset;
}

/* The value of a column in a row, with no bytes if it is null; its size is -1 if it is not within the text. */
static inline Value value_of(const Part *part, Py_ssize_t row)
{
    Value value = {part->text, 0};
    if (is_null(part, row))
        return value;
    int32_t start = offset_at(part, row), stop = offset_at(part, row + 1);
    if (start < 0 || stop < start || stop > part->text_size)
        value.size = -1;
    else if (stop > start) {
        value.at = part->text + start;
        value.size = stop - start;
    }
    return value;
}

/* Return how many bytes all rows of a part have, or -1 if an offset is wrong. */
static int64_t part_size(const Part *part, Py_ssize_t rows)
{
    int64_t total = 0;
    if (!part->offsets)
        return (int64_t)part->text_size * rows;
    if (!part->valid) {
        int32_t first = offset_at(part, 0), last = offset_at(part, rows), descends = 0;
        for (Py_ssize_t row = 0; row < rows; row++)
            descends |= offset_at(part, row + 1) < offset_at(part, row);
        return first < 0 || last > part->text_size || descends ? -1 : (int64_t)last - first;
    }
    for (Py_ssize_t row = 0; row < rows; row++) {
        Py_ssize_t size = value_of(part, row).size;
        if (size < 0)
            return -1;
        total += size;
    }
    return total;
}

/* Return how many bytes all rows of all parts have, -1 if an offset is wrong, -2 if 32-bit offsets don't reach so far. */
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

/* Write all rows; `text` has room for exactly what they have, `offsets` for one more than there are rows. */
static void write_rows(const Part *parts, Py_ssize_t count, Py_ssize_t rows, unsigned char *text, Py_ssize_t size,
                       unsigned char *offsets)
{
    unsigned char *at = text, *end = text + size;
    for (Py_ssize_t row = 0; row < rows; row++) {
        for (Py_ssize_t i = 0; i < count; i++) {
            Value value = {parts[i].text, parts[i].text_size};
            if (parts[i].offsets)
                value = value_of(&parts[i], row);
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
            PyErr_SetString(PyExc_ValueError, "an offset of a column is not within its text");
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

PyDoc_STRVAR(plain_doc, "are_plain_numbers(column: tuple, rows: int, whole: bool) -> bool\n\n"
                        "Whether each value but nulls is a number as JSON has it, without an exponent; of whole ones, \"-0\"\n"
                        "is none.");

static PyObject *are_plain_numbers(PyObject *module, PyObject *args)
{
    PyObject *column;
    Py_ssize_t rows;
    int whole, are_plain = 1;
    if (!PyArg_ParseTuple(args, "O!np", &PyTuple_Type, &column, &rows, &whole))
        return NULL;
    if (rows < 1 || rows >= INT32_MAX)
        return PyErr_Format(PyExc_ValueError, "there must be rows, and fewer than 2^31");
    Part part = {0};
    if (!open_part(&part, column, rows)) {
        close_part(&part);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t row = 0; are_plain && row < rows; row++) {
        Value value = value_of(&part, row);
        are_plain = is_null(&part, row) || (value.size > 0 && is_plain_number(value, whole));
    }
    Py_END_ALLOW_THREADS
    close_part(&part);
    return PyBool_FromLong(are_plain);
}

static PyMethodDef functions[] = {{"join_rows", join_rows, METH_VARARGS, join_doc},
                                  {"are_plain_numbers", are_plain_numbers, METH_VARARGS, plain_doc},
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

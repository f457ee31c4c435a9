/* The accelerator of CSV: it splits lines without quotes into cells, and puts those of a column one behind the other.
 *
 * What CSV means is said in Python (`text.py`); this is for pieces of text in which nothing is quoted or escaped, so that
 * each delimiter ends a cell and each line feed a row. It declines a piece whose rows do not all have as many cells as
 * there are columns, or in which a carriage return stands anywhere but before a line feed.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* XXH3-128 of this file without this line, so that a binary of another version is not used (`acceleration.py`). */
#define SOURCE_DIGEST "522257c1bdc17e5b68e0077a6230a776"

enum { AT_ONCE = 32 }; /* so many bytes are copied at once where there is room for them */

typedef const unsigned char *Text;

/* Where each row begins, and where the cells of all rows end: column by column, with room for `most` rows in each. */
typedef struct {
    int32_t columns;
    int32_t *begins, *ends;
    Py_ssize_t rows, most;
    int64_t returns; /* carriage returns that belong to line ends */
} Rows;

/* ---------------------------------------------------------------- where the cells are */

/* Where the end of the next cell goes, how many cells come behind it in its row, and where the row begins. */
typedef struct {
    int32_t *to;
    int32_t left, row_begin;
} Cursor;

/* Take a line feed, or the end of the text; 0 if the row has fewer cells. An empty line is no row. */
static int take_line_end(Rows *rows, Cursor *cursor, Text text, int32_t at)
{
    int32_t row_begin = cursor->row_begin;
    int has_return = at > row_begin && text[at - 1] == '\r';
    int32_t stop = at - has_return;
    rows->returns += has_return;
    cursor->row_begin = at + 1;
    if (stop == row_begin && cursor->left == rows->columns - 1)
        return 1;
    if (cursor->left)
        return 0;
    *cursor->to = stop;
    rows->begins[rows->rows++] = row_begin;
    cursor->to = rows->ends + rows->rows;
    cursor->left = rows->columns - 1;
    return 1;
}

/* Take a delimiter or a line feed; 0 if the row then has other than `columns` cells. */
static inline int take_mark(Rows *rows, Cursor *cursor, Text text, int32_t at)
{
    if (text[at] == '\n')
        return take_line_end(rows, cursor, text, at);
    if (!cursor->left)
        return 0;
    *cursor->to = at;
    cursor->to += rows->most;
    cursor->left--;
    return 1;
}

/* Find all cells; 0 where the text is declined. */
static int find_cells(Rows *rows, Text text, int32_t size, unsigned char delimiter)
{
    Cursor cursor = {rows->ends, rows->columns - 1, 0};
    int32_t at = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        uint64_t delimiters = word ^ (ones * delimiter), feeds = word ^ (ones * '\n');
        /* The top bit of each byte that is not zero. No carry leaves its byte. */
        uint64_t no_delimiters = ((delimiters & ~tops) + ~tops) | delimiters, no_feeds = ((feeds & ~tops) + ~tops) | feeds;
        for (uint64_t marks = ~(no_delimiters & no_feeds) & tops; marks; marks &= marks - 1)
            if (!take_mark(rows, &cursor, text, at + (__builtin_ctzll(marks) >> 3)))
                return 0;
    }
#endif
    for (; at < size; at++)
        if ((text[at] == '\n' || text[at] == delimiter) && !take_mark(rows, &cursor, text, at))
            return 0;
    return cursor.row_begin >= size || (text[size - 1] != '\r' && take_line_end(rows, &cursor, text, size));
}

static int64_t count_returns(Text text, Py_ssize_t size)
{
    int64_t count = 0;
    for (Text at = text, end = text + size; (at = memchr(at, '\r', (size_t)(end - at))); at++)
        count++;
    return count;
}

static void close_rows(Rows *rows)
{
    PyMem_Free(rows->ends);
    PyMem_Free(rows->begins);
}

/* Make room for all rows that so much text can have: each of them has a mark behind each cell, but for the last one. */
static int open_rows(Rows *rows, Py_ssize_t size)
{
    rows->most = size / rows->columns + 2;
    rows->begins = PyMem_Malloc((size_t)rows->most * sizeof *rows->begins);
    rows->ends = PyMem_Malloc((size_t)rows->most * (size_t)rows->columns * sizeof *rows->ends);
    if (rows->ends && rows->begins)
        return 1;
    PyErr_NoMemory();
    return 0;
}

/* ---------------------------------------------------------------- columns, as Arrow has them */

/* The cells of a column: each begins so many bytes behind what is in `begins`, and ends where `ends` says. */
typedef struct {
    const int32_t *begins, *ends;
    int32_t behind;
    Py_ssize_t rows;
} Cells;

static Cells cells_of(const Rows *rows, int32_t column)
{
    const int32_t *ends = rows->ends + column * rows->most;
    Cells cells = {rows->begins, ends, 0, rows->rows};
    if (column) { /* it begins behind the delimiter of the one before */
        cells.begins = ends - rows->most;
        cells.behind = 1;
    }
    return cells;
}

/* Return how many bytes they have, and how many of them are empty. */
static int64_t cells_size(Cells cells, Py_ssize_t *empty)
{
    int64_t total = 0;
    *empty = 0;
    for (Py_ssize_t row = 0; row < cells.rows; row++) {
        int32_t size = cells.ends[row] - cells.begins[row] - cells.behind;
        total += size;
        *empty += !size;
    }
    return total;
}

/* Write them, and which of them are not empty if `valid` is given, which is all zeros. */
static void write_cells(Cells cells, Text text, Py_ssize_t text_size, unsigned char *valid, unsigned char *offsets,
                        unsigned char *to, int64_t size)
{
    unsigned char *at = to, *end = to + size;
    memset(offsets, 0, sizeof(int32_t));
    for (Py_ssize_t row = 0; row < cells.rows; row++) {
        int32_t begin = cells.begins[row] + cells.behind, cell_size = cells.ends[row] - begin;
        if (cell_size <= AT_ONCE && text_size - begin >= AT_ONCE && end - at >= AT_ONCE)
            memcpy(at, text + begin, AT_ONCE); /* what is too much is written over */
        else
            memcpy(at, text + begin, (size_t)cell_size);
        at += cell_size;
        if (valid && cell_size)
            valid[row >> 3] |= (unsigned char)(1 << (row & 7));
        int32_t offset = (int32_t)(at - to);
        memcpy(offsets + sizeof offset * (size_t)(row + 1), &offset, sizeof offset);
    }
}

/* Return a column as a tuple of what is not empty, or None if nothing is, of offsets and text; NULL and an exception. */
static PyObject *column_of(const Rows *rows, int32_t column, Text text, Py_ssize_t text_size)
{
    PyObject *valid = Py_NewRef(Py_None), *built = NULL;
    Py_ssize_t empty, valid_size = (rows->rows + 7) / 8;
    Cells found = cells_of(rows, column);
    int64_t size = cells_size(found, &empty);
    PyObject *offsets = PyBytes_FromStringAndSize(NULL, (rows->rows + 1) * (Py_ssize_t)sizeof(int32_t));
    PyObject *cells = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (empty) {
        Py_DECREF(valid);
        valid = PyBytes_FromStringAndSize(NULL, valid_size);
    }
    if (offsets && cells && valid) {
        unsigned char *to_valid = empty ? (unsigned char *)PyBytes_AsString(valid) : NULL;
        unsigned char *to_offsets = (unsigned char *)PyBytes_AsString(offsets), *to = (unsigned char *)PyBytes_AsString(cells);
        Py_BEGIN_ALLOW_THREADS
        if (to_valid)
            memset(to_valid, 0, (size_t)valid_size);
        write_cells(found, text, text_size, to_valid, to_offsets, to, size);
        Py_END_ALLOW_THREADS
        built = PyTuple_Pack(3, valid, offsets, cells);
    }
    Py_XDECREF(valid);
    Py_XDECREF(offsets);
    Py_XDECREF(cells);
    return built;
}

/* ---------------------------------------------------------------- the module */

PyDoc_STRVAR(split_doc, "split(text, size: int, delimiter: int, columns: int, wanted: list[int])\n"
                        "-> tuple[int, list[tuple[bytes | None, bytes, bytes]]] | None\n\n"
                        "Return how many rows the first bytes of a text hold, and the wanted columns: which cells are not empty\n"
                        "(None: none is), 32-bit offsets, and the bytes of all cells. None: it is not so simple.");

static PyObject *split(PyObject *module, PyObject *args)
{
    Py_buffer text;
    Py_ssize_t size;
    int delimiter, are_whole;
    Rows rows = {0};
    PyObject *wanted, *list = NULL, *answer = NULL;
    if (!PyArg_ParseTuple(args, "y*niiO!", &text, &size, &delimiter, &rows.columns, &PyList_Type, &wanted))
        return NULL;
    if (size < 0 || size > text.len || size >= INT32_MAX || delimiter < 0 || delimiter >= 0x80 || rows.columns < 1) {
        PyErr_SetString(PyExc_ValueError, "there is not so much text, or a delimiter or columns that cannot be");
        goto done;
    }
    if (rows.columns - 1 > size) { /* no row can have so many cells, and their room would be large */
        answer = Py_NewRef(Py_None);
        goto done;
    }
    if (!open_rows(&rows, size))
        goto done;
    Py_BEGIN_ALLOW_THREADS
    are_whole = find_cells(&rows, text.buf, (int32_t)size, (unsigned char)delimiter) &&
                rows.returns == count_returns(text.buf, size);
    Py_END_ALLOW_THREADS
    if (!are_whole) {
        answer = Py_NewRef(Py_None);
        goto done;
    }
    if (!(list = PyList_New(0)))
        goto done;
    for (Py_ssize_t i = 0; i < PyList_Size(wanted); i++) {
        Py_ssize_t column = PyLong_AsSsize_t(PyList_GetItem(wanted, i));
        if (column < 0 || column >= rows.columns) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "there is no such column");
            goto done;
        }
        PyObject *built = column_of(&rows, (int32_t)column, text.buf, size);
        if (!built || PyList_Append(list, built) < 0) {
            Py_XDECREF(built);
            goto done;
        }
        Py_DECREF(built);
    }
    answer = Py_BuildValue("nO", rows.rows, list);
done:
    Py_XDECREF(list);
    close_rows(&rows);
    PyBuffer_Release(&text);
    return answer;
}

static PyMethodDef functions[] = {{"split", split, METH_VARARGS, split_doc}, {0}};

static int execute(PyObject *module)
{
    return PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_cells", "Cells of CSV; see `acceleration.py`.", 0, functions, slots, 0, 0, 0};

PyMODINIT_FUNC PyInit__cells(void)
{
    return PyModuleDef_Init(&definition);
}

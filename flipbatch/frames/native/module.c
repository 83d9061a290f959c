/* The decoder as a Python module. Knows Python objects, and no JPEG. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include "decode.h"

enum { VERSION = 1 }; /* as in runtime/native_decoder.py; another one where pixels or outcomes change */

/* The tables of the last picture that a thread has decoded: frames of one film mostly have the same. */
static _Thread_local BlockTables last_tables[COMPONENTS];

static PyObject *size(PyObject *Py_UNUSED(module), PyObject *data) {
    Py_buffer bytes;
    Header header;
    if (PyObject_GetBuffer(data, &bytes, PyBUF_SIMPLE)) return NULL;
    Outcome outcome = read_header(bytes.buf, (size_t)bytes.len, &header);
    PyBuffer_Release(&bytes);
    if (outcome != DECODED) Py_RETURN_NONE;
    return Py_BuildValue("II", header.height, header.width);
}

static Outcome decode_into(const Py_buffer *out, const Py_buffer *bytes) {
    Header header;
    Outcome outcome = read_header(bytes->buf, (size_t)bytes->len, &header);
    if (outcome != DECODED) return outcome;
    if ((size_t)out->len != (size_t)scaled_height(&header) * scaled_width(&header) * 3) return NOT_TAKEN;
    return decode_eighth(out->buf, &header, bytes->buf, (size_t)bytes->len, last_tables);
}

static PyObject *decode(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Py_buffer bytes, out;
    Outcome outcome;
    if (!PyArg_ParseTuple(arguments, "y*w*", &bytes, &out)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    outcome = decode_into(&out, &bytes);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&bytes);
    PyBuffer_Release(&out);
    return outcome == OUT_OF_MEMORY ? PyErr_NoMemory() : PyLong_FromLong(outcome);
}

static PyMethodDef methods[] = {
    {"size", size, METH_O, "Return the height and width of a JPEG, or None if this decoder does not take it."},
    {"decode", decode, METH_VARARGS, "Fill a buffer with a JPEG's RGB pixels at one eighth; return an outcome."},
    {0},
};

static int add_constants(PyObject *module) {
    static const struct {
        const char *name;
        Outcome outcome;
    } outcomes[] = {
        {"DECODED", DECODED},
        {"NOT_TAKEN", NOT_TAKEN},
        {"NO_SUCH_CODE", NO_SUCH_CODE},
        {"BLOCK_TOO_LONG", BLOCK_TOO_LONG},
        {"CODE_MISSING", CODE_MISSING},
        {"DECODED_WITH_ZEROS", DECODED_WITH_ZEROS},
    };
    if (PyModule_AddIntConstant(module, "VERSION", VERSION)) return -1;
    for (size_t index = 0; index < sizeof outcomes / sizeof *outcomes; index++)
        if (PyModule_AddIntConstant(module, outcomes[index].name, outcomes[index].outcome)) return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_constants}, {0}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "flipbatch_jpeg",
    .m_doc = "Decodes baseline JPEGs at one eighth of their size.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_flipbatch_jpeg(void) { return PyModuleDef_Init(&definition); }

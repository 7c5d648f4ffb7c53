"""libllama's C API through ctypes: what make_states.py and judge.py need of it, and no more.

Works with any build whose llama_context_params has the layout below: llama.cpp v0.5.0 (npm `@node-llama-cpp/linux-x64` 3.22.1, which
scripts/real-model.sh fetches) and llama-cpp-python 0.3.36 do.
"""
import ctypes as C
import os

#: byte offsets in llama_context_params, the only fields that are ever set
CONTEXT_PARAMS = {"n_ctx": 0, "n_batch": 4, "n_ubatch": 8, "n_seq_max": 12, "n_threads": 28, "n_threads_batch": 32, "flash_attn_type": 52,
                  "type_k": 104, "type_v": 108}
CONTEXT_FLAGS = {"swa_full": 132, "kv_unified": 133}


class Opaque(C.Structure):
    """A parameter struct larger than any build's; the library fills and reads its own part."""
    _fields_ = [("w", C.c_uint64 * 64)]

    def set(self, offset, value, kind=C.c_int32):
        kind.from_address(C.addressof(self) + offset).value = value


class Batch(C.Structure):
    _fields_ = [("n_tokens", C.c_int32), ("token", C.POINTER(C.c_int32)), ("embd", C.POINTER(C.c_float)), ("pos", C.POINTER(C.c_int32)),
                ("n_seq_id", C.POINTER(C.c_int32)), ("seq_id", C.POINTER(C.POINTER(C.c_int32))), ("logits", C.POINTER(C.c_int8))]


LOG = C.CFUNCTYPE(None, C.c_int, C.c_char_p, C.c_void_p)
I32S = C.POINTER(C.c_int32)
SIZE = C.POINTER(C.c_size_t)

FUNCTIONS = (
    ("llama_context_default_params", Opaque, []),
    ("llama_model_default_params", Opaque, []),
    ("llama_model_load_from_file", C.c_void_p, [C.c_char_p, Opaque]),
    ("llama_init_from_model", C.c_void_p, [C.c_void_p, Opaque]),
    ("llama_free", None, [C.c_void_p]),
    ("llama_model_get_vocab", C.c_void_p, [C.c_void_p]),
    ("llama_vocab_n_tokens", C.c_int32, [C.c_void_p]),
    ("llama_tokenize", C.c_int32, [C.c_void_p, C.c_char_p, C.c_int32, I32S, C.c_int32, C.c_bool, C.c_bool]),
    ("llama_token_to_piece", C.c_int32, [C.c_void_p, C.c_int32, C.c_char_p, C.c_int32, C.c_int32, C.c_bool]),
    ("llama_model_n_embd", C.c_int32, [C.c_void_p]),
    ("llama_get_memory", C.c_void_p, [C.c_void_p]),
    ("llama_memory_clear", None, [C.c_void_p, C.c_bool]),
    ("llama_memory_seq_rm", C.c_bool, [C.c_void_p, C.c_int32, C.c_int32, C.c_int32]),
    ("llama_batch_init", Batch, [C.c_int32, C.c_int32, C.c_int32]),
    ("llama_batch_free", None, [Batch]),
    ("llama_decode", C.c_int32, [C.c_void_p, Batch]),
    ("llama_get_logits", C.POINTER(C.c_float), [C.c_void_p]),
    ("llama_state_seq_save_file", C.c_size_t, [C.c_void_p, C.c_char_p, C.c_int32, I32S, C.c_size_t]),
    ("llama_state_seq_load_file", C.c_size_t, [C.c_void_p, C.c_char_p, C.c_int32, I32S, C.c_size_t, SIZE]),
    ("llama_state_save_file", C.c_bool, [C.c_void_p, C.c_char_p, I32S, C.c_size_t]),
    ("llama_state_load_file", C.c_bool, [C.c_void_p, C.c_char_p, I32S, C.c_size_t, SIZE]),
    ("llama_state_get_size", C.c_size_t, [C.c_void_p]),
    ("llama_state_get_data", C.c_size_t, [C.c_void_p, C.c_void_p, C.c_size_t]),
    ("llama_state_set_data", C.c_size_t, [C.c_void_p, C.c_void_p, C.c_size_t]),
    ("llama_state_seq_get_size_ext", C.c_size_t, [C.c_void_p, C.c_int32, C.c_uint32]),
    ("llama_state_seq_get_data_ext", C.c_size_t, [C.c_void_p, C.c_void_p, C.c_size_t, C.c_int32, C.c_uint32]),
    ("llama_state_seq_set_data_ext", C.c_size_t, [C.c_void_p, C.c_void_p, C.c_size_t, C.c_int32, C.c_uint32]),
    ("llama_log_set", None, [LOG, C.c_void_p]),
)


class LlamaC:
    """A loaded model and at most one context over it. Log lines are collected in `log`, never printed."""

    def __init__(self, lib, backends, model):
        self.log = []
        self.L = L = C.CDLL(os.path.abspath(lib))
        for name, res, args in FUNCTIONS:
            f = getattr(L, name)
            f.restype, f.argtypes = res, args
        self.cb = LOG(lambda level, text, _: self.log.append(text.decode(errors="replace")))
        L.llama_log_set(self.cb, None)
        L.llama_backend_init()
        if backends:
            folder = os.path.dirname(os.path.abspath(lib))
            ggml = next(f for f in sorted(os.listdir(folder)) if f.startswith("libggml.") and ".so" in f)
            C.CDLL(os.path.join(folder, ggml)).ggml_backend_load_all_from_path(os.path.abspath(backends).encode())
        self.model = L.llama_model_load_from_file(model.encode(), L.llama_model_default_params())
        if not self.model:
            raise SystemExit("model does not load: " + "".join(self.log[-6:]))
        self.vocab = L.llama_model_get_vocab(self.model)
        self.n_embd = L.llama_model_n_embd(self.model)
        self.ctx = None

    def new_context(self, **params):
        """A fresh context; parameters by the names above, the library's defaults for the rest."""
        if self.ctx:
            self.L.llama_free(self.ctx)
        p = self.L.llama_context_default_params()
        for name, value in params.items():
            if name in CONTEXT_FLAGS:
                p.set(CONTEXT_FLAGS[name], value, C.c_bool)
            else:
                p.set(CONTEXT_PARAMS[name], value)
        del self.log[:]
        self.ctx = self.L.llama_init_from_model(self.model, p)
        if not self.ctx:
            raise SystemExit("context refused: " + "".join(self.log[-6:]))

    def tokenize(self, text):
        raw = text.encode()
        buf = (C.c_int32 * (len(raw) + 16))()
        n = self.L.llama_tokenize(self.vocab, raw, len(raw), buf, len(buf), True, False)
        if n < 0:
            raise SystemExit("the text cannot be tokenized")
        return list(buf[:n])

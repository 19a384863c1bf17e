"""What llama.cpp computes of a GGUF model, from its own interface: its wrapper for people wants a tokenizer, which tiny
models do not have.

usage: llama_outputs.py MODEL ADAPTER IDS.json OUT.npy ENCODER    (ADAPTER may be empty, ENCODER is 0 or 1)
Everything in float32, caches too, on one thread. Needs: llama_cpp numpy.
"""
import ctypes
import json
import pathlib
import subprocess
import sys

import numpy as np


def by_llama(model, texts, scratch, adapter="", encoder=False):
    """Logits (B, T, V), or an encoder's last hidden states (B, T, C). In a process of its own, which an assertion of
    llama.cpp may end."""
    ids, out = scratch / "llama.json", scratch / "llama.npy"
    ids.write_text(json.dumps(texts))
    done = subprocess.run([sys.executable, __file__, str(model), str(adapter), ids, out, str(int(encoder))],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"llama.cpp: {done.stderr.strip()[-300:]}")
    return np.load(out)


def load(llama_cpp, model, adapter):
    loaded = llama_cpp.llama_model_load_from_file(model.encode(), llama_cpp.llama_model_default_params())
    if not loaded:
        raise RuntimeError("llama.cpp does not load the model")
    lora = llama_cpp.llama_adapter_lora_init(loaded, adapter.encode()) if adapter else None
    if adapter and not lora:
        raise RuntimeError("llama.cpp does not load the adapter")
    return loaded, lora


def parameters(llama_cpp, encoder):
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 256
    params.n_threads = params.n_threads_batch = 1
    params.type_k = params.type_v = 0  # GGML_TYPE_F32
    params.flash_attn_type = 0
    params.swa_full = True
    if encoder:
        params.embeddings, params.pooling_type = True, 0  # one vector a token
    return params


def outputs(model, adapter, texts, encoder):
    import llama_cpp

    quiet = llama_cpp.llama_log_callback(lambda level, text, _: None if level < 4 else sys.stderr.buffer.write(text))
    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    loaded, lora = load(llama_cpp, model, adapter)
    width = (llama_cpp.llama_model_n_embd(loaded) if encoder
             else llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(loaded)))
    row = llama_cpp.llama_get_embeddings_ith if encoder else llama_cpp.llama_get_logits_ith
    out = []
    for text in texts:
        context = llama_cpp.llama_init_from_model(loaded, parameters(llama_cpp, encoder))
        if not context:
            raise RuntimeError("llama.cpp makes no context for the model")
        if lora:
            adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(
                ctypes.cast(lora, llama_cpp.llama_adapter_lora_p_ctypes))
            if llama_cpp.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(1.0)):
                raise RuntimeError("llama.cpp does not take the adapter")
        batch = llama_cpp.llama_batch_init(len(text), 0, 1)
        batch.n_tokens = len(text)
        for i, token in enumerate(text):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        if (llama_cpp.llama_encode if encoder else llama_cpp.llama_decode)(context, batch):
            raise RuntimeError("llama.cpp does not compute it")
        out.append([np.ctypeslib.as_array(row(context, i), (width,)).copy() for i in range(len(text))])
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)
    return np.array(out)


if __name__ == "__main__":
    MODEL, ADAPTER, IDS, OUT, ENCODER = sys.argv[1:]
    np.save(OUT, outputs(MODEL, ADAPTER, json.loads(pathlib.Path(IDS).read_text()), ENCODER == "1"))

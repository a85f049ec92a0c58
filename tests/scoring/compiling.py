"""Compiles every kernel for a GPU that need not be there; run by itself, since the other tests interpret kernels."""

from triton import compile as compile_kernel
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from thrifty.scoring.kernels import gpu

HOPPER = GPUTarget("cuda", 90, 32)
SIZES = {"height": "i32", "width": "i32"}
ROWS = {
    "maps": "*fp32",
    "size": "i32",
    "table": "*i64",
    "extents": "*fp64",
    "first": "i32",
    "last": "i32",
    "running": "*fp64",
    "entropies": "*fp64",
    **SIZES,
}
DOWN = {"running": "*fp64", **SIZES}
ENTROPIES = {"running": "*fp64", "maps": "i32", "scores": "*fp64", **SIZES, "radius": "i32"}
KERNELS = [
    *((gpu._read_sigmoid_rows, ROWS, {"LOGITS": kind, "BLOCK": 1024}) for kind in (True, False)),
    *((gpu._read_softmax_rows, ROWS, {"LOGITS": kind, "BLOCK": 1024}) for kind in (True, False)),
    (gpu._sum_down, DOWN, {"ROWS": gpu._ROWS, "BLOCK": gpu._BLOCK}),
    *((gpu._add_entropies, ENTROPIES, {"SOFTMAX": s, "BLOCK": gpu._BLOCK}) for s in (True, False)),
]

if __name__ == "__main__":
    for kernel, arguments, constants in KERNELS:
        signature = arguments | dict.fromkeys(constants, "constexpr")
        made = compile_kernel(ASTSource(kernel, signature, constants), target=HOPPER)
        print(kernel.__name__, len(made.asm["cubin"]))

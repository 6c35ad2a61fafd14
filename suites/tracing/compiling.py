"""How a program of JAX is compiled that is run once or a few dozen times."""

from typing import Any

# Compiling is most of the time there. IEEE arithmetic stays what it is.
QUICK_TO_COMPILE: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,  # a third of the rest
    "xla_cpu_parallel_codegen_split_count": 1,  # a third of that: small programs are not worth several modules
    # Where other work keeps the cores busy, threads wait for one another by turning, which counts as CPU.
    "xla_cpu_multi_thread_eigen": False,
}

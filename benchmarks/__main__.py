"""`python -m benchmarks [front|lint|onnx|export|int8|torch ...]`: the tables, all of them or those named.

`python -m benchmarks other_tools --environment TOOL=PYTHON ...` compares with tools that are installed elsewhere,
`python -m benchmarks gpu ...` runs on a GPU; both take options of their own.
"""

import sys
from importlib import import_module

NAMES = ("front", "lint", "onnx", "export", "int8", "torch")


def main() -> int:
    """Run the benchmarks named on the command line, or all."""
    if sys.argv[1:2] == ["other_tools"]:
        import_module("benchmarks.bench_other_tools").main(sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["gpu"]:
        made: int = import_module("benchmarks.gpu").main(sys.argv[2:])
        return made
    wanted = sys.argv[1:] or NAMES
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"no benchmark {unknown[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in wanted:
        import_module(f"benchmarks.bench_{name}").main()
    return 0


sys.exit(main())
